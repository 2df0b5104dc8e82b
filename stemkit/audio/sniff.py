"""What a file holds, by its first bytes."""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from stemkit.audio.complaints import reading
from stemkit.audio.mpeg import find_frames
from stemkit.errors import DecodeError, NotAudioError

Container = Literal[
    "wav",
    "aiff",
    "caf",
    "flac",
    "ogg",
    "ogg-opus",
    "ogg-flac",
    "mp3",
    "aac",
    "mp4",
    "matroska",
    "asf",
]

_SUFFIXES = """
wav wave bwf rf64 w64 aif aiff aifc caf au snd flac alac ape wv tta tak shn dsf dff ogg oga opus spx
mp3 mp2 mpga m4a m4b m4r m4p aac wma mka weba mpc ac3 dts amr ra
"""
AUDIO_SUFFIXES = frozenset(f".{suffix}" for suffix in _SUFFIXES.split())
"""A file with one of these claims to be audio: if it isn't, that is an error and not a skip."""

_READABLE = "wav, flac, ogg, opus, mp3, aiff, caf, m4a, aac, wma, mp4, mkv or webm"
_HEAD_BYTES = 64
_SEARCH_BYTES = 64 * 1024  # how far junk before the first frame of an mp3 is searched
_FRAME_BYTES = 8 * 1024  # three frames of any kind of mp3 or aac
_APPLE_DOUBLE = (b"\x00\x05\x16\x07", b"\x00\x05\x16\x00")
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_OLD_QUICKTIME = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")


@dataclass(frozen=True)
class Content:
    """The kind of container, and the bytes of tags or junk before it."""

    container: Container
    offset: int = 0


def claims_audio(path: Path) -> bool:
    """Return whether the name of `path` says that it is audio."""
    return path.suffix.lower() in AUDIO_SUFFIXES


def identify(path: Path) -> Content:
    """Return what `path` holds, from at most its first 72 KiB and mostly from 64 bytes.

    Raises NotAudioError for what a folder of music may hold besides, and DecodeError for what can't
    be opened, or has the name of an audio file without being one.
    """
    if path.name.startswith("._"):
        raise NotAudioError(f"{path.name!r} is macOS metadata (AppleDouble), not audio")
    with reading(path):
        if path.exists() and not path.is_file():
            raise NotAudioError(f"{path.name!r} is not a regular file")
        with path.open("rb") as file:
            return _identify_open(path, file)


def _identify_open(path: Path, file: BinaryIO) -> Content:
    file_bytes = path.stat().st_size
    head = file.read(_HEAD_BYTES)
    if head.startswith(_APPLE_DOUBLE):
        raise NotAudioError(f"{path.name!r} is macOS metadata (AppleDouble), not audio")
    offset = _tag_bytes(file)
    file.seek(offset)
    container = _container_of(file.read(_HEAD_BYTES), file_bytes)
    content = Content(container, offset) if container else None
    content = content or _find_elementary_stream(path, file, offset, file_bytes)
    if content is None:
        raise _refusal(path, file_bytes)
    return content


def _refusal(path: Path, file_bytes: int) -> NotAudioError | DecodeError:
    if not claims_audio(path):
        return NotAudioError(f"{path.name!r} holds no audio that can be read ({_READABLE})")
    if file_bytes == 0:
        return DecodeError(f"{path.name!r} is empty: 0 bytes; get a whole copy")
    return DecodeError(
        f"{path.name!r} has the name of an audio file, but its content isn't {_READABLE}"
    )


def _tag_bytes(file: BinaryIO) -> int:
    """Return the size of the ID3v2 tags that stand before anything else."""
    offset = 0
    while True:
        file.seek(offset)
        tag = file.read(10)
        if len(tag) < 10 or tag[:3] != b"ID3" or max(tag[6:10]) > 127:
            return offset
        footer = 10 if tag[5] & 16 else 0
        size = tag[6] << 21 | tag[7] << 14 | tag[8] << 7 | tag[9]  # 7 bits a byte
        offset += 10 + size + footer


def _container_of(head: bytes, file_bytes: int) -> Container | None:
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "aiff"
    if head[4:8] == b"ftyp" or _is_old_quicktime(head, file_bytes):
        return "mp4"
    if head[:4] == b"OggS":
        return _ogg_container_of(head[28:])
    starts: dict[bytes, Container] = {
        b"caff": "caf",
        b"fLaC": "flac",
        b"\x1a\x45\xdf\xa3": "matroska",
        _ASF[:4]: "asf",
    }
    return starts.get(head[:4])


def _ogg_container_of(packet: bytes) -> Container:
    if packet.startswith(b"OpusHead"):
        return "ogg-opus"
    return "ogg-flac" if packet.startswith(b"\x7fFLAC") else "ogg"


def _is_old_quicktime(head: bytes, file_bytes: int) -> bool:
    size = int.from_bytes(head[:4], "big")
    return head[4:8] in _OLD_QUICKTIME and (size < 2 or 8 <= size <= file_bytes)


def _find_elementary_stream(
    path: Path, file: BinaryIO, offset: int, file_bytes: int
) -> Content | None:
    """Look for mp3 or aac frames: at once, or after junk if a tag or the name says mp3."""
    searched = _SEARCH_BYTES if offset or path.suffix.lower() in (".mp3", ".mp2", ".mpga") else 0
    file.seek(offset)
    if not searched and file.read(1) != b"\xff":
        return None
    file.seek(offset)
    data = file.read(searched + _FRAME_BYTES)
    whole = offset + len(data) == file_bytes
    if (at := find_frames(data, "aac", 0, whole)) is not None:
        return Content("aac", offset + at)
    if (at := find_frames(data, "mp3", searched, whole)) is not None:
        return Content("mp3", offset + at)
    return None
