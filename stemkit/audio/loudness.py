"""Integrated loudness by ITU-R BS.1770-4 and EBU R 128, of a stream of blocks.

Every channel weighs 1. For mono and stereo that is the standard. For more it would give a surround
channel 1.41 and leave out the subwoofer's, but which is which is not known here: stems are written
without speaker positions. A mono file reads 3 LU below the same file with two equal channels.
"""

import math
from array import array

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from stemkit.audio.sections import SectionFilter
from stemkit.audio.steps import STEPS_PER_SECOND, StepReducer, Steps, check_rate
from stemkit.samples import Samples

ABSOLUTE_GATE_LUFS = -70.0
RELATIVE_GATE_LU = -10.0

_HOP_STEPS = STEPS_PER_SECOND // 10  # 100 ms
_BLOCK_HOPS = 4  # 400 ms, 75 % of them shared with the next block
_OFFSET_DB = -0.691  # K-weighting's gain at 997 Hz, taken back


class LoudnessMeter:
    """The integrated loudness of what has been pushed; blocks of any lengths give the same.

    It keeps 8 bytes for each 100 ms. Raises OptionError below 4000 Hz.
    """

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._power = WeightedPower(sample_rate, channels)
        self._gate = LoudnessGate()

    def push(self, block: Samples) -> Steps:
        """Measure `block`, (channels, frames); return the `WeightedPower` of completed steps."""
        powers = self._power.push(block)
        self._gate.push(powers)
        return powers

    def flush(self) -> Steps:
        """Return the power of the last step, which is too short to count for the loudness."""
        return self._power.flush()

    @property
    def integrated_lufs(self) -> float:
        """The loudness; -inf where no block of 400 ms is above the absolute gate of -70 LUFS.

        So it is -inf for silence, and for whatever is shorter than 400 ms.
        """
        return self._gate.integrated_lufs


class WeightedPower:
    """The K-weighted power of each step of a stream, summed over the channels.

    It is the mean square of the step; of the last and partial one, as much as it adds to a block.
    """

    def __init__(self, sample_rate: int, channels: int) -> None:
        check_rate(sample_rate)
        self._weighting = SectionFilter(k_weighting(sample_rate), channels)
        self._squares = StepReducer(np.add, sample_rate, channels)
        self._step_frames = sample_rate / STEPS_PER_SECOND

    def push(self, block: Samples) -> Steps:
        """Return the power of each step that `block` completes."""
        weighted = self._weighting.push(block)
        return self._sum(self._squares.push(np.square(weighted, out=weighted)))

    def flush(self) -> Steps:
        """Return the power of the step that the stream ended in."""
        return self._sum(self._squares.flush())

    def _sum(self, squares: npt.NDArray[np.float64]) -> Steps:
        summed: Steps = squares.sum(axis=0) / self._step_frames
        return summed


class LoudnessGate:
    """The loudness of a stream of steps of `WeightedPower`, through both gates."""

    def __init__(self) -> None:
        self._rest: Steps = np.zeros(0)
        self._hops = array("d")

    def push(self, powers: Steps) -> None:
        """Count these steps."""
        held = np.concatenate([self._rest, powers])
        whole = len(held) - len(held) % _HOP_STEPS
        self._hops.extend(held[:whole].reshape(-1, _HOP_STEPS).mean(axis=1))
        self._rest = held[whole:]

    @property
    def integrated_lufs(self) -> float:
        """The loudness; -inf where no block is above the absolute gate."""
        if len(self._hops) < _BLOCK_HOPS:
            return -math.inf
        hops = np.frombuffer(self._hops)
        blocks = sliding_window_view(hops, _BLOCK_HOPS).mean(axis=1)
        loud = blocks[blocks > _power_of(ABSOLUTE_GATE_LUFS)]
        if not loud.size:
            return -math.inf
        gate_lufs = _loudness_of(float(loud.mean())) + RELATIVE_GATE_LU
        return _loudness_of(float(loud[loud > _power_of(gate_lufs)].mean()))


def k_weighting(sample_rate: int) -> npt.NDArray[np.float64]:
    """Return K-weighting as second-order sections, (2, 6), for any rate.

    The analogue filters whose bilinear transforms are the coefficients that BS.1770-4 prints for
    48000 Hz: a high shelf and a high-pass, whose parameters libebur128 (Jan Kokemüller) found.
    """
    shelf = _high_shelf(sample_rate, 1681.974450955533, 3.999843853973347, 0.7071752369554196)
    high_pass = _high_pass(sample_rate, 38.13547087602444, 0.5003270373238773)
    return np.array([shelf, high_pass])


def _high_shelf(sample_rate: int, frequency_hz: float, gain_db: float, q: float) -> list[float]:
    k = math.tan(math.pi * frequency_hz / sample_rate)
    high = 10 ** (gain_db / 20)
    band = high**0.4996667741545416
    b = [high + band * k / q + k * k, 2 * (k * k - high), high - band * k / q + k * k]
    a = [1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k]
    return [coefficient / a[0] for coefficient in (*b, *a)]


def _high_pass(sample_rate: int, frequency_hz: float, q: float) -> list[float]:
    k = math.tan(math.pi * frequency_hz / sample_rate)
    a = [1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k]
    # The standard leaves its numerator at 1, -2, 1.
    return [1.0, -2.0, 1.0, *(coefficient / a[0] for coefficient in a)]


def _loudness_of(power: float) -> float:
    return _OFFSET_DB + 10 * math.log10(power)


def _power_of(loudness_lufs: float) -> float:
    return float(10 ** ((loudness_lufs - _OFFSET_DB) / 10))
