"""Training audio on the disk: decoded once to 16 bits at the network's rate, then read anywhere."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

from stemkit.audio.complaints import reading
from stemkit.errors import AudioError, TrainingError
from stemkit.evaluation.reading import read_sound
from stemkit.evaluation.songs import Sound
from stemkit.files import replace_content, replace_file, writing
from stemkit.samples import Samples

_QUIETEST = 0.01  # peak, with 8 of the 16 bits
FLOOR_DB = -75.0  # a bin this far below the loudest one counts as empty

_FORM = 2  # of what the cache holds; another makes it anew


@dataclass(frozen=True)
class Clip:
    """One decoded file: int16 of shape (frames, channels), and the highest frequency it holds.

    Full scale of the integers is `scale`, for files of floats may be louder, or very quiet.
    """

    path: Path
    frames: int
    bandwidth_hz: float
    scale: float = 1.0

    def read(self, start: int, frames: int) -> Samples:
        """Return an excerpt, (2, frames), silent beyond the end.

        Raises TrainingError where the cache has lost it.
        """
        try:
            data = np.load(self.path, mmap_mode="r")[start : start + frames]
        except (OSError, ValueError) as error:
            raise TrainingError(f"{self.path} can't be read any more: {error}") from error
        excerpt = np.zeros((2, frames), dtype=np.float32)
        excerpt[:, : len(data)] = np.asarray(data, dtype=np.float32).T * (self.scale / 32768)
        return excerpt


@dataclass(frozen=True)
class ClipCache:
    """Where clips are kept. Processes may share it: each file appears in it whole."""

    folder: Path
    sample_rate: int

    def decode(self, sound: Sound) -> Clip:
        """Return the clip of a file or stream, decoded now or before.

        Raises AudioError for what can't be decoded, and TrainingError where the cache can't be
        written.
        """
        with reading(sound.path):
            state = sound.path.stat()
        stamp = f"{_FORM}:{sound}:{state.st_size}:{state.st_mtime_ns}:{self.sample_rate}"
        name = hashlib.sha256(stamp.encode()).hexdigest()[:24]
        data, facts = self.folder / f"{name}.npy", self.folder / f"{name}.json"
        found = _read_facts(facts) if data.exists() else None
        if found is None:
            found = self._write(sound, data, facts)
        if not found["frames"]:
            raise AudioError(f"{sound.path.name!r} has no audio")
        return Clip(data, int(found["frames"]), found["bandwidth_hz"], found["scale"])

    def _write(self, sound: Sound, data: Path, facts: Path) -> dict[str, float]:
        samples, rate = read_sound(sound)
        if len(samples) > 2:
            raise AudioError(
                f"{sound.path.name!r} has {len(samples)} channels; make it mono or stereo"
            )
        audio = soxr.resample(samples.T, rate, self.sample_rate)  # (frames, channels)
        mono = audio.shape[1] == 1 or np.array_equal(audio[:, 0], audio[:, 1])
        audio = audio[:, :1] if mono else audio
        scale = _choose_scale(float(np.abs(audio).max(initial=0)))
        rounded = np.clip(np.rint(audio * (32768 / scale)), -32768, 32767).astype(np.int16)
        bandwidth_hz = measure_bandwidth(audio.T, self.sample_rate)
        found = {"frames": len(audio), "bandwidth_hz": bandwidth_hz, "scale": scale}
        with writing(self.folder, TrainingError):
            replace_file(data, lambda temporary: _save_array(temporary, rounded))
            replace_content(facts, json.dumps(found).encode())
        return found


def _choose_scale(peak: float) -> float:
    """Return 1 where 16 bits hold a signal of this peak well, and the peak where they don't."""
    return 1.0 if _QUIETEST <= peak <= 1 or not peak else peak


def _read_facts(path: Path) -> dict[str, float] | None:
    try:
        found = json.loads(path.read_bytes())
        return {name: float(found[name]) for name in ("frames", "bandwidth_hz")} | {
            "scale": float(found.get("scale", 1))
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _save_array(path: Path, array: np.ndarray[tuple[int, ...], np.dtype[np.int16]]) -> None:
    with path.open("wb") as file:
        np.save(file, array)


def measure_bandwidth(audio: Samples, sample_rate: int) -> float:
    """Return the highest frequency, in Hz, that (channels, frames) holds above the floor."""
    size = 2048
    usable = audio.shape[1] // size * size
    if usable == 0:
        return sample_rate / 2
    power = np.zeros(size // 2 + 1)
    for channel in audio[:, :usable]:  # what two sides have against each other counts, too
        blocks = channel.reshape(-1, size) * np.hanning(size)
        power += (np.abs(np.fft.rfft(blocks)) ** 2).mean(axis=0)
    above = np.nonzero(10 * np.log10(power / (power.max() + 1e-20) + 1e-20) > FLOOR_DB)[0]
    return float((above[-1] if len(above) else 0) * sample_rate / size)
