"""Cut a signal into overlapping segments, and cross-fade them into one again.

Segments start on the network's pooling grid, so that each sees the cells that one pass over the
whole signal would see. The last one ends where the signal ends and is as short as that leaves it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stemkit.errors import OptionError
from stemkit.samples import Samples
from stemkit.separation.queue import SampleQueue


@dataclass(frozen=True)
class SegmentPlan:
    """How long segments are and how far they overlap, in samples."""

    segment_frames: int
    overlap_frames: int

    @property
    def hop_frames(self) -> int:
        """Samples from the start of one segment to the start of the next."""
        return self.segment_frames - self.overlap_frames

    def fade(self) -> Samples:
        """Return the weight of the later segment over an overlap, (overlap_frames,).

        Its first and last quarters are 0 and 1, since a network knows least at the edges of a
        segment; a raised cosine joins them.
        """
        place = (np.arange(self.overlap_frames) + 0.5) / max(1, self.overlap_frames)
        rise = np.clip(2 * place - 0.5, 0, 1)
        return (0.5 - 0.5 * np.cos(np.pi * rise)).astype(np.float32)


def plan_segments(
    segment_seconds: float, overlap_seconds: float, sample_rate: int, grid_frames: int
) -> SegmentPlan:
    """Return the plan nearest to what is asked for whose segments start on the grid.

    Where an overlap is asked for, it is one cell of the grid at least, if segments have two.
    """
    if not 0 <= overlap_seconds <= segment_seconds / 2 or segment_seconds == 0:
        raise OptionError(
            f"a segment must last longer than 0 s and overlap by at most half of that, "
            f"not {segment_seconds} s and {overlap_seconds} s"
        )
    cells = max(1, round(segment_seconds * sample_rate / grid_frames))
    least = 1 if overlap_seconds else 0
    overlap_cells = max(least, round(overlap_seconds * sample_rate / grid_frames))
    return SegmentPlan(cells * grid_frames, min(overlap_cells, cells // 2) * grid_frames)


class Segmenter:
    """Blocks in, segments out; holds less than a segment and a block between calls."""

    def __init__(self, plan: SegmentPlan) -> None:
        self._plan = plan
        self._held = SampleQueue()
        self._known_frames = 0  # how much of what is held has been in a segment

    def push(self, block: Samples) -> Iterator[Samples]:
        """Yield each segment that is now known whole and not the last, (channels, frames)."""
        self._held.push(block)
        while self._held.frames > self._plan.segment_frames:
            yield self._held.peek(self._plan.segment_frames)
            self._held.drop(self._plan.hop_frames)
            self._known_frames = self._plan.overlap_frames

    def flush(self) -> Iterator[Samples]:
        """Yield the last segment, unless the one before it ended with the signal."""
        if self._held.frames > self._known_frames:
            yield self._held.take(self._held.frames)


class Stitcher:
    """Segments in, signal out: undoes `Segmenter`, holding one overlap between calls."""

    def __init__(self, plan: SegmentPlan) -> None:
        self._overlap = plan.overlap_frames
        self._fade = plan.fade()
        self._tail: Samples | None = None

    def push(self, segment: Samples) -> Samples:
        """Return the samples, (..., frames), that no later segment will change."""
        whole = self._join(segment)
        keep = max(0, whole.shape[-1] - self._overlap)
        self._tail = whole[..., keep:].copy()
        return whole[..., :keep]

    def flush(self) -> Samples | None:
        """Return the overlap that nothing came after; None if nothing ever came."""
        return self._tail

    def _join(self, segment: Samples) -> Samples:
        if self._tail is None:
            return segment
        joined = segment.copy()
        old, new = self._tail, segment[..., : self._overlap]
        joined[..., : self._overlap] = old + (new - old) * self._fade
        return joined
