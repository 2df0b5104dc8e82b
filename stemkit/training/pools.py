"""What sources are drawn from: pools of files that hold one alone, and songs with their stems."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from joblib import Parallel, cpu_count, delayed

from stemkit.audio.sniff import claims_audio
from stemkit.errors import AudioError, TrainingError
from stemkit.evaluation.musdb import require_ffmpeg
from stemkit.evaluation.reading import MOST_APART_SECONDS
from stemkit.evaluation.songs import Song, Sound, find_songs, walk_files
from stemkit.samples import Samples
from stemkit.training.clips import Clip, ClipCache
from stemkit.training.config import ACCOMPANIMENT, REST, VOCALS, Pool, Songs

_BLOCK_FRAMES = 2**18

Item = TypeVar("Item")
Opening = TypeVar("Opening")


@dataclass(frozen=True)
class Take:
    """One recording of a part: clips that are heard together, `without` what else they have.

    Above `bandwidth_hz` something was lost; it is infinite where nothing was.
    """

    clips: tuple[Clip, ...]
    bandwidth_hz: float = math.inf
    without: tuple[Clip, ...] = ()

    @cached_property
    def frames(self) -> int:
        """The length of the longest clip."""
        return max(clip.frames for clip in self.clips)

    def read(self, start: int, frames: int) -> Samples:
        """Return an excerpt, (2, frames), silent beyond the end."""
        excerpt = self.clips[0].read(start, frames)
        for clip in self.clips[1:]:
            excerpt += clip.read(start, frames)
        for clip in self.without:
            excerpt -= clip.read(start, frames)
        return excerpt


@dataclass(frozen=True)
class TakePool:
    """Takes of one part, each drawn in proportion to its length."""

    takes: tuple[Take, ...]
    weight: float

    @cached_property
    def _odds(self) -> npt.NDArray[np.float64]:
        lengths = np.array([take.frames for take in self.takes], dtype=np.float64)
        return np.asarray(lengths / lengths.sum())

    def draw(self, rng: np.random.Generator, frames: int) -> tuple[Samples, float]:
        """Return a random excerpt, (2, frames), and its bandwidth in Hz."""
        take = self.takes[rng.choice(len(self.takes), p=self._odds)]
        start = int(rng.integers(0, max(1, take.frames - frames + 1)))
        return take.read(start, frames), take.bandwidth_hz


@dataclass(frozen=True)
class StemSong:
    """A song's parts, which sum to its mix."""

    name: str
    parts: dict[str, Take]

    @property
    def frames(self) -> int:
        """Its length."""
        return max(take.frames for take in self.parts.values())

    def read(self, parts: Iterable[str], start: int, frames: int) -> Samples:
        """Return an excerpt of each part, (parts, 2, frames), silent where the song has none."""
        excerpts = [
            self.parts[part].read(start, frames)
            if part in self.parts
            else np.zeros((2, frames), dtype=np.float32)
            for part in parts
        ]
        return np.stack(excerpts)


@dataclass(frozen=True)
class SongPool:
    """Songs, each drawn in proportion to its length."""

    songs: tuple[StemSong, ...]
    weight: float

    def draw(self, rng: np.random.Generator, parts: Iterable[str], frames: int) -> Samples:
        """Return the same random moment of each part of a song, (parts, 2, frames)."""
        lengths = np.array([song.frames for song in self.songs], dtype=np.float64)
        song = self.songs[rng.choice(len(self.songs), p=lengths / lengths.sum())]
        start = int(rng.integers(0, max(1, song.frames - frames + 1)))
        return song.read(parts, start, frames)

    def takes_of(self, part: str) -> TakePool:
        """Return the pool of one part of the songs that have it."""
        takes = tuple(song.parts[part] for song in self.songs if part in song.parts)
        return TakePool(takes, self.weight)


@dataclass(frozen=True)
class Opened:
    """What could be opened, and a line for each file that couldn't."""

    takes: tuple[Take, ...] = ()
    songs: tuple[StemSong, ...] = ()
    left_out: tuple[str, ...] = ()


