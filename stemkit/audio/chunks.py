"""The chunks of WAV, AIFF and CAF files."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal


@dataclass(frozen=True)
class Chunk:
    """A chunk's name, where its content starts in the file, and its bytes as its header has it."""

    name: bytes
    start: int
    size: int


def read_chunks(
    file: BinaryIO, file_bytes: int, header: str, pad_to: Literal[1, 2]
) -> Iterator[Chunk]:
    """Yield chunks up to one that isn't whole, or to what doesn't look like one."""
    layout = struct.Struct(header)
    while len(head := file.read(layout.size)) == layout.size:
        name, size = layout.unpack(head)
        if not name.isascii() or not name.decode("ascii").isprintable():
            return
        start = file.tell()
        yield Chunk(name, start, size)
        if not 0 <= size <= file_bytes - start:
            return
        file.seek(start + size + size % pad_to)


def read_at(file: BinaryIO, chunk: Chunk, layout: str) -> tuple[int, ...]:
    """Return the fields at the start of `chunk`, zeros where it's too short."""
    size = struct.calcsize(layout)
    file.seek(chunk.start)
    return struct.unpack(layout, file.read(min(size, max(chunk.size, 0))).ljust(size, b"\0"))
