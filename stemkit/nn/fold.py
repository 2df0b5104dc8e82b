"""A trained network made cheaper to run, in place: the same function, for inference only."""

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from stemkit.nn.blocks import ResidualBlock, SeparableConv
from stemkit.nn.resunet import ResUNet

_Conv = TypeVar("_Conv", bound=nn.Conv2d)


def fold_batch_norm(network: ResUNet) -> None:
    """Let convolutions do the batch norms that come straight after them.

    That of the spectrum becomes a `Scale`; the others follow a sum or a skip and stay. For networks
    in evaluation mode; the result has other weights than a checkpoint and can't be saved or
    trained.
    """
    if isinstance(network.bn0, nn.BatchNorm2d):
        network.bn0 = Scale(network.bn0)
    for block in network.modules():
        if isinstance(block, ResidualBlock):
            block.conv1, block.bn2 = _fold(block.conv1, block.bn2), nn.Identity()
        elif isinstance(block, SeparableConv):
            block.conv1, block.bn2 = _fold(block.conv1, block.bn2), nn.Identity()
            block.conv2, block.bn3 = _fold(block.conv2, block.bn3), nn.Identity()


class Scale(nn.Module):
    """A batch norm in evaluation mode in one pass, however its input lies in memory."""

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        gain, shift = scale_of(norm)
        self.register_buffer("gain", gain[:, None, None])  # (channels, 1, 1)
        self.register_buffer("shift", shift[:, None, None])
        self.gain: Tensor
        self.shift: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.shift, x, self.gain)


def scale_of(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return what a batch norm in evaluation mode multiplies by, and then adds: (channels,)."""
    mean, var, weight, bias = (
        tensor.detach().double()
        for tensor in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
        if tensor is not None
    )
    gain = weight / (var + norm.eps).sqrt()
    return gain.float(), (bias - gain * mean).float()


def cast_unet(network: ResUNet, dtype: torch.dtype) -> None:
    """Let convolutions and linear layers compute at `dtype`, with channels-last kernels.

    Batch norms keep float32 parameters, and all that isn't the U-Net stays float32.
    """
    for module in network.unet.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            module.to(dtype).to(memory_format=torch.channels_last)


def _fold(conv: _Conv, norm: nn.Module) -> _Conv:
    return fuse_conv_bn_eval(conv, norm) if isinstance(norm, nn.BatchNorm2d) else conv
