"""Make high voices of low ones: raise recorded singers in pitch, with smaller vocal tracts.

    python raise_singers.py OUTPUT_FOLDER

Needs the singers that `gather_audio` gathers, in `OUTPUT_FOLDER/voice/pockettorah`, and PyPI's
pyworld. They are men but for two readings; what is learned from them takes a woman's voice for
an instrument. Makes `OUTPUT_FOLDER/voice/raised-pockettorah`: excerpts of 20 s, 44.1 kHz mono
FLAC. An excerpt depends on its reading and number alone; those already there are skipped.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import soundfile
from sounds import write_flac
from voice_frames import FRAME_SECONDS, Floats, analyze, prepare, shift_formants, synthesize

EXCERPTS = 3  # of each reading
EXCERPT_SECONDS = 20
ALREADY_HIGH = ("Vayetzei-", "Vayishlach-")
HELD_BACK = ("Kedoshim-", "Bereshit-")  # of these the validation songs are made
MIDDLES_HZ = (210, 480)  # between these lies the middle of a raised voice
FORMANTS = (1.05, 1.28)


def main() -> None:
    """Raise every excerpt that isn't there yet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("output_folder", type=Path)
    raise_singers(parser.parse_args().output_folder)


def raise_singers(output_folder: Path) -> None:
    """Make the excerpts of every low reading into `voice/raised-pockettorah`."""
    voices = output_folder / "voice"
    paths = sorted(
        path
        for path in (voices / "pockettorah").glob("*.mp3")
        if not path.name.startswith(ALREADY_HIGH + HELD_BACK)
    )
    if not paths:
        sys.exit(f"no readings in {voices / 'pockettorah'}; run gather_audio.py first")
    for number in range(EXCERPTS):
        for path in paths:
            raise_excerpt(path, number, voices / "raised-pockettorah")


def raise_excerpt(path: Path, number: int, folder: Path) -> None:
    """Raise one excerpt of a reading and write it into the folder, unless it is there."""
    target = folder / f"{path.stem}-{number}.flac"
    if target.exists():
        return
    random = Random(target.stem)
    frames = analyze(read_excerpt(path, random.random()))
    voiced_hz = frames.pitch_hz[frames.pitch_hz > 0]
    if len(voiced_hz) * FRAME_SECONDS < EXCERPT_SECONDS / 4:
        return
    low_hz, high_hz = MIDDLES_HZ
    middle_hz = low_hz * (high_hz / low_hz) ** random.random()
    ratio = 2 ** (round(12 * np.log2(middle_hz / np.median(voiced_hz))) / 12)
    raised = replace(frames, pitch_hz=frames.pitch_hz * ratio)
    audio = synthesize(shift_formants(raised, random.uniform(*FORMANTS)))
    audio *= 0.7 / np.abs(audio).max()
    write_flac(target, audio)


def read_excerpt(path: Path, place: float) -> Floats:
    """Return an excerpt of a reading as mono at 44.1 kHz, its start `place` of the way in."""
    with soundfile.SoundFile(path) as file:
        size = EXCERPT_SECONDS * file.samplerate
        file.seek(int(place * max(0, file.frames - size)))
        audio = file.read(size, always_2d=True)
        rate = file.samplerate
    return prepare(audio, rate)


if __name__ == "__main__":
    main()
