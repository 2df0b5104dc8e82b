"""The sounds of a study: folders of audio by kind, and excerpts drawn from them."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stemkit.audio.decode import AudioReader
from stemkit.audio.resample import Resampler, resampled_frames
from stemkit.errors import AudioError, NotAudioError, OptionError
from stemkit.evaluation.songs import walk_files
from stemkit.samples import Samples
from stemkit.study.names import escape_name

MIX, SECOND_SPEAKER = "mix", "speech-2"
"""Sounds of a study beside those of kinds; no kind can have such a name."""

SAMPLE_RATE = 44100
CHANNELS = 2

_LONGEST_SECONDS = 600  # what is read of a file, so that an audiobook costs no more than a song
_BLOCK_FRAMES = 65536
_FRAME = SAMPLE_RATE // 20  # 50 ms: what is loud or silent
_MINUTE = 1200 * _FRAME  # measured at a time, in float64, of which a whole song would take much
_FADE = SAMPLE_RATE // 100
_MARGIN_DB = 15.9  # what is this far below the level isn't active (ITU-T P.56)
_SILENCE = 1e-8  # power, -80 dB
_ACTIVE_SHARE = 0.5

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Material:
    """The files of each kind, by its name; sorted, so that a seed means the same."""

    folder: Path
    files: Mapping[str, tuple[Path, ...]]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that have at least one file."""
        return tuple(self.files)

    def find_places(self) -> set[Path]:
        """Return the folders that the files are in or below, where links lead to."""
        parents = {
            parent for paths in self.files.values() for path in paths for parent in path.parents
        }
        return {parent.resolve() for parent in parents if parent.is_relative_to(self.folder)}


def find_material(folder: Path) -> Material:
    """Return what is in `folder`: each subfolder is a kind, the files below it are its sounds.

    Kinds have the names of their folders, made printable. Hidden files and folders are left out,
    links are followed, and a folder that a kind has twice is taken once.
    Raises OptionError where there is none, and for a kind whose name is taken.
    """
    try:
        kinds = sorted(path for path in folder.glob("[!.]*") if path.is_dir())
        found = {
            escape_name(kind.name): tuple(sorted(filter(Path.is_file, walk_files(kind))))
            for kind in kinds
        }
    except OSError as error:
        raise OptionError(f"can't read {folder}: {error.strerror or error}") from error
    files = {kind: paths for kind, paths in found.items() if paths}
    if not files:
        raise OptionError(
            f"no material in {folder}; it needs folders such as singing, band and horn with audio"
        )
    for name in (MIX, SECOND_SPEAKER):
        if name in files:
            raise OptionError(
                f"{name!r} is not a kind's name, since a study makes a sound of that name; "
                f"rename {folder / name}"
            )
    return Material(folder, files)


class Excerpts:
    """Draws excerpts of one length from a material; notes the files that can't be used."""

    def __init__(self, material: Material, seconds: float, seed: int) -> None:
        self._material = material
        self._frames = round(seconds * SAMPLE_RATE)
        self._seed = seed
        self.faults: dict[Path, str] = {}

    def draw(self, kind: str, number: int) -> Iterator[Samples]:
        """Yield excerpts, (2, frames), each of another file; at least half sounds where it can.

        They depend on the seed, the kind, the number and the names of the kind's files alone.
        Numbers go round the files in an order that the seed decides, and so do excerpts of one
        number. A file that can't be used gives way to the next.
        """
        files = self._material.files.get(kind, ())
        order = self._open_random(kind).permutation(len(files))
        drawn = 0
        for turn in range(len(files)):
            path = files[order[(number + turn) % len(files)]]
            excerpt = self._cut(path, self._open_random(kind, number + drawn))
            if excerpt is not None:
                drawn += 1
                yield excerpt

    def _open_random(self, *what: object) -> np.random.Generator:
        text = "/".join(map(str, (self._seed, *what)))
        return np.random.default_rng(list(hashlib.sha256(text.encode()).digest()))

    def _cut(self, path: Path, random: np.random.Generator) -> Samples | None:
        if path in self.faults:
            return None
        try:
            excerpt = cut_active(read_sound(path), self._frames, random)
            if not measure_active_power(excerpt):
                raise AudioError(f"{path.name!r} holds too little sound; remove it")
            return excerpt
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
        longest = resampled_frames(_LONGEST_SECONDS * rate + _BLOCK_FRAMES, rate, SAMPLE_RATE)
        audio, frames = np.empty((CHANNELS, longest), np.float32), 0
        for block in _read_blocks(reader):
            audio[:, frames : frames + block.shape[1]] = block
            frames += block.shape[1]
    audio = audio[:, :frames]
    if not measure_active_power(audio):
        raise AudioError(f"{path.name!r} is silent; remove it")
    return audio


def _read_blocks(reader: AudioReader) -> Iterator[Samples]:
    """Yield the first ten minutes of a file at `SAMPLE_RATE`."""
    rate, frames = reader.info.sample_rate, 0
    resampler = Resampler(rate, SAMPLE_RATE, min(reader.info.channels, CHANNELS))
    for block in reader.blocks(_BLOCK_FRAMES):
        if not np.isfinite(block[:CHANNELS]).all():
            raise AudioError(f"{reader.info.path.name!r} holds NaN or infinity; make it anew")
        yield resampler.process(block[:CHANNELS])
        frames += block.shape[1]
        if frames >= _LONGEST_SECONDS * rate:
            break
    yield resampler.flush()


def cut_active(audio: Samples, frames: int, random: np.random.Generator) -> Samples:
    """Return a random excerpt of `frames`, at least half of it active where there is such a one.

    What is shorter is repeated, faded in and out each time.
    """
    if audio.shape[1] < frames:
        return _repeat(audio, frames)
    active = _select_active(_measure_frames(audio))
    length = max(1, frames // _FRAME)  # those that are in it whole
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
    blocks = (audio[:, start : start + _MINUTE] for start in range(0, audio.shape[1], _MINUTE))
    return np.concatenate([_measure_block(block) for block in blocks] or [np.empty(0)])


def _measure_block(audio: Samples) -> Floats:
    starts = np.arange(0, audio.shape[1], _FRAME)
    sums = np.add.reduceat(np.square(audio, dtype=np.float64).mean(axis=0), starts)
    lengths: Floats = np.diff(starts, append=audio.shape[1])
    return np.asarray(sums / lengths, np.float64)
