"""What the network is asked to make small."""

from torch import Tensor

from stemkit.nn.resunet import ResUNet


def spectral_l1(network: ResUNet, mix: Tensor, vocals: Tensor, bandwidth_hz: Tensor) -> Tensor:
    """Return the mean absolute error of the real and imaginary spectra, a scalar.

    `mix` and `vocals` are (batch, channels, frames). Above an example's `bandwidth_hz`, (batch,),
    its vocals were lost before we had them: those bins teach nothing and don't count.
    """
    estimate = network.estimate(network.analyze(mix))[:, 0]  # (batch, planes, time, freq, 2)
    error = (estimate - network.analyze(vocals)).abs().sum(-1).mean(2)  # (batch, planes, freq)
    known = network.bin_frequencies_hz() < bandwidth_hz[:, None, None]  # (batch, planes, freq)
    return (error * known).sum() / known.expand_as(error).sum()
