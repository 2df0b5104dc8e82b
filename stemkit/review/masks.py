"""What is true of which hops of a scan, and the stretches of time that come of it."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_closing, maximum_filter1d, uniform_filter1d

Mask = npt.NDArray[np.bool_]
"""What is true of each hop."""

Range = tuple[float, float]
"""Start and end, in seconds."""

MOST_RANGES = 50
PAD_SECONDS = 0.25
JOIN_SECONDS = 0.5
"""Ranges get the pad on both sides, and what is then closer than this becomes one."""


def close_gaps(mask: Mask, hops: int) -> Mask:
    """Return `mask` with its gaps of at most `hops` filled."""
    closed: Mask = binary_closing(np.pad(mask, hops), np.ones(hops + 1, bool))[hops:-hops]
    return closed


def keep_runs(mask: Mask, shortest: float, longest: float = np.inf) -> Mask:
    """Return `mask` without the runs that are shorter or longer than these many hops."""
    kept = np.zeros_like(mask)
    for start, end in _find_runs(mask):
        kept[start:end] = shortest <= end - start <= longest
    return kept


def widen(mask: Mask, hops: int) -> Mask:
    """Return what is within a window of `hops` around a hop of `mask`."""
    wide: Mask = maximum_filter1d(mask, hops)
    return wide


def reach_back(mask: Mask, hops: int) -> Mask:
    """Return what is at a hop of `mask` or up to `hops` before one."""
    back: Mask = maximum_filter1d(mask, hops + 1, origin=-((hops + 1) // 2))
    return back


def measure_density(mask: Mask, hops: int) -> npt.NDArray[np.float64]:
    """Return the share of `mask` in a window of `hops` around each hop; beyond the ends is none."""
    density: npt.NDArray[np.float64] = uniform_filter1d(
        mask, hops, output=np.float64, mode="constant"
    )
    return density


def measure_deviation(values: npt.NDArray[np.float32], hops: int) -> npt.NDArray[np.float64]:
    """Return the standard deviation in a window of `hops` around each hop."""
    centred = values.astype(np.float64) - values.mean(dtype=np.float64)
    mean = uniform_filter1d(centred, hops)
    variance = uniform_filter1d(np.square(centred), hops) - np.square(mean)
    deviation: npt.NDArray[np.float64] = np.sqrt(np.maximum(variance, 0))
    return deviation


def to_ranges(mask: Mask, hop_seconds: float, end_seconds: float) -> tuple[Range, ...]:
    """Return the runs of `mask` as `join_ranges` does."""
    runs = ((start * hop_seconds, end * hop_seconds) for start, end in _find_runs(mask))
    return join_ranges(runs, end_seconds)


def join_ranges(ranges: Iterable[Range], end_seconds: float) -> tuple[Range, ...]:
    """Return ranges, which are in order, widened to be clicked on, within the audio.

    Of more than `MOST_RANGES`, the longest are kept.
    """
    joined: list[Range] = []
    for first, last in ranges:
        start = max(0.0, min(first, end_seconds - PAD_SECONDS) - PAD_SECONDS)
        end = min(end_seconds, max(last, PAD_SECONDS) + PAD_SECONDS)
        if joined and start < joined[-1][1] + JOIN_SECONDS:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    longest = sorted(joined, key=lambda one: one[0] - one[1])[:MOST_RANGES]
    return tuple(sorted(longest))


def _find_runs(mask: Mask) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0)).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))
