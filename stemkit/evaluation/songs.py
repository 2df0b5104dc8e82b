"""Songs below a folder and the files of their stems, as references or estimates have them."""

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePath

from stemkit.audio.sniff import claims_audio
from stemkit.tracks.find import Fault, find_tracks, walk_folders
from stemkit.tracks.names import ORIGINAL
from stemkit.tracks.track import Track

MIX = "mixture"
"""The name that a song's mix has among its sounds."""

MUSDB_SUFFIX = ".stem.mp4"
MUSDB_STREAMS = (MIX, "drums", "bass", "other", "vocals")
"""What the audio streams of MUSDB18's files hold, in order (Rafii et al. 2017)."""

_MIXES = frozenset({MIX, "mix", ORIGINAL})
_STEMS = (
    "vocals", "accompaniment", "drums", "bass", "other", "residual", "guitar", "piano", "speech",
    "music", "effects",
)  # fmt: skip

_COPIES = ("bwf", "* (Ardour)")
"""The folders beside stems to which hand-offs copy them."""

Key = tuple[str, ...]
"""A song's name: the folders below the one that was given, and its own."""


@dataclass(frozen=True)
class Sound:
    """A file, or an audio stream of one, and the gain that it was written with, in dB."""

    path: Path
    stream: int | None = None
    gain_db: float = 0.0


@dataclass(frozen=True)
class Song:
    """A song's stems by name, and its mix if there is one; `origin` is what it was made from."""

    key: Key
    stems: dict[str, Sound]
    mix: Sound | None = None
    origin: Key = ()

    @property
    def title(self) -> str:
        """The key as it is shown."""
        return "/".join(self.key)