def open_pool(pool: Pool, cache: ClipCache) -> Opened:
    """Decode every file of a pool that isn't in the cache yet.

    Raises TrainingError for a folder that isn't there or holds no audio.
    """
    found = list(_find_files(pool))
    paths = [path for path in found if not _is_excluded(path, pool.exclude)]
    clips = _open_all(paths, lambda path: cache.decode(Sound(path)))
    takes, left_out = [], []
    for path, clip in zip(paths, clips, strict=True):
        if isinstance(clip, AudioError):
            left_out.append(f"left out {path}: {clip}")
        elif not clip.bandwidth_hz:
            left_out.append(f"left out {path}: it is silent")
        else:
            takes.append(Take((clip,), math.inf if pool.full_band else clip.bandwidth_hz))
    if not takes:
        excluded = len(found) - len(paths)
        raise TrainingError(_say_empty("audio", pool.folders, left_out, excluded))
    return Opened(tuple(takes), left_out=tuple(left_out))


def open_songs(
    songs: Songs, parts: tuple[str, ...], known: tuple[str, ...], cache: ClipCache
) -> Opened:
    """Decode every sound that `parts` need and that isn't in the cache yet.

    Songs are left out that have one of the `known` parts only within another. Raises TrainingError
    for a folder that isn't there or has no song that is left.
    """
    opened, left_out, excluded = [], [], 0
    for folder in songs.folders:
        found, faults = find_songs(require_folder(folder), with_musdb=True)
        left_out += [f"left out {path}: {why}" for path, why in faults]
        if any(stem.stream is not None for song in found for stem in song.stems.values()):
            require_ffmpeg(f"{folder} has .stem.mp4 files, and reading them takes")
        kept = [song for song in found if not _is_excluded(PurePath(*song.key), songs.exclude)]
        excluded += len(found) - len(kept)
        stems = _open_all(kept, lambda song: _open_parts(song, parts, known, cache))
        for song, takes in zip(kept, stems, strict=True):
            if isinstance(takes, AudioError):
                left_out.append(f"left out the song {song.title}: {takes}")
            else:
                opened.append(StemSong(song.title, takes))
    if not opened:
        raise TrainingError(_say_empty("song with stems", songs.folders, left_out, excluded))
    return Opened(songs=tuple(opened), left_out=tuple(left_out))


def choose_parts(wanted: Iterable[str], *, with_songs: bool) -> tuple[str, ...]:
    """Return what mixes are made of: all that is wanted, and what is left of songs then."""
    parts = list(dict.fromkeys(wanted))
    if with_songs:
        others = {VOCALS: ACCOMPANIMENT, ACCOMPANIMENT: VOCALS}
        left = next((others[part] for part in (ACCOMPANIMENT, VOCALS) if part in parts), REST)
        parts += [left] if left not in parts else []
    return tuple(parts)


def group_stems(stems: Iterable[str], parts: tuple[str, ...]) -> dict[str, list[str]]:
    """Return which stems of a song are added to make each part that it has.

    A part is the stem of that name. `accompaniment` is otherwise all that is neither the vocals
    nor another part, and also where another part is one of its instruments; `rest` is all that is
    no other part.
    """
    names = set(stems)
    if ACCOMPANIMENT in names and (names & set(parts)) - {VOCALS, ACCOMPANIMENT}:
        names.remove(ACCOMPANIMENT)
    groups = {part: [part] for part in parts if part in names}
    left = names - groups.keys()
    if ACCOMPANIMENT in parts and ACCOMPANIMENT not in groups:
        groups[ACCOMPANIMENT] = sorted(left - {VOCALS})
    elif REST in parts:
        groups[REST] = sorted(left)
    return {part: group for part, group in groups.items() if group}


