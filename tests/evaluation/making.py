"""References and estimates as files."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemkit.evaluation import evaluate
from stemkit.samples import Samples

RATE = 8000

needs_ffmpeg = pytest.mark.skipif(
    not (shutil.which("ffmpeg") and shutil.which("ffprobe")),
    reason="museval and stempeg run the programs ffmpeg and ffprobe",
)


def make_noise(seed: int, frames: int = 2 * RATE, channels: int = 1) -> Samples:
    """Return white noise, which no filter turns into another."""
    random = np.random.default_rng(seed)
    return random.normal(0, 0.1, (channels, frames)).astype(np.float32)


def write_sound(path: Path, sound: Samples, rate: int = RATE, subtype: str = "FLOAT") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(os.fsencode(path), sound.T, rate, subtype)


def write_song(folder: Path, seed: int = 0, error: float = 0.0, frames: int = 2 * RATE) -> None:
    """Write vocals and accompaniment, with `error` times the other stem in each."""
    vocals, band = make_noise(2 * seed, frames), make_noise(2 * seed + 1, frames)
    write_sound(folder / "vocals.wav", vocals + np.float32(error) * band)
    write_sound(folder / "accompaniment.wav", band + np.float32(error) * vocals)


def draw_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let box plots be a word, for drawing them takes longer than all else."""
    for name in ("draw_stems", "draw_groups"):
        monkeypatch.setattr(evaluate, name, lambda *_: b"picture")
