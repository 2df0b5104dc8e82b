"""Ogg: the order of Vorbis' channels, and serial numbers that depend on the audio alone.

libsndfile draws the serial number at random, so that the same audio never gives the same bytes.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

VORBIS_ORDER = {
    3: (0, 2, 1),
    5: (0, 2, 1, 3, 4),
    6: (0, 2, 1, 5, 3, 4),
    7: (0, 2, 1, 6, 5, 3, 4),
    8: (0, 2, 1, 7, 5, 6, 3, 4),
}
"""Where Vorbis has each channel of the order of all other files, by their number (Vorbis I, section
4.3.9); libsndfile leaves them as they are."""

_HEADER = struct.Struct("<4sBBqIIIB")  # RFC 3533, section 6
_CHECKSUM_AT = 22
_BIT_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def set_serial(path: Path) -> None:
    """Rewrite the serial number of each page of the one Ogg stream in `path`, in place.

    The number is a checksum of the packets, so that two different streams can still be chained.
    """
    with path.open("r+b") as file:
        serial = 0
        for page in _read_pages(file):
            serial = zlib.crc32(page[_HEADER.size :], serial)
        file.seek(0)
        for page in _read_pages(file):
            file.seek(-len(page), 1)
            file.write(_with_serial(page, serial))


def checksum(page: bytes) -> int:
    """Return Ogg's checksum of `page`, whose own checksum field must be zero.

    It is CRC-32 with the bits of every byte, and of the result, the other way round, starting from
    zero and without the final complement. So zlib can compute it.
    """
    reflected = zlib.crc32(page.translate(_BIT_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reflected:032b}"[::-1], 2)


def _read_pages(file: BinaryIO) -> Iterator[bytes]:
    while header := file.read(_HEADER.size):
        lacing = file.read(header[-1])
        yield header + lacing + file.read(sum(lacing))


def _with_serial(page: bytes, serial: int) -> bytes:
    capture, version, flags, granule, _, sequence, _, lacings = _HEADER.unpack_from(page)
    header = _HEADER.pack(capture, version, flags, granule, serial, sequence, 0, lacings)
    page = header + page[_HEADER.size :]
    return page[:_CHECKSUM_AT] + struct.pack("<I", checksum(page)) + page[_CHECKSUM_AT + 4 :]
