"""What the network is asked to make small."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from stemkit.nn.resunet import ResUNet
from stemkit.training.unsplit import add_unsplit


class Objective(nn.Module):
    """A loss of a batch as a sum of errors and how many they are, so that processes can add up.

    The loss is the one divided by the other. The spectra are float32; the network between them
    computes at `dtype`.
    """

    def __init__(self, network: ResUNet, loss: str, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = network
        self.add_errors = LOSSES[loss]
        self.dtype = dtype

    def forward(self, mix: Tensor, sources: Tensor, bandwidth_hz: Tensor) -> tuple[Tensor, Tensor]:
        return self.add_errors(self.network, self._estimate, mix, sources, bandwidth_hz)

    def _estimate(self, spectra: Tensor) -> Tensor:
        enabled = self.dtype != torch.float32
        with torch.autocast(spectra.device.type, self.dtype, enabled=enabled):
            return self.network.estimate(spectra)


Estimate = Callable[[Tensor], Tensor]
"""Spectra of the mixes to those of the sources."""


def spectrum_l1(
    network: ResUNet, estimate: Estimate, mix: Tensor, sources: Tensor, bandwidth_hz: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the absolute errors of the real and imaginary spectra, added up, and their number.

    `mix` is (batch, channels, frames), `sources` (batch, sources, channels, frames) and
    `bandwidth_hz` (batch, sources). Above its bandwidth, a source was lost before we had it: those
    bins teach nothing and don't count, nor do those below the network's `above_hz`. Where it is
    `UNSPLIT`, the source counts in another's sum.
    """
    errors, known = _compare(network, estimate, mix, sources, bandwidth_hz)
    return (errors.abs().sum(-1).mean(3) * known).sum(), known.sum()


def spectrum_rms(
    network: ResUNet, estimate: Estimate, mix: Tensor, sources: Tensor, bandwidth_hz: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the RMS error of the spectrum of each source of each mix, added up, and their number.

    Where it can't know, a network that learns from absolute errors gives nothing, and one that
    learns from these what is there on average, which is what SDR rewards. Otherwise as
    `spectrum_l1`.
    """
    errors, known = _compare(network, estimate, mix, sources, bandwidth_hz)
    power = (errors.square().sum(-1).mean(3) * known).sum((2, 3))  # (batch, sources)
    count = known.sum((2, 3))
    rms = (power / count.clamp(min=1) + LEAST_POWER).sqrt()
    return (rms * (count > 0)).sum(), (count > 0).sum()


def _compare(
    network: ResUNet, estimate: Estimate, mix: Tensor, sources: Tensor, bandwidth_hz: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the errors, (batch, sources, planes, time, freq, 2), and which bins count.

    The latter is (batch, sources, planes, freq).
    """
    wanted = network.analyze(sources.flatten(0, 1))
    wanted = wanted.reshape(*sources.shape[:2], *wanted.shape[1:])
    found = estimate(network.analyze(mix))
    frequencies_hz = network.bin_frequencies_hz().to(mix.device)  # (planes, freq)
    errors = add_unsplit(found - wanted, bandwidth_hz)
    asked = frequencies_hz >= network.config.above_hz
    return errors, asked & (frequencies_hz < bandwidth_hz[..., None, None])


def waveform_l1(
    network: ResUNet, estimate: Estimate, mix: Tensor, sources: Tensor, bandwidth_hz: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the absolute errors of the samples, added up, and their number (Kong et al. 2021).

    Shapes are those of `spectrum_l1`. A sample has no frequency, so bandwidths can't be heeded:
    what was lost of a source counts as silence. It is for sources that are whole.
    """
    found = network.synthesize(estimate(network.analyze(mix)), mix.shape[-1])
    errors = add_unsplit(found - sources, bandwidth_hz)
    return errors.abs().sum(), (bandwidth_hz >= 0).sum() * sources[0, 0].numel()


LEAST_POWER = 1e-8  # the slope of a root has no end at zero
LOSSES = {"spectrum_l1": spectrum_l1, "spectrum_rms": spectrum_rms, "waveform_l1": waveform_l1}
