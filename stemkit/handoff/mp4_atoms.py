"""The atoms of an MP4 file (ISO/IEC 14496-12): finding them, and adding one to the user data."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO


@dataclass(frozen=True)
class Atom:
    """Where an atom is: its header from `start`, what it holds from `content` to `end`."""

    name: bytes
    start: int
    content: int
    end: int


def list_atoms(file: BinaryIO, start: int, end: int) -> Iterator[Atom]:
    """Yield the atoms that lie one after the other from `start` to `end`."""
    while start < end:
        file.seek(start)
        size, name = int.from_bytes(file.read(4), "big"), file.read(4)
        content = start + 8
        if size == 1:  # the true one follows, as in an mdat past 4 GiB
            size, content = int.from_bytes(file.read(8), "big"), start + 16
        atom_end = start + size if size else end
        yield Atom(name, start, content, atom_end)
        start = atom_end


def append_user_data(path: Path, name: bytes, content: bytes) -> None:
    """Append an atom to the user data of an MP4 file that ends with it.

    So do the files that FFmpeg writes: `moov` is their last atom and `udta` is the last in that.
    Nothing else moves then, and the offsets of the samples stay true. Raises ValueError for others.
    """
    with path.open("r+b") as file:
        length = file.seek(0, os.SEEK_END)
        *_, moov = list_atoms(file, 0, length)
        *_, udta = list_atoms(file, moov.content, moov.end)
        if (moov.name, udta.name) != (b"moov", b"udta"):
            raise ValueError(f"the file ends with {moov.name!r} and {udta.name!r} in it")
        file.seek(length)
        file.write((8 + len(content)).to_bytes(4, "big") + name + content)
        for parent in (moov, udta):
            file.seek(parent.start)
            file.write((length + 8 + len(content) - parent.start).to_bytes(4, "big"))