def _open_parts(
    song: Song, parts: tuple[str, ...], known: tuple[str, ...], cache: ClipCache
) -> dict[str, Take]:
    """Return what a song has of each part; raises AudioError for a song to leave out."""
    takes = {
        part: Take(tuple(cache.decode(song.stems[stem]) for stem in group))
        for part, group in group_stems(song.stems, parts).items()
    }
    clips = [clip for take in takes.values() for clip in take.clips]
    holder, hidden = ACCOMPANIMENT, {*known} - {VOCALS} if ACCOMPANIMENT in song.stems else set()
    if song.mix and not any(song.stems.keys() >= whole for whole in _WHOLE):
        mix = cache.decode(song.mix)
        _check_lengths(mix, clips, cache.sample_rate)
        if _has_more(mix, clips):
            is_rest = song.stems.keys() == {ACCOMPANIMENT}
            rest = VOCALS if is_rest else ACCOMPANIMENT if ACCOMPANIMENT in parts else REST
            others = [clip for part in takes.keys() - {rest} for clip in takes[part].clips]
            takes[rest] = Take((mix,), without=tuple(others))
            holder, hidden = "mix", {*known}
            clips.append(mix)
    if missing := [part for part in known if part in hidden - takes.keys()]:
        raise AudioError(f"it has no {' and '.join(missing)} but within its {holder}")
    if not any(clip.bandwidth_hz for clip in clips):
        raise AudioError("it is silent")
    return takes


_WHOLE = ({VOCALS, ACCOMPANIMENT}, {"drums", "bass", "other"})
"""Stems beside which a mix isn't needed: at most it has a voice that they lack."""

_MORE = 1e-3
"""The share of a mix's energy from which on what its stems lack isn't a codec's loss."""


def _has_more(mix: Clip, clips: Iterable[Clip]) -> bool:
    """Return whether a mix has something that none of its stems has."""
    whole = rest = 0.0
    for start in range(0, mix.frames, _BLOCK_FRAMES):
        block = mix.read(start, min(_BLOCK_FRAMES, mix.frames - start))
        whole += float(np.vdot(block, block))
        for clip in clips:
            block -= clip.read(start, block.shape[1])
        rest += float(np.vdot(block, block))
        to_come = (mix.frames - start - block.shape[1]) * 2 * mix.scale**2  # at most
        if rest > _MORE * (whole + to_come):  # a song that has more shows it soon
            return True
    return False


def _check_lengths(mix: Clip, clips: Iterable[Clip], sample_rate: int) -> None:
    """Raise AudioError for a stem that goes on after its mix; one may end before."""
    longest = max((clip.frames for clip in clips), default=0)
    if longest - mix.frames > MOST_APART_SECONDS * sample_rate:
        raise AudioError(
            f"its mix lasts {mix.frames / sample_rate:.2f} s and a stem "
            f"{longest / sample_rate:.2f} s; they can't be of one song"
        )


def _open_all(
    items: Sequence[Item], open_one: Callable[[Item], Opening]
) -> list[Opening | AudioError]:
    """Return each item opened, or why it can't be, by a thread for each core.

    What isn't the fault of an item is raised once no thread is at work any more.
    """
    faults: list[TrainingError] = []

    def attempt(item: Item) -> Opening | AudioError:
        try:
            if faults:
                raise AudioError("others couldn't be kept")
            return open_one(item)
        except AudioError as error:
            return error
        except TrainingError as error:
            faults.append(error)
            return AudioError(str(error))

    parallel = Parallel(n_jobs=cpu_count(), prefer="threads")
    opened = list(parallel(delayed(attempt)(item) for item in items))
    if faults:
        raise faults[0]
    return opened


def _find_files(pool: Pool) -> Iterator[Path]:
    """Yield the audio of a pool; hidden folders are left out, and links followed."""
    for folder in pool.folders:
        yield from filter(claims_audio, sorted(walk_files(require_folder(folder))))


def require_folder(folder: Path) -> Path:
    """Return the folder; raises TrainingError where it isn't one."""
    if not folder.is_dir():
        raise TrainingError(f"no folder {folder}; correct the config or make it")
    return folder


def _is_excluded(path: PurePath, patterns: list[str]) -> bool:
    return any(path.match(pattern) for pattern in patterns)


def _say_empty(what: str, folders: list[Path], left_out: list[str], excluded: int) -> str:
    places = ", ".join(str(folder) for folder in folders)
    if excluded and not left_out:
        return f"no {what} in {places} but what `exclude` leaves out"
    reason = f"; the first of {len(left_out)} that can't be used: {left_out[0]}" if left_out else ""
    return f"no {what} in {places}{reason}"
