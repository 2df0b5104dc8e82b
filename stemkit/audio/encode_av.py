"""Encode with FFmpeg's libraries, through PyAV: AAC in an MP4 file (.m4a), and Opus."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import av
import numpy as np

from stemkit.audio.ogg import set_serial
from stemkit.samples import Samples

if TYPE_CHECKING:
    from av.container.core import Chapter

_BIT_RATE = 128_000  # bit/s a channel
_AAC_FRAME_BITS = 6144  # the most that AAC spends on the 1024 samples of a channel


@dataclass(frozen=True)
class _Codec:
    """FFmpeg's names: of the container, of the encoder, and of the samples that it takes."""

    container: str
    encoder: Literal["aac", "libopus"]
    samples: str
    container_options: dict[str, str] = field(default_factory=dict)


def write_m4a(
    path: Path,
    blocks: Iterable[Samples],
    sample_rate: int,
    channels: int,
    chapters: Sequence[tuple[float, float, str]] = (),
) -> None:
    """Write `blocks`, one or two channels each, to `path`; raises OSError or av.FFmpegError.

    `chapters` have a start and an end, in seconds, and a name.

    The edit list says exactly which samples are the audio: its clock is set to the sample rate,
    since the usual milliseconds would round the length.
    """
    codec = _Codec("ipod", "aac", "fltp", {"movie_timescale": str(sample_rate)})
    bit_rate = min(_BIT_RATE, _AAC_FRAME_BITS * sample_rate // 1024)
    _write(path, blocks, sample_rate, channels, codec, bit_rate, chapters)


def write_opus(path: Path, blocks: Iterable[Samples], channels: int) -> None:
    """Write `blocks` of 48000 Hz, one or two channels each; raises OSError or av.FFmpegError.

    libsndfile's libopus takes two and a half times as long for the same.
    """
    codec = _Codec("ogg", "libopus", "flt", {"fflags": "+bitexact"})
    _write(path, blocks, 48000, channels, codec, _BIT_RATE)
    set_serial(path)


def _write(
    path: Path,
    blocks: Iterable[Samples],
    sample_rate: int,
    channels: int,
    codec: _Codec,
    bit_rate: int,
    chapters: Sequence[tuple[float, float, str]] = (),
) -> None:
    """Write `blocks` with so many bit/s a channel."""
    layout = "mono" if channels == 1 else "stereo"
    with av.open(path, "w", format=codec.container, options=codec.container_options) as container:
        stream = container.add_stream(codec.encoder, rate=sample_rate, layout=layout)
        stream.format = codec.samples
        stream.bit_rate = channels * bit_rate
        if chapters:
            container.set_chapters(list(map(_to_chapter, range(len(chapters)), chapters)))
        position = 0
        for block in blocks:
            samples = block if codec.samples.endswith("p") else block.T.reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples), format=codec.samples, layout=layout
            )
            frame.sample_rate = sample_rate
            frame.time_base = Fraction(1, sample_rate)
            frame.pts = position
            container.mux(stream.encode(frame))
            position += block.shape[1]
        container.mux(stream.encode(None))


def _to_chapter(number: int, chapter: tuple[float, float, str]) -> "Chapter":
    start, end, name = chapter
    clock = Fraction(1, 1000)
    return {
        "id": number,
        "start": round(start * 1000),
        "end": round(end * 1000),
        "time_base": clock,
        "metadata": {"title": name},
    }
