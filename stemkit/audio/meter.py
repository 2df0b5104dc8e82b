"""How loud a signal is: its peaks, its loudness and its energy, in one pass."""

import math
from dataclasses import dataclass

import numpy as np

from stemkit.audio.loudness import LoudnessMeter
from stemkit.audio.steps import LOWEST_RATE
from stemkit.audio.true_peak import HighestPeak
from stemkit.samples import Samples

_LEAST_FRAMES = 65536


@dataclass(frozen=True)
class Measured:
    """Levels of a signal relative to full scale; None where there is none to measure.

    `peak_db` is the highest sample, `true_peak_db` the highest point between samples,
    `loudness_lufs` the integrated loudness, and `energy_db` the mean square over all channels.
    Silence has none of them, and what is shorter than 400 ms no loudness.
    """

    peak_db: float | None
    true_peak_db: float | None
    loudness_lufs: float | None
    energy_db: float | None

    def amplified(self, gain_db: float) -> "Measured":
        """Return the levels of the signal after a gain."""
        levels = (self.peak_db, self.true_peak_db, self.loudness_lufs, self.energy_db)
        return Measured(*(None if level is None else level + gain_db for level in levels))


class Meter:
    """Measures a stream of blocks. Below 4000 Hz there is no loudness and no true peak."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        can_weigh = sample_rate >= LOWEST_RATE
        self._loudness = LoudnessMeter(sample_rate, channels) if can_weigh else None
        self._true_peak = HighestPeak(channels) if can_weigh else None
        self._peak = 0.0
        self._square_sum = 0.0
        self._samples = 0
        self._held: list[Samples] = []  # short blocks cost more to measure than to keep
        self._held_frames = 0

    def push(self, block: Samples) -> None:
        """Measure `block`, (channels, frames), which must not be changed afterwards."""
        self._held.append(block)
        self._held_frames += block.shape[1]
        if self._held_frames >= _LEAST_FRAMES:
            self._measure_held()

    def _measure_held(self) -> None:
        if self._held_frames:
            self._measure(np.concatenate(self._held, axis=1))
        self._held, self._held_frames = [], 0

    def _measure(self, block: Samples) -> None:
        self._peak = max(self._peak, float(block.max()), -float(block.min()))
        self._square_sum += float(np.vdot(block, block))
        self._samples += block.size
        if self._loudness and self._true_peak:
            self._loudness.push(block)
            self._true_peak.push(block)

    def finish(self) -> Measured:
        """Return the levels of all that was pushed, and end the stream."""
        self._measure_held()
        mean_square = self._square_sum / self._samples if self._samples else 0.0
        return Measured(
            _decibels(self._peak),
            _decibels(self._true_peak.flush()) if self._true_peak else None,
            _finite(self._loudness.integrated_lufs) if self._loudness else None,
            _decibels(math.sqrt(mean_square)),
        )


def _decibels(factor: float) -> float | None:
    return 20 * math.log10(factor) if factor > 0 else None


def _finite(level: float) -> float | None:
    return level if math.isfinite(level) else None
