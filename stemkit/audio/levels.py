"""Bring a signal to an integrated loudness, its true peaks under a ceiling, without holding it.

While the signal is spooled, the root of the K-weighted power and the true peak of each step are
written beside it, 12 kB a second. On these the limiter is tried with one gain after another, and
the loudness that would come out is computed, until the gain is found. Then the audio itself is
limited and measured, and where that differs from what was computed, the gain is corrected.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stemkit.audio.limiter import Limiter, limit_blocks
from stemkit.audio.loudness import ABSOLUTE_GATE_LUFS, LoudnessGate, LoudnessMeter
from stemkit.audio.steps import STEPS_PER_SECOND, Steps
from stemkit.audio.true_peak import TruePeakMeter
from stemkit.audio.wav import WavLayout, WavWriter, read_float_blocks
from stemkit.errors import OptionError
from stemkit.samples import Samples

TRACE_LAYOUT = WavLayout(STEPS_PER_SECOND, 1, "32f")
"""What is kept of each step beside a spool."""

TOLERANCE_LU = 0.05
"""How near to the wanted loudness is near enough."""

MARGIN_DB = 0.15
"""Room left under a ceiling, for dither and for meters that interpolate otherwise than ours."""

MOST_LOST_LU = 6.0
"""The loudness that the limiter may take away and the gain make good for."""

MOST_GAIN_DB = 40.0
"""The highest gain: what is left of a voice in a song without one isn't made a programme."""

_MOST_PASSES = 4  # over the audio, to correct the gain
_BISECTIONS = 12  # of at most some 80 dB: to 0.02 dB
_MOST_TRIES = 40  # over the trace
_BLOCK_FRAMES = 65536
_BLOCK_STEPS = 4096


@dataclass(frozen=True)
class Level:
    """How loud a file shall be, and how high its true peaks may go.

    - Both: the gain that gives the integrated loudness, with a limiter that holds the ceiling. The
      ceiling comes first: where the limiter would have to take away more than `MOST_LOST_LU` of
      loudness, or the gain be more than `MOST_GAIN_DB`, the file stays quieter than asked.
    - `loudness_lufs` alone: the same with a ceiling of 0 dBTP, but none where the format holds
      floats.
    - `true_peak_db` alone: turned down as a whole until the highest peak is under the ceiling;
      never turned up and never limited.
    - Neither: only measured, and as with a ceiling of 0 dBTP where the format doesn't hold floats.

    What has no loudness (`LoudnessMeter.integrated_lufs` is -inf: silence, or under 400 ms) is not
    turned up, only down under the ceiling. The ceiling holds for what is handed to the format:
    decoded, lossy files may go past it, as resampling for them may.

    Raises OptionError for a loudness outside -70 to 0 LUFS or a ceiling outside -70 to 0 dBTP.
    """

    loudness_lufs: float | None = None
    true_peak_db: float | None = None

    def __post_init__(self) -> None:
        """Refuse what can't be reached or would clip."""
        for name, value in (
            ("loudness_lufs", self.loudness_lufs),
            ("true_peak_db", self.true_peak_db),
        ):
            if value is not None and not ABSOLUTE_GATE_LUFS < value <= 0:
                raise OptionError(f"{name} is {value}; give more than -70 and at most 0")


@dataclass(frozen=True)
class Levelling:
    """What is done to a signal, and what LoudnessMeter and TruePeakMeter say of it afterwards.

    It is amplified by `gain_db`, then limited to `ceiling_db`, which is infinite for no limiting.
    """

    gain_db: float
    ceiling_db: float
    loudness_lufs: float
    true_peak_db: float

    @property
    def is_neutral(self) -> bool:
        """Whether the signal stays as it is, to the bit."""
        return self.gain_db == 0 and self.ceiling_db == math.inf


