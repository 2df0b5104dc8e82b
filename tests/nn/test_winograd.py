"""Convolutions by matrix products are the convolutions."""

import itertools

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from stemkit.nn import winograd
from stemkit.nn.blocks import SquareConv
from tests.nn.seeded import noise, snr_db

WIDE = winograd.LEAST_CHANNELS
ENOUGH_DB = 100
SIZES = list(itertools.product((1, 2, 3, 4, 5, 6, 7, 8, 33), (1, 3, 4, 5, 9, 270)))


def convolve_exactly(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    bias = None if bias is None else bias.double()
    return F.conv2d(x.double(), weight.double(), bias, padding=1).float()


def lay(x: Tensor) -> Tensor:
    return x.to(memory_format=torch.channels_last)


@pytest.fixture
def wide_conv() -> SquareConv:
    conv = SquareConv(WIDE, WIDE + 1)
    with torch.no_grad():
        conv.weight.copy_(noise(WIDE + 1, WIDE, 3, 3))
    return conv


@pytest.fixture
def _however_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "LEAST_TILES", 0)


@pytest.mark.usefixtures("_however_few")
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_any_size_is_as_defined(height: int, width: int) -> None:
    x, weight, bias = lay(noise(2, 3, height, width)), noise(5, 3, 3, 3), noise(5)
    found = winograd.convolve(x, weight, bias)
    assert found.shape == (2, 5, height, width)
    assert snr_db(convolve_exactly(x, weight, bias), found) > ENOUGH_DB
    bare = winograd.convolve(x, weight, None)
    assert snr_db(convolve_exactly(x, weight, None), bare) > ENOUGH_DB


@pytest.mark.usefixtures("_however_few")
def test_neither_layout_nor_views_matter() -> None:
    x, weight = noise(2, 6, 20, 22), noise(4, 6, 3, 3)
    for view in (x, lay(x), x.transpose(2, 3), x[:, :, 1:-1, ::2], x[:1].expand(3, -1, -1, -1)):
        expected = convolve_exactly(view, weight, None)
        for other in (weight, lay(weight)):
            assert snr_db(expected, winograd.convolve(view, other, None)) > ENOUGH_DB


@pytest.mark.usefixtures("_however_few")
@pytest.mark.parametrize("size", [8, 9])
def test_what_comes_out_is_channels_last_and_the_input_is_left(size: int) -> None:
    x, weight = lay(noise(1, 3, size, size)), noise(4, 3, 3, 3)
    before = x.clone()
    found = winograd.convolve(x, weight, None)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(x, before)


def test_wide_convolutions_are_computed_by_it(wide_conv: SquareConv) -> None:
    x = lay(noise(1, WIDE, 32, 32))
    with torch.inference_mode():
        found = wide_conv(x)
    assert torch.equal(found, winograd.convolve(x, wide_conv.weight.detach(), None))
    assert snr_db(convolve_exactly(x, wide_conv.weight, None), found) > ENOUGH_DB


@pytest.mark.parametrize(
    ("channels", "size", "dtype"),
    [
        (WIDE - 1, 32, torch.float32),  # narrow
        (WIDE, 28, torch.float32),  # of 7 x 7 tiles
        (WIDE, 32, torch.bfloat16),
        (WIDE, 32, torch.float64),
    ],
)
def test_others_are_left_to_torch(channels: int, size: int, dtype: torch.dtype) -> None:
    conv = SquareConv(channels, WIDE).to(dtype)
    x = lay(noise(1, channels, size, size)).to(dtype)
    with torch.inference_mode():
        assert torch.equal(conv(x), F.conv2d(x, conv.weight, padding=1))


def test_training_is_left_to_torch(wide_conv: SquareConv) -> None:
    x = lay(noise(1, WIDE, 32, 32))
    found = wide_conv(x)
    assert torch.equal(found, F.conv2d(x, wide_conv.weight, padding=1))
    found.sum().backward()
    assert wide_conv.weight.grad is not None
