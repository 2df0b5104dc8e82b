"""Make speech of words and sentences: those of one folder one after the other, with short rests.

    python string_words.py OUTPUT_FOLDER

Needs what `gather_audio` gathers in `OUTPUT_FOLDER/voice`: `gcompris`, a folder of words for
each language, of a few speakers, and the sentences of `SENTENCES`. Makes `strung-<name>` of each:
44.1 kHz mono FLAC of about 30 s, at most four minutes a language of words. A file depends on
its folder alone; those already there are skipped.
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

WORDS = "gcompris"
SENTENCES = ("fillets-cs", "fillets-nl", "kathleen", "kerstin")
MOST_FILES = {"words": 8, "sentences": 100}
FILE_SECONDS = 30
SUFFIXES = (".ogg", ".wav", ".flac")
FLOOR_DB = -45  # below the loudest sample: before and after a word

Floats = npt.NDArray[np.float32]


def main() -> None:
    """String the words of every folder that isn't done yet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("output_folder", type=Path)
    string_words(parser.parse_args().output_folder)


def string_words(output_folder: Path) -> None:
    """Make `voice/strung-<name>` of the folders of words and of sentences."""
    voices = output_folder / "voice"
    for name in (WORDS, *SENTENCES):
        if not (voices / name).is_dir():
            sys.exit(f"no {voices / name}; run gather_audio.py first")
    for folder in sorted(path for path in (voices / WORDS).iterdir() if path.is_dir()):
        string_folder(folder, voices / f"strung-{WORDS}", MOST_FILES["words"])
    for name in SENTENCES:
        string_folder(voices / name, voices / f"strung-{name}", MOST_FILES["sentences"])


def string_folder(folder: Path, output: Path, most_files: int) -> None:
    """Write what one folder holds as files of about `FILE_SECONDS`, and no more of them."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES)
    random = Random(folder.name)
    random.shuffle(paths)
    for number in range(most_files):
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
