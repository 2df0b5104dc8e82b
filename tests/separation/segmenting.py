"""Segments of a whole signal, and the signal again."""

import numpy as np

from stemkit.samples import Samples
from stemkit.separation.segments import Segmenter, SegmentPlan, Stitcher


def cut(signal: Samples, plan: SegmentPlan) -> list[Samples]:
    """Return the segments of a signal of shape (channels, frames), in order."""
    segmenter = Segmenter(plan)
    return [*segmenter.push(signal), *segmenter.flush()]


def stitch(segments: list[Samples], plan: SegmentPlan) -> Samples:
    """Undo `cut`: cross-fade overlapping segments into one signal.

    `segments` have shape (..., frames), at least one of them; returns (..., frames).
    """
    stitcher = Stitcher(plan)
    parts = [stitcher.push(segment) for segment in segments]
    tail = stitcher.flush()
    return np.concatenate([*parts, *([] if tail is None else [tail])], axis=-1)
