"""What the headers of WAV, AIFF, CAF and FLAC files promise, against what is there.

libsndfile reads what there is of a cut file without a word, and believes every field.
"""

from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Literal

from stemkit.audio.chunks import Chunk, read_at, read_chunks
from stemkit.audio.complaints import check_layout, contradiction, cut_off
from stemkit.audio.info import AudioInfo

_STREAMED = (0xFFFFFFFF, 0x80000000, 0x7FFFFFFF, 0x7FFFF000)
"""Sizes that programs write when they can't come back to the header, as into a pipe."""
_PCM, _IEEE_FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_AIFF_PCM = (b"NONE", b"twos", b"sowt", b"fl32", b"FL32", b"fl64", b"FL64")
_MAX_JUNK = 256  # bytes after the audio that aren't a chunk and are let pass


def check_pcm_header(path: Path, container: Literal["wav", "aiff", "caf"], offset: int) -> None:
    """Raise DecodeError if the file is cut, or if its header contradicts itself or the file.

    A WAV whose size says that it was streamed is read to its end, where nothing tells whether
    that is the whole.
    """
    with path.open("rb") as file:
        file_bytes = file.seek(0, 2)
        file.seek(offset)
        if container == "wav":
            _check_wav(path, file, file_bytes)
        elif container == "aiff":
            _check_aiff(path, file, file_bytes)
        else:
            _check_caf(path, file, file_bytes)


def check_flac_header(path: Path, offset: int, info: AudioInfo) -> AudioInfo:
    """Return `info`, of a decoded frame, with the length that STREAMINFO states.

    Raises DecodeError if it states another rate or number of channels than the frame has.
    """
    with path.open("rb") as file:
        file.seek(offset + 18)
        fields = int.from_bytes(file.read(8), "big")  # RFC 9639, section 8.2
    sample_rate, channels, frames = fields >> 44, (fields >> 41 & 7) + 1, fields & (1 << 36) - 1
    if (sample_rate, channels) != (info.sample_rate, info.channels):
        raise contradiction(
            path,
            f"{channels} channels at {sample_rate} Hz, where the audio has {info.channels} at "
            f"{info.sample_rate} Hz",
        )
    return replace(info, frames=frames or None)


def without_opus_delay(path: Path, offset: int, info: AudioInfo) -> AudioInfo:
    """Return `info` without the delay that its length includes (RFC 7845, section 5.1)."""
    with path.open("rb") as file:
        file.seek(offset + 38)
        delay = int.from_bytes(file.read(2), "little")  # frames at 48 kHz, the only rate of Opus
    return replace(info, frames=None if info.frames is None else max(info.frames - delay, 0))


def _check_wav(path: Path, file: BinaryIO, file_bytes: int) -> None:
    is_rf64 = file.read(12)[:4] != b"RIFF"
    bytes_per_frame, size_64 = 1, None
    for chunk in read_chunks(file, file_bytes, "<4sI", pad_to=2):
        if chunk.name == b"ds64":
            size_64 = read_at(file, chunk, "<QQ")[1]
        elif chunk.name == b"fmt ":
            bytes_per_frame = _check_wav_format(path, read_at(file, chunk, "<HHIIHH8xH"))
        elif chunk.name == b"data":
            streamed = chunk.size in _STREAMED
            size = size_64 if is_rf64 and streamed and size_64 is not None else chunk.size
            if not streamed or size != chunk.size:
                _check_data(path, file, file_bytes, chunk.start, size, bytes_per_frame)
            return
    raise contradiction(path, "it names no audio data")


def _check_wav_format(path: Path, fields: tuple[int, ...]) -> int:
    """Return the bytes of one frame, or of one block of a compressed format."""
    tag, channels, sample_rate, byte_rate, bytes_per_frame, bits, sub_tag = fields
    check_layout(path, sample_rate, channels)
    if (sub_tag if tag == _EXTENSIBLE else tag) in (_PCM, _IEEE_FLOAT):
        _check_frame_bytes(path, channels, bits, bytes_per_frame)
        if byte_rate != sample_rate * bytes_per_frame:
            raise contradiction(
                path, f"{byte_rate} bytes a second at {sample_rate} frames of {bytes_per_frame}"
            )
    return max(bytes_per_frame, 1)


