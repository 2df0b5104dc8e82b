"""Two or four sub-bands of a waveform by a pseudo-quadrature mirror filter bank.

The layout is that of Liu et al. 2020 (arXiv:2008.05216), as bytesep uses it, so that published
filters fit. The filters are weights: a checkpoint that has them replaces ours.
"""

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

TAPS = 64  # length of each filter, samples at the full rate


class PQMF(nn.Module):
    """Cut a waveform into bands at 1/`bands` of its rate, and join them again, without delay."""

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.bands = bands
        analysis, synthesis = design_filters(bands)
        self.register_buffer("analysis_weight", analysis)  # (bands, 1, TAPS)
        self.register_buffer("synthesis_weight", synthesis)  # (bands, bands, TAPS // bands)
        self.analysis_weight: Tensor
        self.synthesis_weight: Tensor

    def band_frames(self, frames: int) -> int:
        """Return the length of each band of a waveform of `frames`."""
        return (frames + TAPS) // self.bands

    def analyze(self, waves: Tensor) -> Tensor:
        """Return (batch, channels * bands, band_frames) of (batch, channels, frames)."""
        batch, channels, frames = waves.shape
        x = F.pad(waves.reshape(batch * channels, 1, frames), (TAPS - self.bands, TAPS))
        x = F.conv1d(x, self.analysis_weight, stride=self.bands)  # (batch*channels, bands, time)
        return x.reshape(batch, channels * self.bands, -1)

    def synthesize(self, bands: Tensor, frames: int) -> Tensor:
        """Return (batch, channels, frames) of what `analyze` made."""
        batch, stacked, time = bands.shape
        channels = stacked // self.bands
        x = bands.reshape(batch * channels, self.bands, time)
        x = F.conv1d(F.pad(x, (0, TAPS // self.bands - 1)), self.synthesis_weight)
        x = x.transpose(1, 2).reshape(batch, channels, -1)  # each sample's phases side by side
        return x[..., :frames]


def design_filters(bands: int) -> tuple[Tensor, Tensor]:
    """Return analysis and synthesis weights of a cosine-modulated bank (Nguyen 1994)."""
    prototype = _design_prototype(bands)
    n = np.arange(TAPS) - (TAPS - 1) / 2
    k = np.arange(bands)[:, None]
    turn = (-1.0) ** k * np.pi / 4
    angle = (2 * k + 1) * np.pi / (2 * bands) * n
    analysis = 2 * prototype * np.cos(angle + turn)  # (bands, TAPS)
    synthesis = 2 * prototype * np.cos(angle - turn)
    # out[bands*s + r] sums band k's sample s + j through tap TAPS - bands + r - bands*j
    taps = TAPS - bands + np.arange(bands)[:, None] - bands * np.arange(TAPS // bands)
    woven = bands * synthesis[:, taps].transpose(1, 0, 2)  # (phase, band, TAPS // bands)
    flipped = analysis[:, None, ::-1].copy()
    return torch.from_numpy(flipped).float(), torch.from_numpy(woven.copy()).float()


def _design_prototype(bands: int) -> npt.NDArray[np.float64]:
    """Return the Kaiser-windowed low pass whose bank is closest to perfect reconstruction.

    That is the one whose autocorrelation, at every other multiple of `bands`, is nearest to zero.
    """
    n = np.arange(TAPS) - (TAPS - 1) / 2
    cutoffs = np.linspace(0.9, 1.4, 501)[:, None] / (2 * bands)  # of the Nyquist frequency
    candidates = cutoffs * np.sinc(cutoffs * n) * np.kaiser(TAPS, 8.5)  # (cutoffs, TAPS)
    ripple = sum(
        (candidates[:, lag:] * candidates[:, :-lag]).sum(1) ** 2
        for lag in range(2 * bands, TAPS, 2 * bands)
    )
    best = np.argmin(ripple / (candidates**2).sum(1) ** 2)
    return np.asarray(candidates[best])
