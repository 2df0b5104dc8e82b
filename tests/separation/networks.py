"""Small networks for tests."""

import dataclasses
from typing import cast

import torch
from torch import Tensor, nn

from stemkit.nn.config import ARCHITECTURES, NetworkConfig
from stemkit.nn.resunet import ResUNet

TINY = dataclasses.replace(
    ARCHITECTURES["stemkit-small"], n_fft=512, hop=128, stage_channels=(4, 6, 8)
)
LEAST = dataclasses.replace(TINY, stage_channels=(4,), bottleneck_blocks=0, frequency_bottleneck=0)


class Scaled(nn.Module):
    """Source number i is the mix times i + 1; keeps the shape of each batch it was given."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, mix: Tensor) -> Tensor:
        self.shapes.append(tuple(mix.shape))
        gains = torch.arange(1.0, len(self.config.sources) + 1)
        return mix[:, None] * gains[:, None, None]


class Identity(nn.Module):
    """Each source is the mix, to the bit."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, mix: Tensor) -> Tensor:
        return mix[:, None].repeat(1, len(self.config.sources), 1, 1)


class Silence(Identity):
    """Each source is silent, so that the rest of the mix is the mix."""

    def forward(self, mix: Tensor) -> Tensor:
        return torch.zeros_like(super().forward(mix))


def make_identity(*sources: str) -> Identity:
    return Identity(dataclasses.replace(TINY, sources=sources or ("vocals",)))


def make_silence(*sources: str) -> Silence:
    return Silence(dataclasses.replace(TINY, sources=sources or ("vocals",)))


def make_least() -> ResUNet:
    """Return a network of one stage, which is read in a third of the time that `make_tiny`'s is."""
    return make_tiny(config=LEAST)


def make_scaled(*sources: str) -> Scaled:
    return Scaled(dataclasses.replace(TINY, sources=sources))


def make_tiny(sources: tuple[str, ...] = ("vocals",), config: NetworkConfig = TINY) -> ResUNet:
    """Return a network with weights that let all parts of the head matter."""
    torch.manual_seed(0)
    network = ResUNet(dataclasses.replace(config, sources=sources))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(cast(Tensor, module.running_var), 0.5, 2)
            nn.init.uniform_(cast(Tensor, module.running_mean), -0.2, 0.2)
    return network.eval()
