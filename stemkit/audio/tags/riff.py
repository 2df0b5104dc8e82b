"""Chunks of WAV files besides the samples: bext (EBU Tech 3285), cue markers, an ID3 tag."""

import struct
import unicodedata
from collections.abc import Sequence

from stemkit.audio.tags.id3 import make_tag, write_tag
from stemkit.audio.tags.metadata import Marker, Metadata

BEXT_HEAD = struct.Struct("<256s32s32s10s8sQH")
"""Description, originator, its reference, date, time, time reference and version."""

BEXT_BYTES = 602
"""Where the coding history starts."""

CUE_POINT = struct.Struct("<II4sIII")
LABEL_TEXT = struct.Struct("<II4sHHHH")
_VERSION = 1  # 2 adds loudness, which isn't known before the samples are
_REGION = b"rgn "


def make_chunks(metadata: Metadata, sample_rate: int, channels: int, bits: str) -> bytes:
    """Return the chunks that say what `metadata` does, to stand before the samples."""
    chunks = _chunk(b"bext", _make_bext(metadata, sample_rate, channels, bits))
    if metadata.markers:
        chunks += _chunk(b"cue ", _make_cue(metadata.markers))
        chunks += _chunk(b"LIST", b"adtl" + _make_labels(metadata.markers))
    tag = make_tag(metadata, sample_rate, frames=None)
    return chunks + _chunk(b"id3 ", write_tag(tag))


def _make_bext(metadata: Metadata, sample_rate: int, channels: int, bits: str) -> bytes:
    head = BEXT_HEAD.pack(
        _to_ascii(" ".join("; ".join(metadata.tags.title).split()))[:256],
        _to_ascii(metadata.encoded_by.partition(",")[0])[:32],
        b"", b"", b"",
        metadata.time_reference,
        _VERSION,
    )  # fmt: skip
    mode = {1: ",M=mono", 2: ",M=stereo"}.get(channels, "")
    program = metadata.encoded_by.replace(",", ";")  # a comma ends a field
    lines = [*metadata.coding_history.splitlines(),
             f"A=PCM,F={sample_rate},W={bits}{mode},T={program}"]  # fmt: skip
    history = "".join(f"{line}\r\n" for line in lines if line.strip())
    return head.ljust(BEXT_BYTES, b"\0") + _to_ascii(history)


def _make_cue(markers: Sequence[Marker]) -> bytes:
    points = (
        CUE_POINT.pack(number, marker.frame, b"data", 0, 0, marker.frame)
        for number, marker in enumerate(markers, 1)
    )
    return struct.pack("<I", len(markers)) + b"".join(points)


def _make_labels(markers: Sequence[Marker]) -> bytes:
    labels = b""
    for number, marker in enumerate(markers, 1):
        text = marker.label.encode() + b"\0"
        labels += _chunk(b"labl", struct.pack("<I", number) + text)
        if marker.frames:
            fields = LABEL_TEXT.pack(number, marker.frames, _REGION, 0, 0, 0, 0)
            labels += _chunk(b"ltxt", fields)
    return labels


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def _to_ascii(text: str) -> bytes:
    """Return a text as bext may hold it: letters without their accents, ? for other scripts."""
    plain = unicodedata.normalize("NFKD", text)
    letters = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return letters.encode("ascii", "replace")
