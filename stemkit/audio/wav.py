"""WAV files, which are simple enough to write ourselves.

libsndfile stamps the time of day into float WAV files (the PEAK chunk) and has to be told
beforehand that a file will pass 4 GiB. Here the same samples give the same bytes, and a file that
grows past 4 GiB becomes RF64 (EBU Tech 3306) when its header is written, at the end.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np

from stemkit.audio.quantize import to_int16, to_int24
from stemkit.samples import Samples

BitDepth = Literal["16", "24", "32f"]

_BYTES_PER_SAMPLE = {"16": 2, "24": 3, "32f": 4}
_PCM, _IEEE_FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_RIFF_LIMIT = 2**32 - 1  # bytes that a 32-bit size can tell


@dataclass(frozen=True)
class WavLayout:
    """What a WAV file's samples are, and the whole chunks that stand before them."""

    sample_rate: int
    channels: int
    bit_depth: BitDepth
    chunks: bytes = b""

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return self.channels * _BYTES_PER_SAMPLE[self.bit_depth]


class WavWriter:
    """One WAV file being written; `finish` makes it whole.

    More than two channels are written as WAVE_FORMAT_EXTENSIBLE without speaker positions, since
    the channels of a stem are the input's, in the input's order. Each method may raise OSError.
    """

    def __init__(self, path: Path, layout: WavLayout, dither_seed: int = 0) -> None:
        self.path = path
        self.layout = layout
        self.frames = 0
        self._random = np.random.default_rng(dither_seed)
        # Unbuffered, so that closing after a failed write has nothing left to fail on.
        self._file = path.open("wb", buffering=0)
        self._file.seek(len(wav_header(layout, frames=0)))

    def write(self, block: Samples) -> None:
        """Append `block`, of shape (channels, frames)."""
        if len(block) != self.layout.channels:
            raise ValueError(f"a block of {len(block)} channels, not {self.layout.channels}")
        self._write_bytes(self._encode(block))
        self.frames += block.shape[1]

    def finish(self) -> None:
        """Write the header, now that the length is known, and close the file."""
        self._write_bytes(bytes(self.frames * self.layout.frame_bytes % 2))
        self._file.seek(0)
        self._write_bytes(wav_header(self.layout, self.frames))
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _encode(self, block: Samples) -> bytes:
        match self.layout.bit_depth:
            case "16":
                return to_int16(block, self._random).astype("<i2").tobytes()
            case "24":
                low_bytes_first = to_int24(block).astype("<i4", order="C").view(np.uint8)
                return low_bytes_first.reshape(-1, 4)[:, :3].tobytes()
            case "32f":
                return block.T.astype("<f4").tobytes()

    def _write_bytes(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]


def wav_header(layout: WavLayout, frames: int) -> bytes:
    """Return everything before the samples; its size doesn't depend on `frames`.

    A JUNK chunk keeps the room that RF64's ds64 chunk needs.
    """
    data_bytes = frames * layout.frame_bytes
    chunks = _chunk(b"fmt ", _format_fields(layout))
    if layout.bit_depth == "32f":
        chunks += _chunk(b"fact", struct.pack("<I", min(frames, _RIFF_LIMIT)))
    chunks += layout.chunks
    # "WAVE", the JUNK or ds64 chunk, the chunks, the header of "data", and data padded to even
    riff_bytes = 4 + 36 + len(chunks) + 8 + data_bytes + data_bytes % 2
    if riff_bytes <= _RIFF_LIMIT:
        start = b"RIFF" + struct.pack("<I", riff_bytes) + b"WAVE" + _chunk(b"JUNK", bytes(28))
        return start + chunks + b"data" + struct.pack("<I", data_bytes)
    sizes = _chunk(b"ds64", struct.pack("<QQQI", riff_bytes, data_bytes, frames, 0))
    unknown = struct.pack("<I", _RIFF_LIMIT)
    return b"RF64" + unknown + b"WAVE" + sizes + chunks + b"data" + unknown


def read_float_blocks(wav: WavWriter, block_frames: int) -> Iterator[Samples]:
    """Yield what a finished 32-bit float `wav` holds, in blocks of at most `block_frames`."""
    with wav.path.open("rb") as file:
        file.seek(len(wav_header(wav.layout, wav.frames)))
        for start in range(0, wav.frames, block_frames):
            data = file.read(min(block_frames, wav.frames - start) * wav.layout.frame_bytes)
            yield np.frombuffer(data, "<f4").reshape(-1, wav.layout.channels).T.astype(np.float32)


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body


def _format_fields(layout: WavLayout) -> bytes:
    tag = _IEEE_FLOAT if layout.bit_depth == "32f" else _PCM
    bits = 8 * _BYTES_PER_SAMPLE[layout.bit_depth]
    fields = struct.pack(
        "<HIIHH",
        layout.channels,
        layout.sample_rate,
        layout.sample_rate * layout.frame_bytes,
        layout.frame_bytes,
        bits,
    )
    if layout.channels > 2:
        speakers_unknown = 0
        extension = struct.pack("<HHIH", 22, bits, speakers_unknown, tag) + _GUID_TAIL
        return struct.pack("<H", _EXTENSIBLE) + fields + extension
    no_extension = struct.pack("<H", 0) if tag == _IEEE_FLOAT else b""
    return struct.pack("<H", tag) + fields + no_extension
