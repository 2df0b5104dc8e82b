"""The units that a stage of the U-Net repeats."""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from stemkit.nn import winograd

SLOPE = 0.01  # of the leaky ReLU


class ResidualBlock(nn.Module):
    """Two pre-activated 3 x 3 convolutions around a shortcut (He et al. 2016)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs, momentum=0.01)
        self.conv1 = SquareConv(inputs, outputs)
        self.bn2: nn.Module = nn.BatchNorm2d(outputs, momentum=0.01)
        self.conv2 = SquareConv(outputs, outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv1(F.leaky_relu_(self.bn1(x), SLOPE))
        y = self.conv2(F.leaky_relu_(self.bn2(y), SLOPE))
        return y.add_(self.shortcut(x))


class SquareConv(nn.Conv2d):
    """A 3 x 3 convolution, by matrix products where these are faster."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() or not winograd.suits(self.weight):
            return super().forward(x)
        y: Tensor = winograd.convolve(x, self.weight, self.bias)
        return y


class FrequencyBlock(nn.Module):
    """Two linear layers over all frequencies of a frame, alike for every channel, and a shortcut.

    What 3 x 3 convolutions see only far down, such as the partials of one note, it sees at once
    (Choi et al. 2020, TDF). The second layer starts at zero: a new block changes nothing.
    """

    def __init__(self, channels: int, bins: int, narrower: int) -> None:
        super().__init__()
        inner = max(1, bins // narrower)
        self.bn1 = nn.BatchNorm2d(channels, momentum=0.01)
        self.linear1 = nn.Linear(bins, inner, bias=False)
        self.bn2 = nn.BatchNorm2d(channels, momentum=0.01)
        self.linear2 = nn.Linear(inner, bins, bias=False)
        nn.init.xavier_uniform_(self.linear1.weight)
        nn.init.zeros_(self.linear2.weight)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = F.leaky_relu_(self.bn1(x), SLOPE)  # (batch, channels, time, freq)
        y = self.linear1(y.transpose(1, 2).contiguous())  # (batch, time, channels, freq)
        y = F.leaky_relu_(self.bn2(y.transpose(1, 2)), SLOPE)
        y = self.linear2(y.transpose(1, 2)).transpose(1, 2)
        return x + y


class SeparableBlock(nn.Module):
    """Twice a pointwise, depthwise, pointwise convolution, each twice around a shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = SeparableConv(inputs, outputs)
        self.second = SeparableConv(outputs, outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.first(x).add_(self.shortcut(x))
        z: Tensor = self.second(y)
        return z.add_(y)


class SeparableConv(nn.Module):
    """Pre-activated pointwise, depthwise and pointwise convolutions (bytesep's MobileNet)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn2: nn.Module = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, groups=outputs, bias=False)
        self.bn3: nn.Module = nn.BatchNorm2d(outputs)
        self.conv3 = nn.Conv2d(outputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(F.leaky_relu_(self.bn1(x), SLOPE))
        x = self.conv2(F.leaky_relu_(self.bn2(x), SLOPE))
        y: Tensor = self.conv3(F.leaky_relu_(self.bn3(x), SLOPE))
        return y


class PlanarConv(nn.Conv2d):
    """A 1 x 1 convolution that takes channels-last input and gives whole planes.

    What comes after goes along rows; taking them out of channels-last output costs more than the
    convolution itself. In training it is a plain convolution, whose gradient has the layout of the
    weight, as DistributedDataParallel wants it.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            return super().forward(x)
        points = x.movedim(1, -1).flatten(1, 2).transpose(1, 2)  # (batch, inputs, time * freq)
        weight = self.weight.flatten(1).expand(len(x), -1, -1)
        bias = self.get_parameter("bias")[:, None]
        return torch.baddbmm(bias, weight, points).reshape(len(x), -1, *x.shape[2:])


class TransposedUpsample(nn.Module):
    """Batch norm, ReLU (not leaky: that is how it was trained) and a transposed convolution."""

    def __init__(self, inputs: int, outputs: int, scale: tuple[int, int]) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(inputs, momentum=0.01)
        self.conv = nn.ConvTranspose2d(inputs, outputs, scale, stride=scale, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(F.relu_(self.bn(x)))  # (batch, outputs, height, width)
        return y


class NearestUpsample(nn.Module):
    """Batch norm, leaky ReLU and a pointwise convolution, then each value repeated.

    bytesep repeats first; nothing here looks at neighbours, so the order changes only the cost.
    """

    def __init__(self, inputs: int, outputs: int, scale: tuple[int, int]) -> None:
        super().__init__()
        self.scale = scale
        self.bn = nn.BatchNorm2d(inputs, momentum=0.01)
        self.conv = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(F.leaky_relu_(self.bn(x), SLOPE))
        height, width = x.shape[-2] * self.scale[0], x.shape[-1] * self.scale[1]
        return F.interpolate(x, size=(height, width), mode="nearest")
