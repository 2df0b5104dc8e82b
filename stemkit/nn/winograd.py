"""3 x 3 convolutions with a quarter of the multiplications.

S. Winograd 1980, and A. Lavin and S. Gray 2016 ("Fast Algorithms for Convolutional Neural
Networks", arXiv:1509.09308): F(4 x 4, 3 x 3) makes 4 x 4 outputs of 6 x 6 inputs by 36 products
where 144 were, and all products are matrix products.
"""

import itertools

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

TILE = 4  # outputs a side
CELL = TILE + 2  # inputs a side
CACHED_TILES = 64  # a thread, whose inputs, products and outputs its core's cache holds
LEAST_TILES = 64  # below, what is done once for the weights costs more than is won
LEAST_CHANNELS = 128  # below, what is done for each input and output does

# Of the points 0, 1, -1, 2, -2 and infinity.
_INPUT = torch.tensor(
    [
        [4.0, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
_WEIGHT = torch.tensor(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ]
)
_OUTPUT = torch.tensor(
    [[1.0, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
)
# For both sides of a cell at once.
INPUT, WEIGHT, OUTPUT = (torch.kron(side, side) for side in (_INPUT, _WEIGHT, _OUTPUT))


def suits(weight: Tensor) -> bool:
    """Return whether `convolve` may be faster by this weight than torch's own convolution."""
    is_wide = min(weight.shape[:2]) >= LEAST_CHANNELS
    return is_wide and weight.dtype == torch.float32 and weight.device.type == "cpu"


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return the convolution of (batch, inputs, height, width) with silence around it, as
    (batch, outputs, height, width) in channels-last, to about 110 dB.

    For inference in float32 on a CPU.
    """
    found: Tensor = torch.ops.stemkit.convolve(x, weight, bias)
    return found


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    batch, inputs, height, width = x.shape
    rows, columns = -(-height // TILE), -(-width // TILE)
    if batch * rows * columns < LEAST_TILES:
        return F.conv2d(x, weight, bias, padding=1).contiguous(memory_format=torch.channels_last)
    weights = WEIGHT @ weight.permute(2, 3, 1, 0).reshape(9, -1)
    weights = weights.view(CELL**2, inputs, -1)
    cells = _cut_cells(x, rows, columns)
    y = x.new_empty(batch, rows, TILE, columns, TILE, len(weight))
    tiles = y.permute(2, 4, 0, 1, 3, 5)  # (tile, tile, batch, rows, columns, outputs)
    step = max(1, CACHED_TILES * torch.get_num_threads() // columns)
    for example, start in itertools.product(range(batch), range(0, rows, step)):
        part = slice(start, start + step)
        found = INPUT @ cells[:, :, example, part].reshape(CELL**2, -1)
        found = torch.bmm(found.view(CELL**2, -1, inputs), weights)
        found = OUTPUT @ found.view(CELL**2, -1)
        place = tiles[:, :, example, part]
        found = found.view(place.shape)
        place.copy_(found) if bias is None else torch.add(found, bias, out=place)
    y = y.view(batch, rows * TILE, columns * TILE, -1)
    return y[:, :height, :width].contiguous().permute(0, 3, 1, 2)


def _cut_cells(x: Tensor, rows: int, columns: int) -> Tensor:
    """Return (cell, cell, batch, rows, columns, inputs), in which cells overlap, without a copy."""
    batch, inputs, height, width = x.shape
    bottom, right = rows * TILE - height, columns * TILE - width
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1 + right, 1, 1 + bottom))
    example, row, column, channel = padded.stride()
    return padded.as_strided(
        (CELL, CELL, batch, rows, columns, inputs),
        (row, column, example, row * TILE, column * TILE, channel),
    )


def _tell_shape(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    y = x.new_empty(len(x), len(weight), *x.shape[2:])
    return y.to(memory_format=torch.channels_last)


# An operator of torch's, so that its compiler takes the whole as it is.
_library = torch.library.Library("stemkit", "DEF")  # type: ignore[no-untyped-call]
_library.define("convolve(Tensor x, Tensor weight, Tensor? bias) -> Tensor")  # type: ignore[no-untyped-call]
_library.impl("convolve", _convolve, "CPU")  # type: ignore[no-untyped-call]
torch.library.register_fake("stemkit::convolve", _tell_shape, lib=_library)
