"""Small networks, seeded weights that let every part matter, and how near two outputs are."""

import dataclasses
import math

import torch
from torch import Tensor, nn

from stemkit.nn.config import ARCHITECTURES, NetworkConfig
from stemkit.nn.resunet import ResUNet


def tiny_config(architecture: str, *sources: str) -> NetworkConfig:
    """Return an architecture with few and narrow stages, and all else as it is."""
    return dataclasses.replace(
        ARCHITECTURES[architecture],
        sources=sources or ("vocals",),
        stage_channels=(4, 6, 8),
        stage_blocks=2,
        bottleneck_blocks=1,
        after_blocks=1,
    )


def tiny_network(architecture: str, *sources: str, seed: int = 0) -> ResUNet:
    """Return a network of `tiny_config` with filled weights, in evaluation mode."""
    network = ResUNet(tiny_config(architecture, *sources))
    fill(network, seed)
    return network.eval()


def fill(network: nn.Module, seed: int) -> None:
    """Replace every weight and batch-norm statistic, in place; Fourier matrices stay.

    Convolutions keep the size of what they carry, second ones of a residual block less, so that
    activations neither vanish nor explode.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, module in network.named_modules():
        if name.startswith(("stft", "istft")):
            continue
        if hasattr(module, "running_var"):
            _fill_norm(module, generator)
        elif isinstance(module, nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d):
            _fill_weight(module, generator, 0.3 if _ends_branch(name, module) else 1.0)
        elif isinstance(module, nn.Linear):
            _fill_weight(module, generator, 0.5)


def _ends_branch(name: str, conv: nn.Module) -> bool:
    """Tell whether this is the second 3 x 3 convolution of a residual block."""
    return name.endswith(".conv2") and isinstance(conv, nn.Conv2d) and conv.groups == 1


def _fill_norm(norm: nn.Module, generator: torch.Generator) -> None:
    size = norm.get_buffer("running_var").shape
    sign = torch.randint(2, size, generator=generator) * 2 - 1
    values = {
        "weight": sign * (0.5 + torch.rand(size, generator=generator)),
        "bias": 0.2 * torch.randn(size, generator=generator),
        "running_mean": 0.2 * torch.randn(size, generator=generator),
        "running_var": 0.5 + torch.rand(size, generator=generator),
    }
    with torch.no_grad():
        for name, value in values.items():
            getattr(norm, name).copy_(value)


def _fill_weight(
    layer: nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d | nn.Linear,
    generator: torch.Generator,
    gain: float,
) -> None:
    is_transposed = isinstance(layer, nn.ConvTranspose2d)
    inputs = layer.weight.shape[0] if is_transposed else layer.weight[0].numel()
    with torch.no_grad():
        weight = torch.randn(layer.weight.shape, generator=generator)
        layer.weight.copy_(gain * weight / math.sqrt(inputs))
        if layer.bias is not None:
            layer.bias.copy_(0.2 * torch.randn(layer.bias.shape, generator=generator))


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Return noise at the level of music."""
    return 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def snr_db(reference: Tensor, estimate: Tensor) -> float:
    """Return how far the error is below the reference, in dB; inf where they are equal."""
    assert reference.shape == estimate.shape
    reference, estimate = reference.detach().double(), estimate.detach().double()
    error = (reference - estimate).square().sum()
    return float(10 * torch.log10(reference.square().sum() / error))
