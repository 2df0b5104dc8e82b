"""Mix the stems of an album to its songs' vocals and accompaniments, and cut its singing out.

    python mix_album.py OUTPUT_FOLDER

The album is "Everything is Free" by Software-Entwicklungskit, CC0, whose stems `gather_audio`
puts into `OUTPUT_FOLDER/samples/everything-is-remixed`: a folder a song, every file from its first
bar. Makes `OUTPUT_FOLDER/songs/<song>` with `vocals.flac` and `accompaniment.flac`, and in
`OUTPUT_FOLDER/voice/album` what is spoken and what is sung in each song, its rests shortened.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr
from sounds import SAMPLE_RATE, write_flac

from stemkit.evaluation.reading import read_sound
from stemkit.evaluation.songs import Sound

MOBILE = "_mobile"  # a smaller version of the same stem
LEAD, BACKING = " LEAD", "BGVOX"
BLOCK = SAMPLE_RATE // 10
FLOOR_DB = -50  # of a block's RMS: below it is a rest
REST_BLOCKS = 8  # of a rest stay

Floats = npt.NDArray[np.float32]


def main() -> None:
    """Make the songs that aren't there yet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("output_folder", type=Path)
    mix_album(parser.parse_args().output_folder)


def mix_album(output_folder: Path) -> None:
    """Make `songs` and `voice/album` of the album's stems."""
    stems = output_folder / "samples" / "everything-is-remixed"
    if not stems.is_dir():
        sys.exit(f"no {stems}; run gather_audio.py first")
    for folder in sorted(path for path in stems.iterdir() if path.is_dir()):
        mix_song(folder, output_folder)


def mix_song(folder: Path, output_folder: Path) -> None:
    """Write one song's vocals and accompaniment, and its singing; skip it where it is there."""
    song = output_folder / "songs" / folder.name
    if (song / "vocals.flac").is_file():  # the last that is written
        return
    paths = choose_stems(folder)
    vocal = [path for path in paths if "VOX" in path.name]
    parts = add(vocal), add([path for path in paths if path not in vocal])
    frames = max(len(part) for part in parts)
    vocals, accompaniment = (np.pad(part, ((0, frames - len(part)), (0, 0))) for part in parts)
    loudest = max(float(np.abs(part).max()) for part in (vocals, accompaniment))
    gain = np.float32(min(1, 0.99 / loudest))  # as 16 bits hold it
    voices = output_folder / "voice" / "album"
    for name, mark in (("lead", LEAD), ("backing", BACKING)):
        if some := [path for path in vocal if mark in path.name]:
            write_flac(voices / f"{folder.name}-{name}.flac", shorten_rests(add(some)))
    write_flac(song / "accompaniment.flac", accompaniment * gain)
    write_flac(song / "vocals.flac", vocals * gain)


def choose_stems(folder: Path) -> list[Path]:
    """Return the file of each stem, the smaller version where there is no other."""
    paths = sorted(path for path in folder.glob("*.m4a") if "_Stem_" in path.name)
    names = {path.stem for path in paths}
    return [path for path in paths if path.stem.removesuffix(MOBILE) not in names - {path.stem}]


def add(paths: list[Path]) -> Floats:
    """Return the sum of files, (frames, 2), that begin together."""
    total = np.zeros((0, 2), np.float32)
    for path in paths:
        samples, rate = read_sound(Sound(path))
        audio = soxr.resample(samples.T, rate, SAMPLE_RATE)
        longest = max(len(total), len(audio))
        total = np.pad(total, ((0, longest - len(total)), (0, 0)))
        total[: len(audio)] += audio
    return total


def shorten_rests(audio: Floats) -> Floats:
    """Return what is heard, and no more than `REST_BLOCKS` of each rest."""
    blocks = audio[: len(audio) // BLOCK * BLOCK].reshape(-1, BLOCK, 2)
    is_heard = np.square(blocks).mean(axis=(1, 2)) > 10 ** (FLOOR_DB / 10)
    near = np.convolve(is_heard, np.ones(REST_BLOCKS + 1), "same") > 0
    return blocks[near].reshape(-1, 2)


if __name__ == "__main__":
    main()
