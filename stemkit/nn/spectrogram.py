"""Waveforms to spectra and back. Complex numbers are real pairs in the last axis."""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


class Spectrogram(nn.Module):
    """The STFT of the last axis, with a periodic Hann window and centred, reflected frames."""

    def __init__(self, n_fft: int, hop: int) -> None:
        super().__init__()
        self.n_fft = n_fft
        self.hop = hop
        window = torch.hann_window(n_fft, device="cpu")  # real, even in a network on "meta"
        self.register_buffer("window", window, persistent=False)
        self.window: Tensor

    def forward(self, waves: Tensor) -> Tensor:
        """Return (..., time, freq, 2) of (..., frames); `frames` is above n_fft // 2."""
        flat = waves.reshape(-1, waves.shape[-1])
        spectra = torch.stft(
            flat, self.n_fft, self.hop, window=self.window, return_complex=True
        )  # (n, freq, time)
        pairs = torch.view_as_real(spectra).transpose(1, 2)  # (n, time, freq, 2)
        return pairs.reshape(*waves.shape[:-1], *pairs.shape[1:])

    def invert(self, spectra: Tensor, frames: int) -> Tensor:
        """Return (..., frames) of (..., time, freq, 2)."""
        flat = spectra.reshape(-1, *spectra.shape[-3:]).contiguous()  # (n, time, freq, 2)
        pieces = torch.fft.irfft(torch.view_as_complex(flat), self.n_fft)  # (n, time, n_fft)
        added = self._overlap(pieces, self.window)
        ones = torch.ones_like(pieces[:1, :, :1]).expand(-1, -1, self.n_fft)
        weights = self._overlap(ones, self.window.square())
        kept = slice(self.n_fft // 2, self.n_fft // 2 + frames)
        waves = added[:, kept] / weights[:, kept]
        return waves.reshape(*spectra.shape[:-3], frames)

    def _overlap(self, pieces: Tensor, window: Tensor) -> Tensor:
        """Return pieces, (n, time, n_fft), windowed and added up a hop apart: (n, frames).

        What is one hop's part of all pieces is added at once, in half of the time of `istft`.
        """
        count, times, _ = pieces.shape
        parts = torch.split(window, self.hop)
        added = pieces.new_zeros(count, times + len(parts) - 1, self.hop)
        for place, part in enumerate(parts):
            piece = pieces[..., place * self.hop :][..., : len(part)]
            added[:, place : place + times, : len(part)].addcmul_(piece, part)
        return added.flatten(1)


def magnitude(pairs: Tensor) -> Tensor:
    """Return |X| of (..., 2), never below 1e-5 so that X / |X| is finite."""
    real, imag = (pairs * pairs).unbind(-1)  # squared where they lie side by side, which is faster
    return (real + imag).clamp(min=1e-10).sqrt()


def fold_bins(x: Tensor, bands: int) -> Tensor:
    """Stack `bands` equal parts of the last axis behind each channel.

    (batch, channels, time, freq) gives (batch, channels * bands, time, freq / bands).
    """
    batch, channels, time, freq = x.shape
    x = x.reshape(batch, channels, time, bands, freq // bands).transpose(2, 3)
    return x.reshape(batch, channels * bands, time, freq // bands)


def unfold_bins(x: Tensor) -> Tensor:
    """Undo `fold_bins` on (..., bands, k, time, freq): returns (..., k, time, bands * freq)."""
    return x.movedim(-4, -2).flatten(-2)


def decouple(
    maps: Tensor, spectra: Tensor, residual_magnitude: str, out: Tensor | None = None
) -> Tensor:
    """Apply the decoupled mask of Kong et al. 2021, section 3.

    `maps` is (..., 4, time, freq): the network's |M|, Re M, Im M and Q before their activations;
    `spectra` is X, (..., time, freq, 2); leading axes broadcast. Returns Y, (..., time, freq, 2),
    in `out` where it is given, through which no gradients go.

        |Y| = relu(sigmoid(|M|) |X| + Q)
        angle Y = angle X + angle M,  with  cos M, sin M = (tanh Re M, tanh Im M) / their norm

    Q, the residual magnitude, is what lets |Y| exceed |X|. The published sub-band networks bound
    it by a tanh; the ISMIR 2021 one leaves it linear.
    """
    gain, real, imag, extra = maps.unbind(-3)  # each (..., time, freq)
    real, imag = torch.tanh(real), torch.tanh(imag)
    extra = torch.tanh(extra) if residual_magnitude == "tanh" else extra
    size = magnitude(spectra)
    target = F.relu(torch.addcmul(extra, size, torch.sigmoid(gain)))
    turn = torch.addcmul(real * real, imag, imag).clamp(min=1e-20).sqrt()
    scale = target / (size * turn)
    mask = torch.complex(real * scale, imag * scale)
    found = None if out is None else torch.view_as_complex(out)
    return torch.view_as_real(torch.mul(torch.view_as_complex(spectra), mask, out=found))
