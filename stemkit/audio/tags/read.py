"""Read what a song's file says of itself, whatever its container."""

import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import mutagen
from mutagen.apev2 import APETextValue, APEv2
from mutagen.flac import FLAC
from mutagen.id3 import ID3, ID3NoHeaderError
from mutagen.mp4 import MP4
from mutagen.oggflac import OggFLAC
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis

from stemkit.audio.info import AudioInfo
from stemkit.audio.tags.id3 import read_frames
from stemkit.audio.tags.markers import ChunkContent, read_aiff, read_wav
from stemkit.audio.tags.metadata import Marker, Metadata, Tags
from stemkit.audio.tags.mp4 import read_atoms
from stemkit.audio.tags.streams import read_streams
from stemkit.audio.tags.vorbis import from_block, read_comments
from stemkit.errors import TagsError

T = TypeVar("T")
_UNREADABLE = (
    mutagen.MutagenError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What mutagen raises for tags that are damaged: whatever its parsers stumble on."""

_MOST_FRAMES = 2**32 - 1  # what a cue point can count
_MOST_MARKERS = 2**15 - 1  # what an AIFF file can number


def read_metadata(info: AudioInfo) -> Metadata:
    """Return what the file that `info` describes says besides its samples.

    Raises TagsError for tags that are damaged; it has what could be read.
    """
    faults: list[str] = []
    chunks = _try(lambda: _read_chunks(info), ChunkContent(), faults)
    tags = _try(lambda: _read_tags(info, chunks.id3), Tags(), faults)
    streams = read_streams(info)
    if info.container in ("wav", "aiff") or tags == Tags():  # the first have chunks of their own
        tags = tags.filled_from(streams.tags)
    found = Metadata(
        tags,
        _keep_inside(chunks.markers or streams.markers, info),
        chunks.time_reference,
        chunks.coding_history,
    )
    if faults:
        raise TagsError(f"the tags of {info.path.name!r} can't be read ({faults[0]})", found)
    return found


def _try(read: Callable[[], T], nothing: T, faults: list[str]) -> T:
    """Return what `read` does, or `nothing` if that is damaged, and then tell why."""
    try:
        return read()
    except _UNREADABLE as error:
        faults.append(" ".join(str(error).split()) or type(error).__name__)
        return nothing


def _read_chunks(info: AudioInfo) -> ChunkContent:
    if info.container == "wav":
        return read_wav(info.path)
    return read_aiff(info.path) if info.container == "aiff" else ChunkContent()


def _keep_inside(markers: tuple[Marker, ...], info: AudioInfo) -> tuple[Marker, ...]:
    """Return the markers that lie in the song, and that any file can hold."""
    end = _MOST_FRAMES if info.frames is None else min(info.frames, _MOST_FRAMES)
    inside = (marker for marker in markers if 0 <= marker.frame <= end)
    return tuple(
        replace(marker, frames=min(marker.frames, end - marker.frame))
        for marker in islice(inside, _MOST_MARKERS)
    )


def _read_tags(info: AudioInfo, chunk: bytes) -> Tags:
    """Return what mutagen finds, in an ID3 chunk or the file; nothing where it knows neither."""
    if chunk:
        return read_frames(ID3(BytesIO(chunk)))
    path = info.path
    match info.container:
        case "flac":
            flac = FLAC(path)
            tags = read_comments(flac.tags or {})
            return replace(tags, pictures=tuple(map(from_block, flac.pictures)))
        case "ogg" | "ogg-opus" | "ogg-flac":
            kinds: dict[str, Any] = {"ogg": OggVorbis, "ogg-opus": OggOpus, "ogg-flac": OggFLAC}
            return read_comments(kinds[info.container](path).tags or {})
        case "mp4":
            return read_atoms(MP4(path).tags or {})
        case "mp3" | "aac":
            return _read_mpeg(path)
    return Tags()


def _read_mpeg(path: Path) -> Tags:
    """Return what ID3 says, and of what it lacks an APE tag; before ID3v1, which cuts texts."""
    tag = ID3()
    with suppress(ID3NoHeaderError):
        tag = ID3(path)
    own, ape = read_frames(tag), _try(lambda: _read_ape(path), Tags(), [])
    return ape.filled_from(own) if tag.version < (2,) else own.filled_from(ape)


def _read_ape(path: Path) -> Tags:
    found = APEv2(path).items()
    return read_comments({k.upper(): list(v) for k, v in found if isinstance(v, APETextValue)})
