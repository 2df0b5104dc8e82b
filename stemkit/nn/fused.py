"""Blocks of the U-Net for inference on a CPU: the same function in fewer passes over memory."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from stemkit.nn import winograd
from stemkit.nn.blocks import (
    SLOPE,
    FrequencyBlock,
    NearestUpsample,
    ResidualBlock,
    SeparableBlock,
    SeparableConv,
    SquareConv,
    TransposedUpsample,
)
from stemkit.nn.fold import scale_of


def can_fuse(device: torch.device, dtype: torch.dtype) -> bool:
    """Return whether oneDNN has fused convolutions of a precision here."""
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return dtype == torch.float32 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def fuse_blocks(module: nn.Module) -> None:
    """Put fused blocks in the place of those in `module`, also of those inside others.

    For networks on a CPU whose batch norms are folded, in evaluation mode and at their precision.
    """
    for name, part in module.named_children():
        if isinstance(part, ResidualBlock):
            convs = part.conv1, part.conv2
            module.add_module(name, FusedBlock(part.bn1, convs, part.shortcut))
        elif isinstance(part, SeparableBlock):
            first, second = _fuse(part.first, part.shortcut), _fuse(part.second, nn.Identity())
            module.add_module(name, nn.Sequential(first, second))
        elif isinstance(part, FrequencyBlock):
            module.add_module(name, FusedFrequencyBlock(part))
        elif isinstance(part, TransposedUpsample):
            norm = _fuse_norm(part.bn, part.conv.weight.dtype, slope=0)
            module.add_module(name, nn.Sequential(norm, part.conv))
        elif isinstance(part, NearestUpsample):
            norm = _fuse_norm(part.bn, part.conv.weight.dtype)
            repeat = nn.Upsample(scale_factor=part.scale)
            module.add_module(name, nn.Sequential(norm, part.conv, repeat))
        else:
            fuse_blocks(part)


def _fuse(conv: SeparableConv, shortcut: nn.Module) -> "FusedBlock":
    return FusedBlock(conv.bn1, (conv.conv1, conv.conv2, conv.conv3), shortcut)


def _fuse_norm(norm: nn.BatchNorm2d, dtype: torch.dtype, slope: float = SLOPE) -> "FusedConv":
    """Return a batch norm and its leaky ReLU as one convolution, a point wide, of each channel.

    That is one pass over memory, in less than half of the time of the two.
    """
    gain, shift = scale_of(norm)
    conv = nn.Conv2d(len(gain), len(gain), 1, groups=len(gain))
    conv.weight = nn.Parameter(gain.to(dtype)[:, None, None, None])
    conv.bias = nn.Parameter(shift)
    return FusedConv(conv, slope)


class FusedBlock(nn.Module):
    """Convolutions, each preceded by an activation, the first by a batch norm, and a shortcut.

    Where that is the input itself, the sum is left in its memory.
    """

    def __init__(
        self, norm: nn.BatchNorm2d, convs: Sequence[nn.Conv2d], shortcut: nn.Module
    ) -> None:
        super().__init__()
        self.norm = _fuse_norm(norm, convs[0].weight.dtype)
        self.inner = nn.Sequential(*(FusedConv(conv) for conv in convs[:-1]))
        self.last = FusedConv(convs[-1])
        self.shortcut = FusedConv(shortcut) if isinstance(shortcut, nn.Conv2d) else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        for conv in self.inner:  # which lets go of what went in
            y = conv(y)
        return self.last.add_to(x if self.shortcut is None else self.shortcut.convolve(x), y)


class FusedFrequencyBlock(nn.Module):
    """A `FrequencyBlock` whose layers go over whole frames as channels-last memory has them.

    The sum is left in the input's memory.
    """

    def __init__(self, block: FrequencyBlock) -> None:
        super().__init__()
        narrow, wide = block.linear1.weight.detach(), block.linear2.weight.detach()
        self.norm1 = _fuse_norm(block.bn1, narrow.dtype)
        self.norm2 = _fuse_norm(block.bn2, narrow.dtype)
        self.narrow, self.wide = narrow, wide  # (inner, bins), (bins, inner)

    def forward(self, x: Tensor) -> Tensor:
        y = _frames(self.norm1(x))  # (batch * time, bins, channels)
        y = torch.bmm(self.narrow.expand(len(y), -1, -1), y)
        y = _frames(self.norm2(_planes(y, len(x))))
        y = _frames(x).baddbmm_(self.wide.expand(len(y), -1, -1), y)
        return _planes(y, len(x))


def _frames(x: Tensor) -> Tensor:
    """Return (batch, channels, time, bins) as (batch * time, bins, channels)."""
    return x.permute(0, 2, 3, 1).flatten(0, 1)


def _planes(frames: Tensor, batch: int) -> Tensor:
    """Undo `_frames`."""
    return frames.reshape(batch, -1, *frames.shape[1:]).permute(0, 3, 1, 2)


class FusedConv(nn.Module):
    """A convolution by oneDNN, or Winograd's way, that does what comes after it too."""

    def __init__(self, conv: nn.Conv2d, slope: float = SLOPE) -> None:
        super().__init__()
        self.slope = slope  # of the leaky ReLU
        self.bias = conv.bias
        self.layout = [*map(int, conv.padding)], [1, 1], [1, 1], conv.groups
        is_wide = isinstance(conv, SquareConv) and winograd.suits(conv.weight)
        self.wide = conv if is_wide else None
        # As oneDNN's kernels read it, which it otherwise becomes each time.
        self.packed = (
            None
            if is_wide
            else torch.ops.mkldnn._reorder_convolution_weight(
                conv.weight.detach(), *self.layout, []
            )
        )

    def convolve(self, x: Tensor) -> Tensor:
        """Return the convolution of x, (batch, channels, height, width)."""
        return self.wide(x) if self.wide else self._run(x, "none", [])

    def forward(self, x: Tensor) -> Tensor:
        """Return leaky ReLU of the convolution of x."""
        if self.wide:
            return F.leaky_relu_(self.wide(x), self.slope)
        return self._run(x, "leaky_relu", [self.slope])

    def add_to(self, total: Tensor, x: Tensor) -> Tensor:
        """Add the convolution of x to `total`, and return that."""
        if self.wide:
            return total.add_(self.wide(x))
        torch.ops.mkldnn._convolution_pointwise_.binary(
            total, x, self.packed, self.bias, *self.layout, "add", 1.0, None, [], None
        )
        return total

    def _run(self, x: Tensor, name: str, scalars: list[float]) -> Tensor:
        found: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, self.packed, self.bias, *self.layout, name, scalars, ""
        )
        return found