class LevelledSpool:
    """A signal that is measured while it is spooled, and comes back levelled.

    `spool` must hold 32-bit floats, `root_trace` and `peak_trace` have `TRACE_LAYOUT`; all three
    are the caller's to close and remove. Raises OptionError below 4000 Hz; each method may raise
    OSError.
    """

    def __init__(self, spool: WavWriter, root_trace: WavWriter, peak_trace: WavWriter) -> None:
        self._spool = spool
        self._roots = root_trace
        self._peaks = peak_trace
        self._loudness = LoudnessMeter(spool.layout.sample_rate, spool.layout.channels)
        self._true_peak = TruePeakMeter(spool.layout.sample_rate, spool.layout.channels)

    def write(self, block: Samples) -> None:
        """Append `block`, of shape (channels, frames)."""
        self._spool.write(block)
        _write_steps(self._roots, np.sqrt(self._loudness.push(block)))
        _write_steps(self._peaks, self._true_peak.push(block))

    def finish(self) -> None:
        """End the signal."""
        self._spool.finish()
        _write_steps(self._roots, np.sqrt(self._loudness.flush()))
        _write_steps(self._peaks, self._true_peak.flush())
        self._roots.finish()
        self._peaks.finish()

    def level(self, level: Level, *, holds_floats: bool) -> Levelling:
        """Return what is to be done so that the finished signal has `level`.

        `holds_floats` tells that nothing clips where it is written.
        """
        ceiling_db = level.true_peak_db
        if ceiling_db is None:
            ceiling_db = math.inf if holds_floats else 0.0
        if level.loudness_lufs is None or self._loudness.integrated_lufs == -math.inf:
            return self._turn_down(ceiling_db)
        return self._make_loud(level.loudness_lufs, ceiling_db)

    def blocks(self, levelling: Levelling, block_frames: int = _BLOCK_FRAMES) -> Iterator[Samples]:
        """Yield the finished signal, levelled."""
        blocks, peaks = read_float_blocks(self._spool, block_frames), _read_steps(self._peaks)
        rate = self._spool.layout.sample_rate
        return limit_blocks(blocks, peaks, rate, levelling.gain_db, levelling.ceiling_db)

    def _turn_down(self, ceiling_db: float) -> Levelling:
        peak_db = self._true_peak.true_peak_db
        return self._amplify(0.0 if peak_db <= ceiling_db else ceiling_db - MARGIN_DB - peak_db)

    def _amplify(self, gain_db: float) -> Levelling:
        """Return a levelling by gain alone, which needs no measuring."""
        loudness_lufs = self._loudness.integrated_lufs
        if gain_db != 0 and loudness_lufs != -math.inf:
            # Not just the sum: gain takes quiet blocks through the absolute gate.
            loudness_lufs = self._compute_loudness(gain_db, math.inf)
        return Levelling(gain_db, math.inf, loudness_lufs, self._true_peak.true_peak_db + gain_db)

    def _make_loud(self, wanted_lufs: float, ceiling_db: float) -> Levelling:
        limit_db = ceiling_db - MARGIN_DB
        goal_lufs = wanted_lufs
        gain_db = min(wanted_lufs - self._loudness.integrated_lufs, MOST_GAIN_DB)
        most_db = min(gain_db + MOST_LOST_LU, MOST_GAIN_DB)
        for _ in range(_MOST_PASSES):
            gain_db = self._find_gain(goal_lufs, gain_db, most_db, limit_db)
            if gain_db >= most_db:
                gain_db = most_db = self._find_most_gain(most_db, limit_db)
            if self._true_peak.true_peak_db + gain_db <= limit_db:
                return self._amplify(gain_db)
            measured = self._measure(gain_db, limit_db)
            missing_lu = wanted_lufs - measured.loudness_lufs
            if abs(missing_lu) <= TOLERANCE_LU or (missing_lu > 0 and gain_db >= most_db):
                break
            goal_lufs += missing_lu
        return measured

    def _find_gain(
        self, goal_lufs: float, gain_db: float, most_db: float, limit_db: float
    ) -> float:
        """Return the gain, up to `most_db`, that is computed to reach `goal_lufs`."""
        for _ in range(_MOST_TRIES):
            missing_lu = goal_lufs - self._compute_loudness(gain_db, limit_db)
            if abs(missing_lu) <= TOLERANCE_LU / 10 or (missing_lu > 0 and gain_db >= most_db):
                break
            # A decibel of gain adds at most one of loudness, so this doesn't go too far.
            gain_db = min(gain_db + missing_lu, most_db)
        return gain_db

    def _find_most_gain(self, most_db: float, limit_db: float) -> float:
        """Return the highest gain, up to `most_db`, that loses no more than `MOST_LOST_LU`."""
        low_db, high_db = min(limit_db - self._true_peak.true_peak_db, most_db), most_db
        if self._compute_loss(high_db, limit_db) <= MOST_LOST_LU:
            return high_db
        for _ in range(_BISECTIONS):
            middle_db = (low_db + high_db) / 2
            if self._compute_loss(middle_db, limit_db) <= MOST_LOST_LU:
                low_db = middle_db
            else:
                high_db = middle_db
        return low_db

    def _compute_loss(self, gain_db: float, limit_db: float) -> float:
        """Return how much loudness the limiter takes away."""
        unlimited_lufs = self._compute_loudness(gain_db, math.inf)
        return unlimited_lufs - self._compute_loudness(gain_db, limit_db)

    def _compute_loudness(self, gain_db: float, ceiling_db: float) -> float:
        """Return the loudness that the limiter would leave, by its gain as each step begins."""
        gate, limiter, waiting = LoudnessGate(), Limiter(gain_db, ceiling_db), np.zeros(0)
        for powers, reductions_db in self._limited_steps(limiter):
            waiting = np.concatenate([waiting, powers])
            steps = min(len(waiting), len(reductions_db))
            gate.push(waiting[:steps] * 10 ** ((gain_db - reductions_db[:steps]) / 10))
            waiting = waiting[steps:]
        return gate.integrated_lufs

    def _limited_steps(self, limiter: Limiter) -> Iterator[tuple[Steps, Steps]]:
        for roots, peaks in zip(_read_steps(self._roots), _read_steps(self._peaks), strict=True):
            yield np.square(roots), limiter.push(peaks)
        yield np.zeros(0), limiter.flush()

    def _measure(self, gain_db: float, ceiling_db: float) -> Levelling:
        """Limit the audio and measure what comes out."""
        rate, channels = self._spool.layout.sample_rate, self._spool.layout.channels
        loudness, true_peak = LoudnessMeter(rate, channels), TruePeakMeter(rate, channels)
        for block in self.blocks(Levelling(gain_db, ceiling_db, math.nan, math.nan)):
            loudness.push(block)
            true_peak.push(block)
        true_peak.flush()
        return Levelling(gain_db, ceiling_db, loudness.integrated_lufs, true_peak.true_peak_db)


def _write_steps(trace: WavWriter, steps: Steps) -> None:
    trace.write(steps[np.newaxis].astype(np.float32))


def _read_steps(trace: WavWriter) -> Iterator[Steps]:
    for block in read_float_blocks(trace, _BLOCK_STEPS):
        yield block[0].astype(np.float64)
