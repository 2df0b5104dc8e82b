"""Folding and casting keep the function."""

import copy

import pytest
import torch
from torch import Tensor, nn

from stemkit.nn import fold
from stemkit.nn.resunet import ResUNet
from tests.nn.seeded import noise, snr_db, tiny_network

BOTH_BLOCKS = pytest.mark.parametrize("architecture", ["resunet143-subband", "mobilenet-subband"])
HALVES = [torch.bfloat16, torch.float16]
MIX = noise(2, 2, 15_000)


def separate(network: ResUNet) -> Tensor:
    with torch.inference_mode():
        stems: Tensor = network(MIX)
    return stems


def fold_batch_norm(network: ResUNet) -> ResUNet:
    folded = copy.deepcopy(network)
    fold.fold_batch_norm(folded)
    return folded


def cast_unet(network: ResUNet, dtype: torch.dtype) -> ResUNet:
    cast = copy.deepcopy(network)
    fold.cast_unet(cast, dtype)
    return cast


def list_norms(network: ResUNet) -> set[str]:
    """Return what the batch norms are called in their blocks."""
    return {
        name.rpartition(".")[2]
        for name, module in network.named_modules()
        if isinstance(module, nn.BatchNorm2d)
    }


@BOTH_BLOCKS
def test_folded_network_gives_the_same(architecture: str) -> None:
    network = tiny_network(architecture)
    folded = fold_batch_norm(network)
    assert snr_db(separate(network), separate(folded)) > 100


@BOTH_BLOCKS
def test_norms_without_a_convolution_before_them_are_left(architecture: str) -> None:
    network = tiny_network(architecture)
    assert list_norms(network) >= {"bn0", "bn", "bn1", "bn2"}
    assert list_norms(fold_batch_norm(network)) == {"bn", "bn1"}


@BOTH_BLOCKS
def test_folding_twice_is_folding_once(architecture: str) -> None:
    folded = fold_batch_norm(tiny_network(architecture))
    assert torch.equal(separate(fold_batch_norm(folded)), separate(folded))


@BOTH_BLOCKS
@pytest.mark.parametrize(("dtype", "enough_db"), [(HALVES[0], 30), (HALVES[1], 45)])
def test_half_precision_is_near_float32(
    architecture: str, dtype: torch.dtype, enough_db: float
) -> None:
    network = tiny_network(architecture)
    cast = cast_unet(fold_batch_norm(network), dtype)
    assert separate(cast).dtype == torch.float32
    assert enough_db < snr_db(separate(network), separate(cast)) < 90  # it was cast at all


@BOTH_BLOCKS
@pytest.mark.parametrize("dtype", HALVES)
def test_whole_unet_computes_at_half_precision(architecture: str, dtype: torch.dtype) -> None:
    """Batch norm with float32 parameters doesn't promote what it is given."""
    cast = cast_unet(tiny_network(architecture), dtype)
    seen: set[torch.dtype] = set()
    for module in cast.unet.modules():
        if not list(module.children()):
            module.register_forward_hook(lambda _, __, output: seen.add(output.dtype))
    separate(cast)
    assert seen == {dtype}
    for module in cast.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.weight.dtype == torch.float32


@BOTH_BLOCKS
def test_casting_to_float32_changes_nothing(architecture: str) -> None:
    network = tiny_network(architecture)
    assert snr_db(separate(network), separate(cast_unet(network, torch.float32))) > 100
