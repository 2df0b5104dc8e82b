"""Short-time power spectra of a stream, and what findings go by in them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft

from stemkit.samples import Samples

Floats = npt.NDArray[np.float32]

HOP_SECONDS = 0.0232
"""About how far frames are apart: the power of two of samples that is nearest."""

OVERLAP = 4
"""A frame is of this many hops, 93 ms: it resolves the partials of the lowest voice."""

STEADY_HOPS = 16
"""What is steady is so for this long, 0.37 s, which a vibrato or a syllable isn't."""

_SILENCE = 1e-12  # power, -120 dB: keeps logarithms and quotients finite
_VOICE_HZ = (80, 1000)
_PARTIALS_HZ = (80, 4300)
_STEADY_HZ = (200, 4000)
_MIDDLE_HZ = (300, 4000)
_OVERTONES_HZ = (1200, 5000)
_HISS_HZ = (6000, 16000)


def choose_hop(sample_rate: int) -> int:
    """Return how many samples frames are apart: a power of two."""
    return int(2 ** max(4, round(np.log2(HOP_SECONDS * sample_rate))))


class Frames:
    """Power spectra of a stream, one for each hop, around the hop's middle.

    A full-scale sine has a power of 1 in the bin that it falls on.
    """

    def __init__(self, sample_rate: int, channels: int) -> None:
        self.hop = choose_hop(sample_rate)
        size = OVERLAP * self.hop
        window = np.hanning(size + 1)[:-1]
        self.window: Floats = (2 * window / window.sum()).astype(np.float32)
        self.bin_hz = sample_rate / size
        self._held: Samples = np.zeros((channels, (size - self.hop) // 2), np.float32)

    def push(self, block: Samples) -> Floats:
        """Return the spectra that `block` completes, (frames, bins), as the channels' mean."""
        held = np.concatenate([self._held, block], axis=1)
        size = len(self.window)
        count = max(0, (held.shape[1] - size) // self.hop + 1)
        self._held = held[:, count * self.hop :].copy()
        if not count:
            return np.zeros((0, size // 2 + 1), np.float32)
        cut = np.lib.stride_tricks.sliding_window_view(held, size, axis=1)
        spectra = fft.rfft(cut[:, : count * self.hop : self.hop] * self.window, axis=2)
        power: Floats = (np.square(spectra.real) + np.square(spectra.imag)).mean(axis=0)
        return power

    def flush(self, frames: int) -> Floats:
        """Return the spectra that are left, when the stream had `frames` samples."""
        missing = -frames % self.hop + (len(self.window) - self.hop) // 2
        return self.push(np.zeros((len(self._held), missing), np.float32))


@dataclass(frozen=True)
class Features:
    """What findings go by, for each hop; all arrays are (hops,).

    `level_db`, `middle_db`, `overtones_db` and `hiss_db` are of all above 80 Hz, of 300 to 4000 Hz,
    of 1.2 to 5 kHz and of 6 to 16 kHz; a full-scale sine has about 0 dB. `noise_db` is the flatness
    of the middle: -1 to -3 for noise, less for what has tones. `voicing` is how strictly the wave
    repeats itself 80 to 1000 times a second, up to 1, and `pitch_cents` above 1 Hz how often it
    does. `steady` is the share of the spectrum that kept its place for the last `STEADY_HOPS`.
    """

    hop_seconds: float
    level_db: Floats
    middle_db: Floats
    overtones_db: Floats
    hiss_db: Floats
    noise_db: Floats
    voicing: Floats
    pitch_cents: Floats
    steady: Floats


class FeatureMeter:
    """The features of a stream of spectra; it keeps 32 bytes for each."""

    def __init__(self, frames: Frames) -> None:
        self._hop_seconds = 1 / (frames.bin_hz * OVERLAP)
        self._bin_hz = frames.bin_hz
        self._period = _PeriodFinder(frames)
        nothing = np.zeros((STEADY_HOPS, len(frames.window) // 2 + 1), np.float32)
        self._shapes = self._band(nothing, _STEADY_HZ)
        self._rows: list[Floats] = []

    def push(self, power: Floats) -> None:
        """Measure these spectra, (frames, bins)."""
        if not len(power):
            return
        middle = self._band(power, _MIDDLE_HZ)
        flatness = _decibels(np.exp(np.log(middle + _SILENCE).mean(axis=1)))
        levels = [
            _decibels(self._band(power, band).sum(axis=1))
            for band in ((_VOICE_HZ[0], np.inf), _MIDDLE_HZ, _OVERTONES_HZ, _HISS_HZ)
        ]
        noise = flatness - _decibels(middle.mean(axis=1) + _SILENCE)
        row = [*levels, noise, *self._period.find(power), self._steadiness(power)]
        self._rows.append(np.stack(row).astype(np.float32))

    def finish(self) -> Features:
        """Return the features of all that was pushed."""
        rows = np.concatenate([np.zeros((8, 0), np.float32), *self._rows], axis=1)
        return Features(self._hop_seconds, *rows)

    def _band(self, power: Floats, band_hz: tuple[float, float]) -> Floats:
        low, high = (int(min(hz / self._bin_hz, power.shape[1] - 1)) for hz in band_hz)
        return power[:, low : max(low + 1, high)]

    def _steadiness(self, power: Floats) -> Floats:
        band = self._band(power, _STEADY_HZ)
        shapes = np.concatenate([self._shapes, band / (band.sum(axis=1, keepdims=True) + _SILENCE)])
        self._shapes = shapes[-STEADY_HOPS:]
        count = len(power)
        apart = range(0, STEADY_HOPS + 1, OVERLAP // 2)
        steady: Floats = np.minimum.reduce([shapes[s : s + count] for s in apart]).sum(axis=1)
        return steady


class _PeriodFinder:
    """The strongest period of spectra, by their autocorrelation."""

    def __init__(self, frames: Frames) -> None:
        size = len(frames.window)
        self._low, self._high = (round(hz / frames.bin_hz) for hz in _PARTIALS_HZ)
        self._high = min(self._high, size // 4)
        self._size = size // 2  # at half the rate: nothing above a quarter of it is left
        self._rate = frames.bin_hz * self._size
        shortest, longest = self._rate / _VOICE_HZ[1], self._rate / _VOICE_HZ[0]
        self._lags = np.arange(max(1, int(shortest) - 1), max(4, int(longest) + 2))
        window = fft.irfft(np.square(np.abs(fft.rfft(frames.window, 2 * size))))[:size:2]
        self._fade = (window / window[0]).astype(np.float32)[self._lags]

    def find(self, power: Floats) -> tuple[Floats, Floats]:
        """Return how well a frame equals itself a period later, at most 1, and its pitch in cents.

        Boersma, "Accurate short-term analysis of the fundamental frequency and the
        harmonics-to-noise ratio of a sampled sound" (1993): the autocorrelation of the windowed
        frame over that of the window. Of peaks of about one height the shortest period counts.
        """
        partials = np.zeros((len(power), self._size // 2 + 1), np.float32)
        partials[:, self._low : self._high] = power[:, self._low : self._high]
        correlation = fft.irfft(partials, axis=1)
        energy = correlation[:, :1] + _SILENCE
        ratio = correlation[:, self._lags] / energy / self._fade
        before, here, after = ratio[:, :-2], ratio[:, 1:-1], ratio[:, 2:]
        peaks = np.where((here >= before) & (here > after), here, 0)
        first = (peaks >= 0.93 * peaks.max(axis=1, keepdims=True)).argmax(axis=1)
        row = np.arange(len(power))
        a, b, c = before[row, first], here[row, first], after[row, first]
        bend = a - 2 * b + c
        shift = np.where(bend < 0, 0.5 * (a - c) / np.where(bend < 0, bend, 1), 0)
        pitch_hz = self._rate / (self._lags[first + 1] + np.clip(shift, -1, 1))
        return peaks[row, first], 1200 * np.log2(pitch_hz)


def _decibels(power: Floats) -> Floats:
    levels: Floats = 10 * np.log10(power + _SILENCE)
    return levels
