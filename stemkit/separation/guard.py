"""A second opinion on the vocals: what is a small share of the mix for long is leakage.

Where somebody sings, an estimate holds a good share of the mix's energy; what leaks in from
instruments is a small one. So the guard lowers the estimate where it has held little for seconds,
and the band above 5 kHz by its own share, since cymbals leak there beneath a voice too. On songs
that weren't tuned with nothing else was found to tell more: neither how loud an estimate is nor how
harmonic, for what leaks from instruments is more so than singing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from stemkit.errors import OptionError
from stemkit.samples import Samples
from stemkit.separation.options import SHORTEST_GUARDED_SECONDS
from stemkit.separation.stems import StemRecipe

VOCALS = "vocals"

FLOOR_DB = -18.0
"""Leakage is lowered by so much, not removed: a voice that was mistaken for it can be heard."""

_FRAME_SECONDS = 0.046  # the power of two of samples that is nearest; frames overlap by half
_LONG_SECONDS = SHORTEST_GUARDED_SECONDS
_SHORT_SECONDS = 0.35  # a syllable: where it stands out it is kept, whatever is around it
_HIGH_HZ = (4500, 5500)  # below the first the high band's gain counts nothing, above the second all
_LEAK_DB = (-22.0, -13.0)  # of the mix, over the long time: surely leakage, and not at all
_WORD_DB = (-12.0, -3.0)  # over the short time
_SMOOTH_FRAMES = 5
_SILENCE = 1e-9  # of the mix's mean power, -90 dB

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


def check_guard(recipes: Iterable[StemRecipe]) -> None:
    """Raise OptionError where no stem is made of a model's vocals, which are what is guarded."""
    needed = dict.fromkeys(source for recipe in recipes for source in recipe.needed)
    if VOCALS not in needed:
        raise OptionError(f"no vocals to guard, only {', '.join(needed)}; leave out guard")


def guard_vocals(mix: Samples, vocals: Samples, sample_rate: int) -> Samples:
    """Return `vocals`, an estimate from `mix`, with what is probably leakage lowered.

    Both are (channels, frames). The gain is one for all channels, never above 1, and smooth. What
    is shorter than the long time tells too little, and is returned as it is.
    """
    if mix.shape[1] < _LONG_SECONDS * sample_rate:
        return vocals
    grid = _Grid(2 ** round(np.log2(_FRAME_SECONDS * sample_rate)), sample_rate)
    spectra = grid.transform(vocals)
    taken = _judge(_measure_power(spectra), _measure_power(grid.transform(mix)), grid)
    if not taken.any():
        return vocals
    spectra *= taken
    return vocals - grid.invert(spectra, vocals.shape[1])


@dataclass(frozen=True)
class _Grid:
    """Frames of `size` samples, each half a frame after the other, that add up to the signal."""

    size: int
    sample_rate: int

    @property
    def hop(self) -> int:
        return self.size // 2

    def count_hops(self, seconds: float) -> int:
        return max(1, round(seconds * self.sample_rate / self.hop))

    @property
    def hz(self) -> Floats:
        return (np.arange(self.hop + 1) * self.sample_rate / self.size).astype(np.float32)

    def transform(self, audio: Samples) -> npt.NDArray[np.complex64]:
        """Return the spectra, (channels, frames, bins)."""
        from scipy import fft  # late: it takes half a second, and few runs have a guard

        window = np.hanning(self.size + 1)[:-1].astype(np.float32)
        padded = np.pad(audio, ((0, 0), (self.hop, self.hop + -audio.shape[1] % self.hop)))
        frames = np.lib.stride_tricks.sliding_window_view(padded, self.size, axis=1)
        spectra: npt.NDArray[np.complex64] = fft.rfft(frames[:, :: self.hop] * window)
        return spectra

    def invert(self, spectra: npt.NDArray[np.complex64], length: int) -> Samples:
        """Return the signal, (channels, length)."""
        from scipy import fft

        frames = fft.irfft(spectra, self.size)
        first, second = frames[..., : self.hop], frames[..., self.hop :]
        joined = first[:, 1:] + second[:, :-1]
        audio: Samples = joined.reshape(len(frames), -1)[:, :length]
        return audio


def _measure_power(spectra: npt.NDArray[np.complex64]) -> Floats:
    power: Floats = (np.square(spectra.real) + np.square(spectra.imag)).sum(axis=0)
    return power


def _judge(vocals: Floats, mix: Floats, grid: _Grid) -> Floats:
    """Return what to take from each bin of each frame, 0 to nearly 1, of powers of that shape."""
    weight = np.interp(grid.hz, _HIGH_HZ, (0, 1)).astype(np.float32)
    silence = _SILENCE * float(mix.sum(axis=1).mean()) + float(np.finfo(np.float32).tiny)
    whole = _find_leakage(vocals.sum(axis=1), mix.sum(axis=1), silence, grid)
    high = _find_leakage(vocals @ weight, mix @ weight, silence, grid)
    high = np.maximum(whole, high)
    leakage = whole[:, None] + (high - whole)[:, None] * weight
    return np.float32(1 - 10 ** (FLOOR_DB / 20)) * leakage


def _find_leakage(vocals: Floats, mix: Floats, silence: float, grid: _Grid) -> Floats:
    """Return how surely each frame is leakage, 0 to 1."""
    long, short = (
        _measure_share(vocals, mix, silence, grid.count_hops(seconds))
        for seconds in (_LONG_SECONDS, _SHORT_SECONDS)
    )
    leakage = np.interp(long, _LEAK_DB, (1, 0)) * np.interp(short, _WORD_DB, (1, 0))
    return _average(leakage, _SMOOTH_FRAMES, "nearest").astype(np.float32)


def _measure_share(vocals: Floats, mix: Floats, silence: float, frames: int) -> Doubles:
    """Return how much of the mix the vocals are around each frame, in dB."""
    held, whole = (
        np.maximum(_average(power, frames, "constant"), 0) + silence
        for power in (vocals, mix)  # a running sum of what is silent can end a little below 0
    )
    share: Doubles = 10 * np.log10(held / whole)
    return share


def _average(
    values: Floats | Doubles, frames: int, beyond: Literal["constant", "nearest"]
) -> Doubles:
    """Return the mean of so many frames around each; `beyond` the ends is silence, or the last."""
    from scipy.ndimage import uniform_filter1d

    average: Doubles = uniform_filter1d(values, frames, output=np.float64, mode=beyond)
    return average
