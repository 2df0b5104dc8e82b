"""Mix songs of vocals, drums, bass and other that no training hears, to score models by.

    python mix_checks.py OUTPUT_FOLDER SONGS

The song of each style that `render_stems` plays on strange instruments, and four moments of the
band of mdn's webaudio-examples, which `gather_audio` gathers, 20 s of each, get the vocals of the
songs in SONGS in turn. Each becomes `OUTPUT_FOLDER/checks/<name>` with a FLAC file a stem.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import soundfile
from render_leads import Audio
from sounds import SAMPLE_RATE, write_flac

from stemkit.audio.decode import AudioReader

SECONDS = 20
MDN = {"drums": ("drums",), "bass": ("bassguitar",), "other": ("clav", "horns", "leadguitar")}


def main() -> None:
    """Mix every song."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("output_folder", type=Path)
    parser.add_argument("songs", type=Path)
    arguments = parser.parse_args()
    mix_checks(arguments.output_folder, sorted(arguments.songs.glob("*/vocals.*")))


def mix_checks(output_folder: Path, voices: list[Path]) -> None:
    """Mix every song into `checks`."""
    for number, (name, band) in enumerate(list_bands(output_folder)):
        vocals = read(voices[number % len(voices)], 0)
        loudness = float(np.std(sum(band.values()))) / max(float(np.std(vocals)), 1e-6)
        gain = loudness * 10 ** (Random(name).uniform(-5, -1) / 20)
        stems = band | {"vocals": vocals * gain}
        peak = np.abs(sum(stems.values())).max()
        folder = output_folder / "checks" / name
        folder.mkdir(parents=True, exist_ok=True)
        for stem, audio in stems.items():
            write_flac(folder / f"{stem}.flac", audio.T * (0.9 / peak))


def list_bands(output_folder: Path) -> Iterator[tuple[str, dict[str, Audio]]]:
    """Yield the name and the stems of each band."""
    for folder in sorted((output_folder / "stems-to-check").iterdir()):
        random = Random(folder.name)
        sounds = {path.stem: read(path, 20) for path in sorted(folder.iterdir())}
        yield (
            folder.name,
            {
                stem: audio * (10 ** (random.uniform(-3, 3) / 20) / max(float(np.std(audio)), 1e-3))
                for stem, audio in sounds.items()
            },
        )
    for start in (2, 22, 42, 60):
        parts = {
            stem: sum(read(output_folder / "samples" / "mdn" / f"{n}.mp3", start) for n in names)
            for stem, names in MDN.items()
        }
        yield f"mdn-{start:02}", {stem: np.asarray(audio) for stem, audio in parts.items()}


def read(path: Path, start: int) -> Audio:
    """Return 20 s from a second on, (2, frames), silent beyond the end."""
    if path.suffix == ".flac":
        audio = soundfile.read(path, dtype="float32", always_2d=True)[0].T
    else:
        with AudioReader(path) as reader:
            audio = np.concatenate(list(reader.blocks()), axis=1)
    audio = np.broadcast_to(audio, (2, audio.shape[1]))[:, start * SAMPLE_RATE :]
    audio = audio[:, : SECONDS * SAMPLE_RATE]
    return np.pad(audio, ((0, 0), (0, SECONDS * SAMPLE_RATE - audio.shape[1])))


if __name__ == "__main__":
    main()
