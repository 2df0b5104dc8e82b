"""REAPER projects: a track for each stem of a song, or of many songs one after another.

The format is plain text that REAPER's makers don't document. What is written here was compared
with projects that REAPER 4 to 7 saved on Windows, macOS and Linux, with the chunk definitions that
its users collect (https://github.com/ReaTeam/Doc) and with the reader that it is built on
(https://github.com/justinfrankel/WDL: projectcontext.cpp, lineparse.h).
"""

import math
import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stemkit.errors import HandoffError
from stemkit.handoff.text import flatten, relate, write_lines
from stemkit.tracks.colours import Colour, colour_of
from stemkit.tracks.names import ORIGINAL
from stemkit.tracks.track import Track

_SYSTEM = {"win32": "win64", "darwin": "macOS-arm64"}.get(sys.platform, "linux-x86_64")
"""What REAPER calls this system; which byte of a colour is red depends on it."""

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "stemkit:reaper")

_SOURCES = {
    ".wav": "WAVE", ".wave": "WAVE", ".bwf": "WAVE", ".w64": "WAVE", ".rf64": "WAVE",
    ".aif": "WAVE", ".aiff": "WAVE", ".flac": "FLAC", ".mp3": "MP3", ".ogg": "VORBIS",
    ".oga": "VORBIS", ".opus": "OPUS", ".wv": "WAVPACK",
}  # fmt: skip
"""What reads a file in REAPER, by suffix; all else, such as m4a, its video decoder reads."""

_LONGEST_NAME = 500  # characters; a line that REAPER reads may have 4 kB


@dataclass(frozen=True)
class _Song:
    """A song, and where on the timeline it starts, in seconds."""

    track: Track
    start: float


@dataclass(frozen=True)
class _Item:
    """A file that a song's item plays."""

    song: _Song
    path: Path


def write_reaper_project(track: Track) -> Path:
    """Write a project of a track's stems and return its file, `track.project` with `.rpp`.

    Each stem is a REAPER track with its name and colour; the original comes last, muted, as the mix
    of a preset is. The tempo is stated if the tags know it, and the project's timebase is time, so
    that it stretches nothing. Files are named relative to the project. Times count from the song's
    start: a BWF time reference isn't made the project's own start, which would move bar 1 of the
    tempo as well.

    Raises HandoffError for a file that a project can't name, and where it can't be written.
    """
    path = track.folder / f"{track.project}.rpp"
    tempo = () if track.bpm is None else (f"TEMPO {_number(track.bpm)} 4 4",)
    project = _make_project(path, [_Song(track, 0.0)], tempo, regions=False)
    return write_lines(path, _render(project))


def write_reaper_folder(tracks: Sequence[Track], folder: Path) -> Path:
    """Write a project of many tracks and return its file, named like `folder` and in it.

    The songs follow each other, a second or two apart, each on a whole second and with a region
    that has its title. Stems of one name share a REAPER track; the originals have the last one,
    muted. The project has the highest of the songs' sample rates and states no tempo.

    Raises HandoffError as `write_reaper_project` does, and where there are no tracks.
    """
    if not tracks:
        raise HandoffError(f"no stems for a REAPER project in '{folder}'; separate songs first")
    songs, start = [], 0.0
    for track in tracks:
        songs.append(_Song(track, start))
        start = float(math.ceil(start + track.seconds + 1))
    path = name_folder_project(tracks, folder)
    return write_lines(path, _render(_make_project(path, songs, (), regions=True)))


def name_folder_project(tracks: Sequence[Track], folder: Path) -> Path:
    """Return the file of `write_reaper_folder`, which no track's own project has."""
    name = folder.resolve().name or "stems"
    if folder / f"{name}.rpp" in {track.folder / f"{track.project}.rpp" for track in tracks}:
        name += " (all songs)"
    return folder / f"{name}.rpp"


def check_names(track: Track, folder: Path) -> None:
    """Raise HandoffError for a file of a track that a project in `folder` can't name."""
    for path in (*(stem.path for stem in track.stems), track.original):
        if path is not None:
            _quote_path(path, folder)


_Chunk = list["str | _Chunk"]
"""A line `<...` and those up to its `>`, some of which are chunks themselves."""


def _render(chunk: _Chunk, indent: str = "") -> Iterator[str]:
    head, *body = chunk
    yield f"{indent}<{head}"
    for entry in body:
        if isinstance(entry, str):
            yield f"{indent}  {entry}"
        else:
            yield from _render(entry, indent + "  ")
    yield f"{indent}>"


def _make_project(
    path: Path, songs: Sequence[_Song], tempo: tuple[str, ...], *, regions: bool
) -> _Chunk:
    channels = max(song.track.channels for song in songs)
    channels = max(2, channels + channels % 2)  # REAPER's tracks have pairs of channels
    return [
        f'REAPER_PROJECT 0.1 "6.0/{_SYSTEM}" 0',
        "TIMELOCKMODE 0",  # items and markers stay where they are in time
        "TEMPOENVLOCKMODE 0",
        f"SAMPLERATE {max(song.track.sample_rate for song in songs)} 1 0",
        *tempo,
        f"MASTER_NCH {channels} 2",
        *_mark(path, songs, regions=regions),
        *_make_tracks(path, songs, channels),
    ]


