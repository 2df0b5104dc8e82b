"""Cut a stream into steps of two thirds of a millisecond, at the same places at any rate.

Loudness, peaks and the limiter's gain are all told per step: 150 steps are the 100 ms by which the
blocks of a loudness measurement move on.
"""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from stemkit.errors import OptionError

STEPS_PER_SECOND = 1500

LOWEST_RATE = 4000  # Hz; below, K-weighting's shelf at 1682 Hz comes too near the Nyquist frequency

Steps: TypeAlias = npt.NDArray[np.float64]
"""One number for each step, of shape (steps,)."""


def check_rate(sample_rate: int) -> None:
    """Raise OptionError for a rate at which loudness and true peaks can't be measured."""
    if sample_rate < LOWEST_RATE:
        raise OptionError(
            f"loudness and true peak can't be measured at {sample_rate} Hz; "
            f"give at least {LOWEST_RATE} Hz"
        )


def step_edges(first: int, last: int, sample_rate: int) -> npt.NDArray[np.int64]:
    """Return the frames at which the steps `first` to `last` begin, both included."""
    return np.arange(first, last + 1, dtype=np.int64) * sample_rate // STEPS_PER_SECOND


def count_steps(frames: int, sample_rate: int) -> int:
    """Return how many whole steps `frames` hold."""
    return ((frames + 1) * STEPS_PER_SECOND - 1) // sample_rate


class StepReducer:
    """Reduce a stream of shape (channels, frames) to (channels, steps) by a ufunc such as np.add.

    Where the stream is cut into blocks doesn't show.
    """

    def __init__(self, reduce: np.ufunc, sample_rate: int, channels: int) -> None:
        self._reduce = reduce
        self._sample_rate = sample_rate
        self._steps = 0
        self._rest: npt.NDArray[Any] = np.zeros((channels, 0), np.float32)

    def push(self, block: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the steps that `block` completes."""
        held = np.concatenate([self._rest, block], axis=1) if self._rest.size else block
        first = self._steps
        start = step_edges(first, first, self._sample_rate)[0]
        self._steps = count_steps(int(start) + held.shape[1], self._sample_rate)
        edges = step_edges(first, self._steps, self._sample_rate) - start
        self._rest = held[:, edges[-1] :].copy()
        if len(edges) == 1:
            return held[:, :0]
        reduced: npt.NDArray[Any] = self._reduce.reduceat(held[:, : edges[-1]], edges[:-1], axis=1)
        return reduced

    def flush(self) -> npt.NDArray[Any]:
        """Return the step that the stream ended in, if it did not end between two."""
        if not self._rest.shape[1]:
            return self._rest
        reduced: npt.NDArray[Any] = self._reduce.reduce(self._rest, axis=1, keepdims=True)
        return reduced
