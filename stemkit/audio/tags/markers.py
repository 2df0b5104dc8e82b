"""Cue markers, and where a Broadcast Wave starts, as the chunks of WAV and AIFF files have them."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from stemkit.audio.chunks import Chunk, read_at, read_chunks
from stemkit.audio.tags.metadata import Marker
from stemkit.audio.tags.riff import BEXT_BYTES, BEXT_HEAD, CUE_POINT, LABEL_TEXT

_LARGEST_CHUNK = 2**26  # bytes of what is held in memory
_IN_DS64 = 2**32 - 1  # the size of a chunk whose size is in the ds64 chunk


@dataclass(frozen=True)
class ChunkContent:
    """What the chunks of a file say besides its samples; `id3` is a whole tag's bytes."""

    markers: tuple[Marker, ...] = ()
    time_reference: int = 0
    coding_history: str = ""
    id3: bytes = b""


def read_wav(path: Path) -> ChunkContent:
    """Return what the chunks of a WAV or RF64 file say; of a damaged one nothing.

    Raises OSError.
    """
    chunks = _read_all(path, "<4sI", {b"bext", b"cue ", b"LIST", b"id3 ", b"ID3 "})
    reference, history = _read_bext(chunks.get(b"bext", [b""])[0])
    return ChunkContent(
        _read_cues(chunks.get(b"cue ", [b""])[0], chunks.get(b"LIST", [])),
        reference,
        history,
        next(iter(chunks.get(b"id3 ", []) or chunks.get(b"ID3 ", [])), b""),
    )


def has_bext(path: Path) -> bool:
    """Return whether a WAV file is a Broadcast Wave file; raises OSError."""
    return b"bext" in _read_all(path, "<4sI", {b"bext"})


def read_aiff(path: Path) -> ChunkContent:
    """Return what the chunks of an AIFF file say; of a damaged one nothing. Raises OSError."""
    chunks = _read_all(path, ">4sI", {b"MARK", b"ID3 "})
    markers = _read_mark(chunks.get(b"MARK", [b""])[0])
    return ChunkContent(markers, id3=chunks.get(b"ID3 ", [b""])[0])


def make_mark(markers: tuple[Marker, ...]) -> bytes:
    """Return the whole MARK chunk of an AIFF file."""
    body = struct.pack(">H", len(markers))
    for number, marker in enumerate(markers, 1):
        label = marker.label.encode()[:255]
        body += struct.pack(">hIB", number, marker.frame, len(label)) + label
        body += bytes((len(label) + 1) % 2)
    return b"MARK" + struct.pack(">I", len(body)) + body + bytes(len(body) % 2)


def _read_all(path: Path, header: str, wanted: set[bytes]) -> dict[bytes, list[bytes]]:
    """Return the contents of the chunks of these names."""
    found: dict[bytes, list[bytes]] = {}
    with path.open("rb") as file:
        file_bytes = file.seek(0, 2)
        file.seek(12)
        for chunk in _walk(file, file_bytes, header):
            if chunk.name in wanted and chunk.size <= min(_LARGEST_CHUNK, file_bytes):
                file.seek(chunk.start)
                found.setdefault(chunk.name, []).append(file.read(chunk.size))
    return found


def _walk(file: BinaryIO, file_bytes: int, header: str) -> Iterator[Chunk]:
    """Yield the chunks, those behind the samples of an RF64 file too."""
    data_bytes = 0
    for chunk in read_chunks(file, file_bytes, header, pad_to=2):
        if chunk.name == b"ds64":
            data_bytes = read_at(file, chunk, "<QQ")[1]
        yield chunk
        if chunk.name == b"data" and chunk.size == _IN_DS64 and data_bytes:
            file.seek(chunk.start + data_bytes + data_bytes % 2)
            yield from read_chunks(file, file_bytes, header, pad_to=2)
            return


def _read_bext(body: bytes) -> tuple[int, str]:
    """Return the time reference and the coding history."""
    if len(body) < BEXT_BYTES:
        return 0, ""
    reference = BEXT_HEAD.unpack_from(body)[5]
    history = body[BEXT_BYTES:].partition(b"\0")[0].decode("latin-1")
    return reference, history


def _read_cues(cue: bytes, lists: list[bytes]) -> tuple[Marker, ...]:
    places = {}
    for at in range(4, len(cue) - CUE_POINT.size + 1, CUE_POINT.size):
        number, _, _, _, _, frame = CUE_POINT.unpack_from(cue, at)
        places[number] = frame
    labels, lengths = _read_labels(lists)
    markers = (
        Marker(frame, labels.get(number, ""), lengths.get(number, 0))
        for number, frame in places.items()
    )
    return _in_order(markers)


def _read_labels(lists: list[bytes]) -> tuple[dict[int, str], dict[int, int]]:
    """Return what the marks of each number are called, and how long they are."""
    labels, lengths = {}, {}
    for body in lists:
        if not body.startswith(b"adtl"):
            continue
        file = BytesIO(body)
        file.seek(4)
        for chunk in read_chunks(file, len(body), "<4sI", pad_to=2):
            content = body[chunk.start : chunk.start + chunk.size]
            if chunk.name == b"labl" and len(content) >= 4:
                labels[int.from_bytes(content[:4], "little")] = _decode(content[4:])
            elif chunk.name == b"ltxt" and len(content) >= LABEL_TEXT.size:
                number, frames, *_ = LABEL_TEXT.unpack_from(content)
                lengths[number] = frames
    return labels, lengths


def _read_mark(body: bytes) -> tuple[Marker, ...]:
    markers, at = [], 2
    while at + 7 <= len(body):
        _, frame, length = struct.unpack_from(">hIB", body, at)
        markers.append(Marker(frame, _decode(body[at + 7 : at + 7 + length])))
        at += 7 + length + (length + 1) % 2
    return _in_order(markers)


def _in_order(markers: Iterable[Marker]) -> tuple[Marker, ...]:
    return tuple(sorted(markers, key=lambda marker: marker.frame))


def _decode(text: bytes) -> str:
    """Return a label; which encoding it has, no file says."""
    plain = text.partition(b"\0")[0]
    try:
        return plain.decode()
    except UnicodeDecodeError:
        return plain.decode("latin-1")
