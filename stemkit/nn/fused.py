"""Residual blocks for inference on a CPU: the same function in fewer passes over memory."""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from stemkit.nn import winograd
from stemkit.nn.blocks import SLOPE, ResidualBlock, SquareConv

_SAME = [1, 1], [1, 1], [1, 1], 1  # padding, stride, dilation and groups


def fuse_blocks(module: nn.Module) -> None:
    """Put a `FusedBlock` in the place of each residual block in `module`, those inside others too.

    For networks on a CPU whose batch norms are folded.
    """
    for name, part in module.named_children():
        if isinstance(part, ResidualBlock):
            module.add_module(name, FusedBlock(part))
        else:
            fuse_blocks(part)


class FusedBlock(nn.Module):
    """A `ResidualBlock` whose convolutions activate and add; without another shortcut than its
    input, it gives its sum in the memory of that.
    """

    def __init__(self, block: ResidualBlock) -> None:
        super().__init__()
        self.conv1 = FusedConv(block.conv1, block.bn1)
        self.conv2 = FusedConv(block.conv2, block.bn2)
        shortcut = block.shortcut
        self.shortcut = Pointwise(shortcut) if isinstance(shortcut, nn.Conv2d) else shortcut

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv1(x)
        return self.conv2.add_to(self.shortcut(x), y)


class FusedConv(nn.Module):
    """A 3 x 3 convolution and what comes before it, at the precision of its weight."""

    def __init__(self, conv: SquareConv, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm
        self.bias = conv.bias
        self.wide = conv if winograd.suits(conv.weight) else None
        self.packed = None if self.wide else _pack(conv.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return what `add_to` of the next one takes: this one's activated output."""
        y = F.leaky_relu_(self.norm(x), SLOPE)
        if self.wide:
            return F.leaky_relu_(self.wide(y), SLOPE)
        found: Tensor = torch.ops.mkldnn._convolution_pointwise(
            y, self.packed, self.bias, *_SAME, "leaky_relu", [SLOPE], ""
        )
        return found

    def add_to(self, total: Tensor, y: Tensor) -> Tensor:
        """Add the convolution of `y` to `total`, and return that."""
        if self.wide:
            return total.add_(self.wide(y))
        torch.ops.mkldnn._convolution_pointwise_.binary(
            total, y, self.packed, self.bias, *_SAME, "add", 1.0, None, [], None
        )
        return total


class Pointwise(nn.Module):
    """A 1 x 1 convolution as a matrix product over channels-last input."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.weight = nn.Parameter(conv.weight.detach().flatten(1))  # (outputs, inputs)
        self.bias = conv.bias

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x.movedim(1, -1), self.weight, self.bias).movedim(-1, 1)


def _pack(weight: Tensor) -> Tensor:
    """Return a weight as oneDNN's kernels read it, which they otherwise make of it every time."""
    packed: Tensor = torch.ops.mkldnn._reorder_convolution_weight(weight.detach(), *_SAME, [])
    return packed