def _mark(path: Path, songs: Sequence[_Song], *, regions: bool) -> Iterator[str]:
    """Yield the songs' markers, and before them their regions if wanted."""
    spans = [(song.start, song.track.seconds, song.track.title) for song in songs if regions]
    for song in songs:
        rate = song.track.sample_rate
        for marker in song.track.markers:
            spans.append((song.start + marker.frame / rate, marker.frames / rate, marker.label))
    for number, (start, length, label) in enumerate(spans, start=1):
        is_region = int(length > 0)
        identity = _identify(path.name, "marker", str(number))
        name = _quote(_shorten(label))
        yield f"MARKER {number} {_number(start)} {name} {is_region} 0 1 R {identity} 0"
        if is_region:
            yield f'MARKER {number} {_number(start + length)} "" 1'


def _make_tracks(path: Path, songs: Sequence[_Song], channels: int) -> Iterator[_Chunk]:
    stems: dict[tuple[str, str], list[_Item]] = {}
    originals: list[_Item] = []
    for song in songs:
        for stem in song.track.stems:
            kind = "mix" if stem.muted else "stem"
            stems.setdefault((kind, stem.name), []).append(_Item(song, stem.path))
        if song.track.original:
            originals.append(_Item(song, song.track.original))
    for (kind, name), items in stems.items():
        yield _make_track(path, kind, name, items, channels)
    if originals:
        yield _make_track(path, "original", ORIGINAL, originals, channels)


def _make_track(path: Path, kind: str, name: str, items: Sequence[_Item], channels: int) -> _Chunk:
    """Return a track of stems, of mixes of a preset or of originals, of which the first sounds."""
    names = (path.name, kind, name)
    identity, label = _identify(*names), _shorten(name)
    return [
        f"TRACK {identity}",
        f"NAME {_quote(label)}",
        f"PEAKCOL {_paint(colour_of(label))}",
        "VOLPAN 1 0 -1 -1 1",
        f"MUTESOLO {int(kind != 'stem')} 0 0",
        f"NCHAN {channels}",
        f"TRACKID {identity}",
        "MAINSEND 1 0",
        *(
            _make_item(path, item, (*names, str(number)))
            for number, item in enumerate(items, start=1)
        ),
    ]


def _make_item(path: Path, item: _Item, names: tuple[str, ...]) -> _Chunk:
    return [
        "ITEM",
        f"POSITION {_number(item.song.start)}",
        "SNAPOFFS 0",
        f"LENGTH {_number(item.song.track.seconds)}",
        "LOOP 0",
        "FADEIN 1 0 0 1 0 0 0",
        "FADEOUT 1 0 0 1 0 0 0",
        "MUTE 0 0",
        f"IGUID {_identify(*names, 'item')}",
        f"NAME {_quote(_shorten(item.song.track.title))}",
        "VOLPAN 1 0 1 -1",
        "SOFFS 0",
        "PLAYRATE 1 1 0 -1 0 0.0025",
        f"GUID {_identify(*names, 'take')}",
        [
            f"SOURCE {_SOURCES.get(item.path.suffix.lower(), 'VIDEO')}",
            f"FILE {_quote_path(item.path, path.parent)}",
        ],
    ]


def _quote_path(path: Path, folder: Path) -> str:
    relative = relate(path, folder)
    if all(quote in relative for quote in "\"'`"):
        raise HandoffError(
            f"a REAPER project can't name '{path}', which holds all of \", ' and `; rename it"
        )
    return _quote(relative)


def _quote(text: str) -> str:
    """Return `text` between quotes that it doesn't hold; if it holds all, ` becomes '.

    There is no escape in REAPER's format, which does the same.
    """
    quote = next((quote for quote in "\"'`" if quote not in text), None)
    if quote is None:
        quote, text = "`", text.replace("`", "'")
    return f"{quote}{text}{quote}"


def _shorten(name: str) -> str:
    return flatten(name)[:_LONGEST_NAME]


def _number(value: float) -> str:
    """Return a number as REAPER writes it: up to 14 digits after the point, no exponent."""
    return f"{value:.14f}".rstrip("0").rstrip(".")


def _paint(colour: Colour) -> int:
    """Return a colour as this system's REAPER writes it; the highest byte says that it counts."""
    low, high = colour.red, colour.blue
    if _SYSTEM != "win64":
        low, high = high, low
    return 0x1000000 | high << 16 | colour.green << 8 | low


def _identify(*names: str) -> str:
    """Return an id that is always the same for the same names."""
    return f"{{{uuid.uuid5(_NAMESPACE, ascii(names))}}}".upper()
