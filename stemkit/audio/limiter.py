"""A look-ahead limiter that works from the true peaks of a signal's steps.

The peaks are known from an earlier pass, so the limiter needs no delay. All channels are turned
down together. How much, in decibels:

1. at each step, what the peak asks for, or what is left of the step before as the limiter lets go,
   if that is more;
2. the highest of that over a few steps around;
3. smoothed over slightly fewer steps, so that the gain glides and is low enough at every peak.

A decibel more of gain before it turns no step down by more than that decibel. So the signal never
gets quieter when it is driven harder, which a search for a loudness can rely on;
pedalboard.BrickwallLimiter, which lets go in linear gain, does.
"""

import math
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from stemkit.audio.steps import STEPS_PER_SECOND, Steps, count_steps, step_edges
from stemkit.samples import Samples

RELEASE_SECONDS = 0.1
"""The time in which the limiter lets go of 63 % of its decibels."""

_GLIDE_STEPS = 4  # on each side: the gain takes 6 ms from nothing to all of it
_HOLD_STEPS = _GLIDE_STEPS + 1  # one more, since the gain is drawn from one step to the next
_REACH_STEPS = _HOLD_STEPS + _GLIDE_STEPS
_KEEP = math.exp(-1 / (RELEASE_SECONDS * STEPS_PER_SECOND))
_LONGEST_DECAY = 4096  # steps; _KEEP to this power must stay well inside float64
_LEAST_PEAK = 1e-30


class Limiter:
    """The decibels by which a signal is turned down, at the start of each step.

    The signal is amplified by `gain_db` first and then kept below `ceiling_db`, which may be
    infinite.
    """

    def __init__(self, gain_db: float, ceiling_db: float) -> None:
        self._headroom_db = ceiling_db - gain_db
        self._held = np.zeros(_REACH_STEPS)
        self._last_db = 0.0

    def push(self, peaks: Steps) -> Steps:
        """Return the reductions that are known by now, given the peaks of some more steps."""
        parts = range(0, len(peaks), _LONGEST_DECAY)
        return self._glide([self._let_go(peaks[at : at + _LONGEST_DECAY]) for at in parts])

    def flush(self) -> Steps:
        """Return the rest: in all one more than there were steps, the last for the signal's end."""
        return self._glide([np.zeros(_REACH_STEPS + 1)])

    def _let_go(self, peaks: Steps) -> Steps:
        """Return what the peaks ask for, each falling off exponentially until one asks for more."""
        peaks_db = 20 * np.log10(np.maximum(peaks, _LEAST_PEAK))
        asked_db = np.maximum(peaks_db - self._headroom_db, 0)
        decay: Steps = _KEEP ** np.arange(1, len(peaks) + 1, dtype=np.float64)
        kept_db: Steps = np.maximum(np.maximum.accumulate(asked_db / decay), self._last_db) * decay
        self._last_db = kept_db[-1]
        return kept_db

    def _glide(self, kept_db: list[Steps]) -> Steps:
        held = np.concatenate([self._held, *kept_db])
        self._held = held[-2 * _REACH_STEPS :]
        if len(held) <= 2 * _REACH_STEPS:
            return np.zeros(0)
        highest = sliding_window_view(held, 2 * _HOLD_STEPS + 1).max(axis=1)
        smoothing = np.hanning(2 * _GLIDE_STEPS + 3)[1:-1]
        glide: Steps = np.convolve(highest, smoothing / smoothing.sum(), "valid")
        return glide


def limit_blocks(
    blocks: Iterable[Samples],
    peaks: Iterable[Steps],
    sample_rate: int,
    gain_db: float,
    ceiling_db: float,
) -> Iterator[Samples]:
    """Yield `blocks` amplified and limited; `peaks` are those of their `PeakEnvelope`."""
    nodes = _gains(peaks, Limiter(gain_db, ceiling_db), gain_db)
    known, first, frame = np.zeros(0), 0, 0
    for block in blocks:
        after = frame + block.shape[1]
        last = count_steps(after - 1, sample_rate) + 1  # starts at or behind the last frame
        while first + len(known) <= last and (more := next(nodes, None)) is not None:
            known = np.concatenate([known, more])
        edges = step_edges(first, first + len(known) - 1, sample_rate)
        gain = np.interp(np.arange(frame, after), edges, known)
        yield block * gain.astype(np.float32)
        done = count_steps(after, sample_rate) - first
        known, first, frame = known[done:], first + done, after


def _gains(peaks: Iterable[Steps], limiter: Limiter, gain_db: float) -> Iterator[Steps]:
    for some in peaks:
        yield 10 ** ((gain_db - limiter.push(some)) / 20)
    yield 10 ** ((gain_db - limiter.flush()) / 20)