def _check_frame_bytes(path: Path, channels: int, bits: int, bytes_per_frame: int) -> None:
    if bytes_per_frame != channels * -(-bits // 8):
        raise contradiction(
            path, f"{bytes_per_frame} bytes a frame for {channels} channels of {bits} bits"
        )


def _check_data(
    path: Path, file: BinaryIO, file_bytes: int, start: int, size: int, bytes_per_frame: int
) -> None:
    there, promised = (file_bytes - start) // bytes_per_frame, size // bytes_per_frame
    if there < promised:
        raise cut_off(path, there, promised, "frames")
    _check_rest(path, file, file_bytes, start + size + size % 2)


def _check_rest(path: Path, file: BinaryIO, file_bytes: int, end: int) -> None:
    """Refuse audio that goes on after its stated end; tags, padding and small junk may follow."""
    end = _skip_zeros(file, end)
    file.seek(end)
    name = file.read(4)
    is_chunk = name.isascii() and name.decode("ascii").isprintable()
    if file_bytes - end > _MAX_JUNK and not is_chunk and name[:3] != b"ID3":
        raise contradiction(path, f"audio that ends {file_bytes - end} bytes before the file does")


def _skip_zeros(file: BinaryIO, start: int) -> int:
    """Return where the zeros end that are there from `start` on: padding, or silence."""
    file.seek(start)
    while block := file.read(2**20):
        if rest := block.lstrip(b"\0"):
            return start + len(block) - len(rest)
        start += len(block)
    return start


def _check_aiff(path: Path, file: BinaryIO, file_bytes: int) -> None:
    is_aifc = file.read(12)[8:] == b"AIFC"
    promised, bytes_per_frame, is_pcm = 0, 1, False
    for chunk in read_chunks(file, file_bytes, ">4sI", pad_to=2):
        if chunk.name == b"COMM":
            channels, promised, bits = read_at(file, chunk, ">HIH")
            compression = _compression(file, chunk) if is_aifc else b"NONE"
            is_pcm = compression in _AIFF_PCM
            bytes_per_frame = max(channels * -(-bits // 8), 1)
        elif chunk.name == b"SSND":
            if chunk.size == 0:  # streamed
                return
            skipped = 8 + read_at(file, chunk, ">I")[0]
            size, there = chunk.size - skipped, max(file_bytes - chunk.start - skipped, 0)
            if there < size:
                raise cut_off(path, there // bytes_per_frame, size // bytes_per_frame, "frames")
            if is_pcm and size // bytes_per_frame != promised:
                raise contradiction(
                    path, f"{promised} frames of {bytes_per_frame} bytes in {size} bytes"
                )
            return
    raise contradiction(path, "it names no audio data")


def _compression(file: BinaryIO, common: Chunk) -> bytes:
    file.seek(common.start + 18)
    return file.read(4)


def _check_caf(path: Path, file: BinaryIO, file_bytes: int) -> None:
    file.seek(8, 1)
    bytes_per_frame = 0
    for chunk in read_chunks(file, file_bytes, ">4sq", pad_to=1):
        if chunk.name == b"desc":
            tag, packet_bytes, channels, bits = read_at(file, chunk, ">8xI4xI4xII")
            bytes_per_frame = packet_bytes
            if tag == int.from_bytes(b"lpcm", "big"):
                _check_frame_bytes(path, channels, bits, packet_bytes)
        elif chunk.name == b"data":
            there, promised = file_bytes - chunk.start - 4, chunk.size - 4
            if there < promised and bytes_per_frame:
                there, promised = there // bytes_per_frame, promised // bytes_per_frame
            if there < promised:
                raise cut_off(path, there, promised, "frames" if bytes_per_frame else "bytes")
            return
    raise contradiction(path, "it names no audio data")
