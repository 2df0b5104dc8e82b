"""Fused blocks give what the blocks give whose place they take."""

import copy

import pytest
import torch
from torch import Tensor, nn

from stemkit.nn import winograd
from stemkit.nn.blocks import (
    FrequencyBlock,
    NearestUpsample,
    ResidualBlock,
    SeparableBlock,
    TransposedUpsample,
)
from stemkit.nn.fold import cast_unet, fold_batch_norm
from stemkit.nn.fused import FusedBlock, fuse_blocks
from stemkit.nn.resunet import ResUNet
from tests.nn.seeded import fill, noise, snr_db, tiny_network

WIDE = winograd.LEAST_CHANNELS
EXACT_DB = 100
PLAIN = FrequencyBlock, NearestUpsample, ResidualBlock, SeparableBlock, TransposedUpsample


def fuse(network: nn.Module) -> nn.Module:
    fused = copy.deepcopy(network)
    fuse_blocks(fused)
    return fused


def fold(network: ResUNet, dtype: torch.dtype = torch.float32) -> ResUNet:
    folded = copy.deepcopy(network)
    fold_batch_norm(folded)
    cast_unet(folded, dtype)
    return folded


def run(network: nn.Module, x: Tensor) -> Tensor:
    with torch.inference_mode():
        found: Tensor = network(x.clone(memory_format=torch.preserve_format))
    return found


def lay(x: Tensor) -> Tensor:
    return x.to(memory_format=torch.channels_last)


def make_block(inputs: int, outputs: int) -> nn.Sequential:
    """Return a filled block whose second batch norm is folded, in a container."""
    network = tiny_network("resunet143-subband")
    block = ResidualBlock(inputs, outputs)
    fill(block, seed=1)
    network.unet.after = nn.Sequential(block.eval())
    fold_batch_norm(network)
    cast_unet(network, torch.float32)
    return network.unet.after


@pytest.mark.parametrize(("dtype", "enough_db"), [(torch.float32, EXACT_DB), (torch.bfloat16, 35)])
@pytest.mark.parametrize(
    "architecture", ["resunet143-subband", "mobilenet-subband", "stemkit-small"]
)
def test_fused_network_gives_the_same(
    architecture: str, dtype: torch.dtype, enough_db: float
) -> None:
    """At half precision and less, as nearly as that rounds."""
    mix, network = noise(2, 2, 15_000), tiny_network(architecture)
    folded = fold(network, dtype)
    fused = fuse(folded)
    kinds = {type(module) for module in fused.modules()}
    assert FusedBlock in kinds
    assert not kinds & {*PLAIN, nn.BatchNorm2d}
    assert snr_db(run(folded, mix), run(fused, mix)) > enough_db


@pytest.mark.parametrize(("inputs", "outputs"), [(5, 5), (5, 6), (WIDE, WIDE), (WIDE, WIDE + 1)])
@pytest.mark.parametrize("size", [5, 32])
def test_fused_block_gives_the_same(inputs: int, outputs: int, size: int) -> None:
    """Also where its convolutions are wide, and where its input isn't laid out as its weights."""
    block, x = make_block(inputs, outputs), noise(2, inputs, size, size)
    fused = fuse(block)
    for one in (x, lay(x)):
        assert snr_db(run(block, one), run(fused, one)) > EXACT_DB
