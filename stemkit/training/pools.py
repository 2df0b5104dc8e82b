"""Pools of training audio: decoded once to disk, then read in random excerpts."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from stemkit.errors import TrainingError
from stemkit.samples import Samples
from stemkit.training.config import Pool

SUFFIXES = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff"}
FLOOR_DB = -75.0  # a bin this far below the loudest one counts as empty


@dataclass(frozen=True)
class Clip:
    """One decoded file: int16 of shape (frames, channels), and the highest frequency it holds."""

    path: Path
    frames: int
    bandwidth_hz: float


@dataclass(frozen=True)
class ClipPool:
    """Clips to draw from, each in proportion to its length."""

    clips: tuple[Clip, ...]
    weight: float

    def draw(self, rng: np.random.Generator, frames: int) -> tuple[Samples, float]:
        """Return a random excerpt, (2, frames), and its bandwidth in Hz."""
        lengths = np.array([clip.frames for clip in self.clips], dtype=np.float64)
        clip = self.clips[rng.choice(len(lengths), p=lengths / lengths.sum())]
        start = int(rng.integers(0, max(1, clip.frames - frames + 1)))
        data = np.load(clip.path, mmap_mode="r")[start : start + frames]
        excerpt = np.zeros((2, frames), dtype=np.float32)
        excerpt[:, : len(data)] = np.asarray(data, dtype=np.float32).T / 32768
        return excerpt, clip.bandwidth_hz


def open_pool(pool: Pool, sample_rate: int, cache: Path) -> ClipPool:
    """Decode every file of a pool that isn't in `cache` yet, and return the pool.

    Raises TrainingError for a folder that isn't there or holds no audio.
    """
    clips = tuple(_decode(path, sample_rate, cache) for path in _find_files(pool))
    if not clips:
        raise TrainingError(f"no audio in {', '.join(str(folder) for folder in pool.folders)}")
    return ClipPool(clips, pool.weight)


def _find_files(pool: Pool) -> Iterator[Path]:
    for folder in pool.folders:
        if not folder.is_dir():
            raise TrainingError(f"no training folder {folder}; correct the config or make it")
        for path in sorted(folder.rglob("*")):
            excluded = any(path.match(pattern) for pattern in pool.exclude)
            if path.suffix.lower() in SUFFIXES and not excluded:
                yield path


def _decode(path: Path, sample_rate: int, cache: Path) -> Clip:
    stamp = f"{path}:{path.stat().st_size}:{sample_rate}"
    name = hashlib.sha256(stamp.encode()).hexdigest()[:24]
    data, facts = cache / f"{name}.npy", cache / f"{name}.json"
    if not facts.exists():
        cache.mkdir(parents=True, exist_ok=True)
        audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
        audio = soxr.resample(audio[:, :2], rate, sample_rate)
        mono = audio.shape[1] == 1 or np.array_equal(audio[:, 0], audio[:, 1])
        audio = audio[:, :1] if mono else audio
        np.save(data, np.clip(np.rint(audio * 32768), -32768, 32767).astype(np.int16))
        bandwidth_hz = measure_bandwidth(audio.T, sample_rate)
        facts.write_text(json.dumps({"frames": len(audio), "bandwidth_hz": bandwidth_hz}))
    found = json.loads(facts.read_text())
    return Clip(data, int(found["frames"]), float(found["bandwidth_hz"]))


def measure_bandwidth(audio: Samples, sample_rate: int) -> float:
    """Return the highest frequency, in Hz, that (channels, frames) holds above the floor."""
    size = 2048
    mono = audio.mean(axis=0)
    usable = len(mono) // size * size
    if usable == 0:
        return sample_rate / 2
    blocks = mono[:usable].reshape(-1, size) * np.hanning(size)
    power = (np.abs(np.fft.rfft(blocks)) ** 2).mean(axis=0)
    above = np.nonzero(10 * np.log10(power / (power.max() + 1e-20) + 1e-20) > FLOOR_DB)[0]
    return float((above[-1] if len(above) else 0) * sample_rate / size)
