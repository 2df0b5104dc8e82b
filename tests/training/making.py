"""Sounds and configs that a network of a few thousand weights can learn from in seconds."""

from pathlib import Path

import numpy as np
import soundfile

from stemkit.samples import Samples
from stemkit.training.config import TrainingConfig, load_config

RATE = 44100
NETWORK = """
[network]
n_fft = 512
hop = 128
stage_channels = [4, 6]
bottleneck_blocks = 1
frequency_bottleneck = 0
"""
POOLS = """
[[pool]]
source = "vocals"
folders = ["voice"]
[[pool]]
source = "accompaniment"
folders = ["band"]
"""
SONGS = '[[songs]]\nfolders = ["songs"]\n'
STEMS = {"vocals": (0, 3000), "drums": (6000, 20000), "bass": (3000, 4000), "other": (4000, 6000)}
"""The bands, in Hz, of the noise that each stem is."""

_DEFAULTS = {
    "output": '"out"',
    "hours": "1",
    "segment_seconds": "0.3",
    "batch_size": "2",
    "workers": "0",
    "warmup_steps": "3",
    "learning_rate": "1e-2",
    "schedule": '"constant"',
    "precision": '"float32"',
    "log_steps": "1",
}


def make_noise(seconds: float, top_hz: float, bottom_hz: float = 0, seed: int = 0) -> Samples:
    """Return stereo noise between two frequencies, (2, frames), with a peak of 0.3."""
    rng = np.random.default_rng(seed)
    frames = int(seconds * RATE)
    spectrum = np.fft.rfft(rng.standard_normal((2, frames)))
    spectrum[:, int(top_hz * frames / RATE) :] = 0
    spectrum[:, : int(bottom_hz * frames / RATE)] = 0
    signal = np.fft.irfft(spectrum, frames)
    return np.asarray(0.3 * signal / np.abs(signal).max(), dtype=np.float32)


def write_sound(path: Path, audio: Samples) -> None:
    """Write 16-bit audio, its folder too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio.T, RATE)


def write_material(folder: Path) -> None:
    """Make a voice, a band, and two songs with the stems of MUSDB18-HQ and their mixture."""
    write_sound(folder / "voice" / "one.wav", make_noise(1, 3000, seed=1))
    write_sound(folder / "band" / "one.wav", make_noise(1, 20000, 3000, seed=2))
    for number, song in enumerate(("a song", "another")):
        sounds = {
            stem: make_noise(1, top, bottom, seed=10 * number + at)
            for at, (stem, (bottom, top)) in enumerate(STEMS.items())
        }
        mix = np.stack(list(sounds.values())).sum(axis=0)
        for stem, audio in (sounds | {"mixture": mix}).items():
            write_sound(folder / "songs" / song / f"{stem}.wav", audio)


def write_toml(folder: Path, *tables: str, **keys: object) -> Path:
    """Write a config of top keys, whose values are TOML, and tables, by default those above."""
    lines = (f"{name} = {value}" for name, value in (_DEFAULTS | keys).items() if value != "")
    path = folder / "config.toml"
    path.write_text("\n".join((*lines, *(tables or (NETWORK, POOLS)))))
    return path


def make_config(folder: Path, *tables: str, **keys: object) -> TrainingConfig:
    """Return the config that `write_toml` writes."""
    return load_config(write_toml(folder, *tables, **keys))
