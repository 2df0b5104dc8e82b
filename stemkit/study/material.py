"""The sounds of a study: folders of audio by kind, and excerpts drawn from them."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stemkit.audio.decode import AudioReader
from stemkit.audio.resample import resample
from stemkit.errors import AudioError, NotAudioError, OptionError
from stemkit.samples import Samples

SAMPLE_RATE = 44100
CHANNELS = 2

_LONGEST_SECONDS = 600  # what is read of a file, so that an audiobook costs no more than a song
_FRAME = SAMPLE_RATE // 20  # 50 ms: what is loud or silent
_FADE = SAMPLE_RATE // 100
_MARGIN_DB = 15.9  # what is this far below the level isn't active (ITU-T P.56)
_SILENCE = 1e-8  # power, -80 dB
_ACTIVE_SHARE = 0.5

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Material:
    """The files of each kind, by the name of its folder; sorted, so that a seed means the same."""

    files: Mapping[str, tuple[Path, ...]]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that have at least one file."""
        return tuple(self.files)


def find_material(folder: Path) -> Material:
    """Return what is in `folder`: each subfolder is a kind, the files below it are its sounds.

    Hidden files and folders are left out. Raises OptionError where there is none.
    """
    try:
        kinds = sorted(path for path in folder.glob("[!.]*") if path.is_dir())
        found = {kind.name: tuple(_list_files(kind)) for kind in kinds}
    except OSError as error:
        raise OptionError(f"can't read {folder}: {error.strerror or error}") from error
    files = {kind: paths for kind, paths in found.items() if paths}
    if not files:
        raise OptionError(
            f"no material in {folder}; it needs folders such as singing, band and horn with audio"
        )
    return Material(files)


def _list_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        shown = not any(name.startswith(".") for name in path.relative_to(folder).parts)
        if shown and path.is_file():
            yield path


class Excerpts:
    """Draws excerpts of one length from a material; notes the files that can't be used."""

    def __init__(self, material: Material, seconds: float, seed: int) -> None:
        self._material = material
        self._frames = round(seconds * SAMPLE_RATE)
        self._seed = seed
        self.faults: dict[Path, str] = {}

    def draw(self, kind: str, number: int) -> Samples | None:
        """Return the excerpt of this number, (2, frames), of which at least half sounds if it can.

        It depends on the seed, the kind, the number and the names of the kind's files alone.
        Numbers go round the files in an order that the seed decides. A file that can't be used
        gives way to the next; None where no file is left.
        """
        files = self._material.files.get(kind, ())
        order = self._open_random(kind).permutation(len(files))
        for turn in range(len(files)):
            path = files[order[(number + turn) % len(files)]]
            audio = self._read(path)
            if audio is not None:
                return cut_active(audio, self._frames, self._open_random(kind, number))
        return None

    def _open_random(self, *what: object) -> np.random.Generator:
        text = "/".join(map(str, (self._seed, *what)))
        return np.random.default_rng(list(hashlib.sha256(text.encode()).digest()))

    def _read(self, path: Path) -> Samples | None:
        if path in self.faults:
            return None
        try:
            return read_sound(path)
        except NotAudioError:  # a text beside the sounds is no fault
            return None
        except AudioError as error:
            self.faults[path] = str(error)
            return None


def read_sound(path: Path) -> Samples:
    """Return the first ten minutes of a file as (2, frames) at `SAMPLE_RATE`; mono on both sides.

    Raises AudioError for a file that can't be decoded, or that is silent.
    """
    with AudioReader(path) as reader:
        rate = reader.info.sample_rate
        blocks, frames = [], 0
        for block in reader.blocks():
            blocks.append(block[:CHANNELS])
            frames += block.shape[1]
            if frames >= _LONGEST_SECONDS * rate:
                break
    audio = np.concatenate(blocks, axis=1)
    if not np.isfinite(audio).all():
        raise AudioError(f"{path.name!r} holds NaN or infinity; make it anew")
    audio = resample(audio, rate, SAMPLE_RATE)
    if not measure_active_power(audio):
        raise AudioError(f"{path.name!r} is silent; remove it")
    return np.ascontiguousarray(np.broadcast_to(audio, (CHANNELS, audio.shape[1])))


def cut_active(audio: Samples, frames: int, random: np.random.Generator) -> Samples:
    """Return a random excerpt of `frames`, at least half of it active where there is such a one.

    What is shorter is repeated, faded in and out each time.
    """
    if audio.shape[1] < frames:
        return _repeat(audio, frames)
    active = _select_active(_measure_frames(audio))
    length = -(-frames // _FRAME)
    counts = np.convolve(active, np.ones(length, int), "valid") if len(active) > length else [0]
    good = np.flatnonzero(counts >= min(_ACTIVE_SHARE * length, np.max(counts)))
    start = min(int(random.choice(good)) * _FRAME, audio.shape[1] - frames)
    return audio[:, start : start + frames].copy()


def _repeat(audio: Samples, frames: int) -> Samples:
    fade = min(_FADE, audio.shape[1] // 2)
    ramp = np.ones(audio.shape[1], np.float32)
    ramp[:fade] = np.linspace(0, 1, fade, endpoint=False)
    ramp[len(ramp) - fade :] = ramp[:fade][::-1]
    return np.tile(audio * ramp, -(-frames // audio.shape[1]))[:, :frames]


def measure_active_power(audio: Samples) -> float:
    """Return the mean square of the 50 ms frames that are active; 0 for silence.

    Active is what isn't more than 15.9 dB below that mean itself, the margin of ITU-T P.56, found
    from the mean of all frames in a few turns. Channels count as one long channel.
    """
    power = _measure_frames(audio)
    return float(power[_select_active(power)].mean()) if power.max(initial=0) > _SILENCE else 0.0


def _select_active(power: Floats) -> npt.NDArray[np.bool_]:
    active = power > _SILENCE
    for _ in range(4):  # each turn raises the mean, and so the gate
        mean = power[active].mean() if active.any() else 0.0
        active = power > max(_SILENCE, mean * 10 ** (-_MARGIN_DB / 10))
    return active


def _measure_frames(audio: Samples) -> Floats:
    """Return the mean square of each 50 ms; of the last as much as there is."""
    starts = np.arange(0, audio.shape[1], _FRAME)
    sums = np.add.reduceat(np.square(audio, dtype=np.float64).mean(axis=0), starts)
    lengths: Floats = np.diff(starts, append=audio.shape[1])
    return np.asarray(sums / lengths, np.float64)
