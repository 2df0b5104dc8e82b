"""Make speech of single words: those of one folder one after the other, with short rests.

    python string_words.py OUTPUT_FOLDER

Needs the words that `gather_audio` gathers, in `OUTPUT_FOLDER/voice/gcompris`: a folder for
each language, of a few speakers. Makes `OUTPUT_FOLDER/voice/strung-gcompris`: 44.1 kHz mono
FLAC of about 30 s, at most four minutes a language. A file depends on its folder alone; those
already there are skipped.
"""

import argparse
import sys
from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt
import soundfile
import soxr
from sounds import SAMPLE_RATE, write_flac

MOST_FILES = 8
FILE_SECONDS = 30
FLOOR_DB = -45  # below the loudest sample: before and after a word

Floats = npt.NDArray[np.float32]


def main() -> None:
    """String the words of every folder that isn't done yet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("output_folder", type=Path)
    string_words(parser.parse_args().output_folder)


def string_words(output_folder: Path) -> None:
    """Make `voice/strung-gcompris` of the folders of words."""
    words = output_folder / "voice" / "gcompris"
    if not words.is_dir():
        sys.exit(f"no {words}; run gather_audio.py first")
    for folder in sorted(path for path in words.iterdir() if path.is_dir()):
        string_folder(folder, words.parent / "strung-gcompris")


def string_folder(folder: Path, output: Path) -> None:
    """Write the words of one folder as files of about `FILE_SECONDS`."""
    paths = sorted(folder.rglob("*.ogg"))
    random = Random(folder.name)
    random.shuffle(paths)
    for number in range(MOST_FILES):
        parts: list[Floats] = []
        while paths and sum(map(len, parts)) < FILE_SECONDS * SAMPLE_RATE:
            parts.append(read_word(paths.pop()))
            parts.append(np.zeros(int(random.uniform(0.05, 0.4) * SAMPLE_RATE), np.float32))
        if not parts:
            return
        target = output / f"{folder.name}-{number}.flac"
        if not target.exists():
            write_flac(target, np.concatenate(parts))


def read_word(path: Path) -> Floats:
    """Return a word as mono, its loudest sample 0.7, without the silence around it."""
    audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono: Floats = soxr.resample(audio.mean(axis=1), rate, SAMPLE_RATE)
    peak = float(np.abs(mono).max(initial=0))
    loud = np.flatnonzero(np.abs(mono) > peak * 10 ** (FLOOR_DB / 20))
    if not len(loud):
        return mono[:0]
    return mono[loud[0] : loud[-1] + 1] * np.float32(0.7 / peak)


if __name__ == "__main__":
    main()
