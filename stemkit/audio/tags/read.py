"""Read what a song's file says of itself, whatever its container."""

import struct
import zlib
from dataclasses import replace
from io import BytesIO
from typing import Any

import mutagen
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


def read_metadata(info: AudioInfo) -> Metadata:
    """Return what the file that `info` describes says besides its samples.

    Raises TagsError for tags that are damaged.
    """
    try:
        return _read(info)
    except _UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise TagsError(f"the tags of {info.path.name!r} can't be read ({reason})") from error


def _read(info: AudioInfo) -> Metadata:
    chunks = ChunkContent()
    if info.container == "wav":
        chunks = read_wav(info.path)
    elif info.container == "aiff":
        chunks = read_aiff(info.path)
    tags = read_frames(ID3(BytesIO(chunks.id3))) if chunks.id3 else _read_tags(info)
    streams = read_streams(info)
    return Metadata(
        streams.tags if tags == Tags() else tags,
        _keep_inside(chunks.markers or streams.markers, info),
        chunks.time_reference,
        chunks.coding_history,
    )


def _keep_inside(markers: tuple[Marker, ...], info: AudioInfo) -> tuple[Marker, ...]:
    """Return the markers that lie in the song, and that any file can hold."""
    end = _MOST_FRAMES if info.frames is None else min(info.frames, _MOST_FRAMES)
    return tuple(
        replace(marker, frames=min(marker.frames, end - marker.frame))
        for marker in markers
        if 0 <= marker.frame <= end
    )


def _read_tags(info: AudioInfo) -> Tags:
    """Return what mutagen finds; nothing in containers that it doesn't know."""
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
            try:
                return read_frames(ID3(path))
            except ID3NoHeaderError:
                return Tags()
    return Tags()
