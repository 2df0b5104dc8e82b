"""Whether references determine the filters of BSS Eval, or leave them to chance."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from stemkit.samples import Samples

BITS = 16
_STEP = 2.0 ** (1 - BITS)
_FRAME = 1024  # twice the filters of BSS Eval
_WINDOW = np.kaiser(_FRAME, 25)  # whose leakage is 180 dB down
_FRAMES_AT_ONCE = 256

DOUBTFUL_DB = -6.0
"""At 17 bits, -6.6 dB, SIR is up to 1.6 dB off what it is at 15; at 20 bits, -24 dB, 9 dB."""


def round_samples(samples: Samples) -> Samples:
    """Return samples as a file of 16 bits has them, without dither."""
    return np.round(samples / np.float32(_STEP)) * np.float32(_STEP)


def measure_floor_db(references: Sequence[Samples]) -> float:
    """Return how much of all channels together is left at the frequency where least is.

    That is the smallest eigenvalue of their spectral density matrix, in dB over the noise of
    rounding to 16 bits, in the frames where no reference is silent; inf where there are none. In
    BSS Eval v4, filters may have any gain where a combination of the references is that quiet; the
    edges of its frames aren't quiet there, and what comes out is no measure of interference.
    """
    channels = np.concatenate(references)
    sums = np.zeros((_FRAME // 2 + 1, len(channels), len(channels)), np.complex128)
    count = 0
    for frames in _cut(channels):
        heard = frames[:, frames.any(axis=2).all(axis=0)]
        count += heard.shape[1]
        spectra = np.moveaxis(np.fft.rfft(heard * _WINDOW), 2, 0)  # (frequencies, channels, frames)
        sums += spectra @ spectra.conj().swapaxes(1, 2)
    if not count:
        return float("inf")
    density = sums / (count * np.square(_WINDOW).sum())
    weakest = float(np.abs(np.linalg.eigvalsh(density)[:, 0]).min())
    return float(10 * np.log10(weakest / (_STEP**2 / 12) + np.finfo(float).tiny))


def _cut(channels: Samples) -> Iterator[npt.NDArray[np.float64]]:
    """Yield (channels, frames, samples) of a signal, with half overlapping frames."""
    if channels.shape[1] < _FRAME:
        return
    frames = np.lib.stride_tricks.sliding_window_view(channels, _FRAME, axis=1)[:, :: _FRAME // 2]
    for start in range(0, frames.shape[1], _FRAMES_AT_ONCE):
        yield frames[:, start : start + _FRAMES_AT_ONCE].astype(np.float64)
