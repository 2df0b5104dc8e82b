"""Encode with FFmpeg's libraries, through PyAV: AAC in an MP4 file (.m4a)."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np

from stemkit.samples import Samples

if TYPE_CHECKING:
    from av.container.core import Chapter

_BIT_RATE = 128_000  # bit/s a channel
_BITS_PER_FRAME = 6144  # the most that AAC spends on the 1024 samples of a channel


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
    layout = "mono" if channels == 1 else "stereo"
    options = {"movie_timescale": str(sample_rate)}
    with av.open(path, "w", format="ipod", options=options) as container:
        stream = container.add_stream("aac", rate=sample_rate, layout=layout)
        bit_rate = min(_BIT_RATE, _BITS_PER_FRAME * sample_rate // 1024)
        stream.bit_rate = channels * bit_rate
        if chapters:
            container.set_chapters(list(map(_to_chapter, range(len(chapters)), chapters)))
        position = 0
        for block in blocks:
            samples = np.ascontiguousarray(block)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
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