@dataclass
class _Found:
    """The sounds of songs by key, and the files that are in the way of others."""

    sounds: dict[Key, dict[str, Sound]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def add(self, key: Key, name: str, sound: Sound) -> None:
        """Take a sound, unless the song has one of that name."""
        sounds = self.sounds.setdefault(key, {})
        taken = sounds.setdefault(name, sound)
        if taken != sound:
            why = f"left out, since {taken.path.name!r} is the {name} of {'/'.join(key)!r} too"
            self.faults.append((sound.path, why))


def find_songs(folder: Path, *, with_musdb: bool = False) -> tuple[list[Song], list[Fault]]:
    """Return the songs below `folder`, and what can't be used and why.

    Where `separate` left records, these say which file is what, and no other file is of such a
    song. Other audio files are known by their names: `song/vocals.wav`, `song/1 vocals.wav`,
    `song (vocals).wav`, `vocals/song.wav`; where no name of a stem is known, each file of a folder
    without recorded stems is a stem named as the file is. Files of the names mixture, mix and
    original are the mix. `with_musdb` takes each `.stem.mp4` for a song of MUSDB18. Hidden folders
    are left out, and a folder that is linked twice is taken once.
    """
    folder = Path(os.path.normpath(folder))  # as the paths of recorded stems are
    recorded = _find_recorded(folder)
    songs, found = recorded.songs, _Found(faults=recorded.faults)
    keys = {song.key for song in songs}
    for path in walk_files(folder, recorded.own):
        if path in recorded.files:
            continue
        place = path.relative_to(folder)
        known = set() if recorded.shared.isdisjoint(path.parents) else keys
        if with_musdb and path.name.lower().endswith(MUSDB_SUFFIX):
            title = path.name[: -len(MUSDB_SUFFIX)]
            key = make_key([*place.parts[:-1], title]) or (title,)
            for stream, part in enumerate(MUSDB_STREAMS) if key not in known else ():
                found.add(key, part, Sound(path, stream))
        elif claims_audio(path):
            key, name = _read_name(place, folder)
            if key in known:
                why = f"left out, since the record of {'/'.join(key)!r} doesn't name it"
                found.faults.append((path, why))
            elif path.parent not in recorded.shared or name in (*_STEMS, MIX):
                found.add(key, name, Sound(path))
    for key, sounds in found.sounds.items():
        mix = sounds.pop(MIX, None)
        if sounds:
            songs.append(Song(key, sounds, mix))
    return sorted(songs, key=lambda song: song.key), found.faults


def make_key(parts: Iterable[str]) -> Key:
    """Return a name that is alike for a song, its mix in a folder, and its `.stem.mp4`."""
    plain = (unicodedata.normalize("NFC", part).removesuffix(".stem") for part in parts)
    return tuple(part for part in plain if part.lower() not in _MIXES)


@dataclass
class _Recorded:
    """The songs that have records, their files, and the folders of these.

    All that is in `own` folders is of one song, or a copy; `shared` ones may have other songs too.
    """

    songs: list[Song] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    files: set[Path] = field(default_factory=set)
    own: set[Path] = field(default_factory=set)
    shared: set[Path] = field(default_factory=set)


def _find_recorded(folder: Path) -> _Recorded:
    found = _Recorded()
    for track in find_tracks(folder, guess=False, follow_links=True):
        if not isinstance(track, Track):
            found.faults.append(track)
        elif track.record is not None:
            found.songs.append(_make_song(folder, track))
            found.files |= {stem.path for stem in track.with_original}
            folders = {stem.path.parent for stem in track.stems}
            (found.own if _has_own_folder(track) else found.shared).update(folders)
    found.own.update(*(place.glob(name) for place in found.shared for name in _COPIES))
    return found


def _has_own_folder(track: Track) -> bool:
    """Return whether a track's files are named after their stems alone, and not after it."""
    first = track.stems[0]
    name, rest = _split_name(first.path.stem, (first.name,))
    return name.lower() == first.name.lower() and not rest


def _make_song(folder: Path, track: Track) -> Song:
    records = track.record.stems if track.record else []
    gains = {one.stem: 0.0 if one.is_levelled else one.gain_db for one in records}
    stems = {stem.name: Sound(stem.path, None, gains[stem.name]) for stem in track.stems}
    first = track.stems[0]
    mix = Sound(track.original, None, gains[first.name]) if track.original else None
    key, _ = _read_name(Path(os.path.relpath(first.path, folder)), folder, (first.name,))
    source = track.record.source.path if track.record else ""
    *folders, name = re.split(r"[/\\]+", source)
    return Song(key, stems, mix, make_key([*folders, PurePath(name).stem]))


def walk_files(folder: Path, left_out: Set[Path] = frozenset()) -> Iterator[Path]:
    """Yield the files that aren't in or below folders that are left out or hidden.

    Links are followed; a folder that is linked twice, or in a circle, is taken once.
    """
    for place, names in walk_folders(folder, follow_links=True):
        if left_out.isdisjoint((place, *place.parents)):
            yield from (place / name for name in names if not name.startswith("."))


@lru_cache
def _compile(names: tuple[str, ...]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return what finds one of `names` at the end of a file's name, or all of it, and at its start.

    It is set off from the rest by more than a space: "lead vocals" are no vocals.
    """
    name = f"(?P<name>{'|'.join(map(re.escape, names))})"
    end = rf"((?P<rest>.*?)\s*[-_(\[.][-_(\[.\s]*|[\d\s]*){name}[)\]\s]*"
    start = rf"[-_(\[.\d\s]*{name}\s*[-_)\].][-_)\].\s]*(?P<rest>.*)"
    return re.compile(end, re.IGNORECASE), re.compile(start, re.IGNORECASE)


def _split_name(text: str, names: tuple[str, ...]) -> tuple[str, str]:
    """Return which of `names` a file's name has, and the rest; without one, the name and ""."""
    end, start = _compile(names)
    match = end.fullmatch(text) or start.fullmatch(text)
    if match is None:
        return text, ""
    rest = match["rest"] or ""
    return match["name"], "" if rest.isdigit() else rest


def _has_twin(root: Path, path: Path, at: int) -> bool:
    """Return whether another stem's folder beside that at `at` has a file at the same place."""
    above, own, below = root.joinpath(*path.parts[:at]), path.parts[at], path.parts[at + 1 :]
    try:
        beside = (one for one in above.iterdir() if one.name.lower() in _STEMS and one.name != own)
        return any(one.joinpath(*below).exists() for one in beside)
    except OSError:
        return False


def _read_name(
    path: Path, folder: Path, names: tuple[str, ...] = (*_STEMS, *_MIXES)
) -> tuple[Key, str]:
    """Return the song that a file below `folder` is of, and what it is of the song."""
    *folders, _ = path.parts
    name, rest = _split_name(path.stem, names)
    named = [at for at, part in enumerate(folders) if part.lower() in names]
    if named and (name.lower() not in names or (rest and _has_twin(folder, path, named[-1]))):
        name, rest = folders.pop(named[-1]), path.stem  # a folder for each stem
    own_name = folder.resolve().name
    key = make_key([*folders, rest] if rest else folders or [own_name]) or (own_name,)
    lowered = name.lower()
    return key, MIX if lowered in _MIXES else lowered if lowered in names else name
