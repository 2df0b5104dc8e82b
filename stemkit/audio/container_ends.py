"""Check that MP4, Matroska, ASF and Ogg files are as long as they say, by their own sizes.

FFmpeg and libsndfile read what there is of a cut file, and Ogg's damaged pages are left out,
without a word.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from stemkit.audio.complaints import cut_off, damaged
from stemkit.audio.ogg import checksum
from stemkit.audio.sniff import claims_audio
from stemkit.errors import DecodeError, NotAudioError

_SEGMENT = b"\x18\x53\x80\x67"
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_HEAD_BYTES = 64 * 1024
_PAGE = struct.Struct("<4sBBqIIIB")
_FIRST, _LAST = 2, 4  # flags of a page


def check_mp4(path: Path) -> int:
    """Return the ticks a second of the movie's clock, 0 if unknown.

    Raises DecodeError if the file is cut, and NotAudioError for a picture (AVIF, HEIC).
    """
    ticks, is_picture = None, False
    with path.open("rb") as file:
        for box in _read_boxes(path, file, file.seek(0, 2)):
            if box.name == b"moov":
                ticks = _movie_ticks(file, box)
            is_picture = is_picture or box.name == b"meta"
    if ticks is None and is_picture and not claims_audio(path):
        raise NotAudioError(f"{path.name!r} is a picture")
    if ticks is None:
        raise damaged(path, "it has no index ('moov'), so it was cut or never finished")
    return ticks


@dataclass(frozen=True)
class _Box:
    name: bytes
    start: int


def _read_boxes(path: Path, file: BinaryIO, file_bytes: int) -> Iterator[_Box]:
    at = 0
    while at + 8 <= file_bytes:
        file.seek(at)
        size, name, long_size = struct.unpack(">I4sQ", file.read(16).ljust(16, b"\0"))
        if size == 0 or not name.isalnum():  # up to the end, or junk after the last box
            yield _Box(name, at + 8)
            return
        size = long_size if size == 1 else size
        if size < 8:
            return
        if at + size > file_bytes:
            raise cut_off(path, file_bytes, at + size, "bytes")
        yield _Box(name, at + 8)
        at += size


def _movie_ticks(file: BinaryIO, movie: _Box) -> int:
    """Return the time scale in 'mvhd', which is the first box in 'moov', or 0."""
    file.seek(movie.start)
    header = file.read(40).ljust(40, b"\0")
    if header[4:8] != b"mvhd":
        return 0
    at = 28 if header[8] == 1 else 20
    return int.from_bytes(header[at : at + 4], "big")


def check_matroska(path: Path) -> None:
    """Raise DecodeError if the file ends before its segment does."""
    with path.open("rb") as file:
        file_bytes = file.seek(0, 2)
        file.seek(4)
        head_size = _read_vint(file)
        file.seek(head_size or 0, 1)
        if file.read(4) != _SEGMENT:
            raise damaged(path, "its header isn't followed by a Matroska segment")
        size = _read_vint(file)
        end = file.tell() + (size or 0)  # None: of unknown size, as live streams are
        if end > file_bytes:
            raise cut_off(path, file_bytes, end, "bytes")


def _read_vint(file: BinaryIO) -> int | None:
    """Return a variable-size integer of EBML, or None for the one that means unknown."""
    first = file.read(1)
    length = 9 - first[0].bit_length() if first and first[0] else 1
    value = int.from_bytes(first + file.read(length - 1), "big") & ((1 << 7 * length) - 1)
    return None if value == (1 << 7 * length) - 1 else value


def check_asf(path: Path) -> None:
    """Raise DecodeError if the file is shorter than its header says, unless that was a stream."""
    with path.open("rb") as file:
        file_bytes = file.seek(0, 2)
        file.seek(0)
        head = file.read(_ASF_HEAD_BYTES)
    at = head.find(_ASF_FILE_PROPERTIES)
    if at < 0 or len(head) < at + 92:
        raise damaged(path, "its header lacks the file properties")
    promised, flags = struct.unpack_from("<Q40xI", head, at + 40)
    is_broadcast = flags & 1
    if not is_broadcast and file_bytes < promised:
        raise cut_off(path, file_bytes, promised, "bytes")


def check_ogg(path: Path, offset: int) -> None:
    """Raise DecodeError unless each page is whole and the streams end where the file does.

    Streams one after another ("chained", as radio recordings are) are refused too, since libsndfile
    reads the first and leaves out the others. Reads the whole file, a page at a time.
    """
    last_numbers: dict[int, int] = {}  # of the streams that haven't ended, by serial number
    with path.open("rb") as file:
        file.seek(offset)
        page = _read_page(path, file)
        while page is not None:
            if not page.flags & _FIRST and last_numbers.get(page.serial) != page.number - 1:
                raise damaged(path, f"pages are missing before byte {file.tell()}")
            last_numbers[page.serial] = page.number
            if page.flags & _LAST:
                del last_numbers[page.serial]
            page = _read_page(path, file) if last_numbers else None
        if last_numbers:
            raise damaged(path, f"it is cut off: its last page isn't among its {file.tell()} bytes")
        if file.read(4) == b"OggS":
            raise DecodeError(f"{path.name!r} holds several streams in a row; split or convert it")


@dataclass(frozen=True)
class _Page:
    flags: int
    serial: int
    number: int


def _read_page(path: Path, file: BinaryIO) -> _Page | None:
    """Return the next page, or None at the end of the file (RFC 3533, section 6)."""
    start = file.tell()
    header = file.read(_PAGE.size).ljust(_PAGE.size, b"\0")
    lacing = file.read(header[-1])
    body = file.read(sum(lacing))
    if file.tell() == start:
        return None
    capture, _, flags, _, serial, number, stated_checksum, lacings = _PAGE.unpack(header)
    if capture != b"OggS":
        raise damaged(path, f"no Ogg page begins at byte {start}")
    if len(lacing) < lacings or len(body) < sum(lacing):
        raise damaged(path, f"it is cut off: the page at byte {start} isn't whole")
    without_checksum = header[:22] + bytes(4) + header[26:] + lacing + body
    if checksum(without_checksum) != stated_checksum:
        raise damaged(path, f"the page at byte {start} has a wrong checksum")
    return _Page(flags, serial, number)
