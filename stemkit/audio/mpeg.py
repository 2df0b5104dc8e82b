"""MPEG audio frame headers: where the first frame is, and how long an mp3 says it is."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_LAYER_2, _LAYER_3 = 2, 1  # as the two bits of the header say it
_MPEG_1 = 3
_KBITS: dict[tuple[bool, int], tuple[int, ...]] = {
    (True, _LAYER_2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, _LAYER_3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, _LAYER_2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, _LAYER_3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_SAMPLE_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_ENCODERS_WITH_DELAY = (b"LAME", b"Lavf", b"Lavc")


@dataclass(frozen=True)
class FrameHeader:
    """One frame of an elementary stream; `kind` is what never changes within one stream."""

    kind: tuple[object, ...]
    size: int
    samples: int = 0
    side_info: int = 0


def read_mpeg_header(data: bytes, at: int) -> FrameHeader | None:
    """Return the header of an MPEG layer II or III frame at `at`, or None if there is none."""
    if len(data) < at + 4 or data[at] != 0xFF or data[at + 1] & 0xE0 != 0xE0:
        return None
    version, layer = data[at + 1] >> 3 & 3, data[at + 1] >> 1 & 3
    bit_rate_index, rate_index = data[at + 2] >> 4, data[at + 2] >> 2 & 3
    padding, mono = data[at + 2] >> 1 & 1, data[at + 3] >> 6 == 3
    if version == 1 or layer not in (_LAYER_2, _LAYER_3):
        return None
    if bit_rate_index in (0, 15) or rate_index == 3:
        return None
    first_version = version == _MPEG_1
    samples = 1152 if first_version or layer == _LAYER_2 else 576
    bit_rate = 1000 * _KBITS[first_version, layer][bit_rate_index - 1]
    sample_rate = _SAMPLE_RATES[version][rate_index]
    return FrameHeader(
        kind=(version, layer, sample_rate),
        size=samples // 8 * bit_rate // sample_rate + padding,
        samples=samples,
        side_info=(17 if mono else 32) if first_version else (9 if mono else 17),
    )


def read_adts_header(data: bytes, at: int) -> FrameHeader | None:
    """Return the header of an AAC frame in ADTS at `at`, or None if there is none."""
    if len(data) < at + 7 or data[at] != 0xFF or data[at + 1] & 0xF6 != 0xF0:
        return None
    rate_index = data[at + 2] >> 2 & 15
    size = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
    if rate_index > 12 or size < 7:
        return None
    return FrameHeader(kind=(data[at + 1], data[at + 2] >> 2), size=size)


def find_frames(
    data: bytes, kind: Literal["mp3", "aac"], last_start: int, whole: bool
) -> int | None:
    """Return where three frames of one kind follow each other, starting up to `last_start`.

    `whole` says that the file ends with `data`: then fewer frames will do, at its end.
    """
    at = data.find(b"\xff")
    while 0 <= at <= last_start:
        if _frames_follow(data, at, kind, whole):
            return at
        at = data.find(b"\xff", at + 1)
    return None


def _frames_follow(data: bytes, at: int, kind: Literal["mp3", "aac"], whole: bool) -> bool:
    read_header = read_mpeg_header if kind == "mp3" else read_adts_header
    first = read_header(data, at)
    header = first
    for _ in range(2):
        if first is None or header is None or header.kind != first.kind:
            return False
        at += header.size
        if at >= len(data):
            return whole
        header = read_header(data, at)
    return first is not None and header is not None and header.kind == first.kind


def read_promised_frames(path: Path, offset: int) -> int | None:
    """Return how many frames the Xing or Info tag at `offset` promises, or None without one.

    Encoder delay and padding are taken off, as far as a LAME tag states them. The layout is that of
    http://gabriel.mp3-tech.org/mp3infotag.html.
    """
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read(256)
    header = read_mpeg_header(data, 0)
    if header is None:
        return None
    tag = data[4 + header.side_info :]
    flags, count = int.from_bytes(tag[4:8], "big"), int.from_bytes(tag[8:12], "big")
    if tag[:4] not in (b"Xing", b"Info") or not flags & 1 or not count:
        return None
    optional_fields = ((1, 4), (2, 4), (4, 100), (8, 4))  # frames, bytes, seek table, quality
    lame = tag[8 + sum(size for flag, size in optional_fields if flags & flag) :]
    delay_and_padding = int.from_bytes(lame[21:24], "big")
    if lame[:4] not in _ENCODERS_WITH_DELAY:
        delay_and_padding = 0
    return count * header.samples - (delay_and_padding >> 12) - (delay_and_padding & 0xFFF)
