"""A batch norm over all processes: with one of them, torch's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from stemkit.training.shared_norm import SharedBatchNorm2d, share_norms
from tests.nn.seeded import noise

CHANNELS = 3


@pytest.fixture(autouse=True)
def _one_process(tmp_path: Path) -> Iterator[None]:
    dist.init_process_group(
        "gloo", init_method="file://" + str(tmp_path / "meeting"), rank=0, world_size=1
    )
    yield
    dist.destroy_process_group()


def make_norms() -> tuple[nn.BatchNorm2d, nn.Module]:
    norm = nn.BatchNorm2d(CHANNELS, momentum=0.3)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([0.5, -2.0, 1.5]))
        norm.bias.copy_(torch.tensor([0.1, 0.2, -0.3]))
    other = nn.BatchNorm2d(CHANNELS, momentum=0.3)
    other.load_state_dict(norm.state_dict())
    shared = nn.Sequential(other)
    share_norms(shared)
    assert isinstance(shared[0], SharedBatchNorm2d)
    return norm, shared[0]


def step(norm: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Return the output, the gradients and what the norm remembers."""
    x = x.clone().requires_grad_()
    norm.zero_grad()
    y = norm(x)
    (y * noise(*x.shape, seed=1)).square().sum().backward()
    assert x.grad is not None
    gradients = {
        name: value.grad for name, value in norm.named_parameters() if value.grad is not None
    }
    return {"y": y.detach(), "x": x.grad, **gradients, **norm.state_dict()}


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_values_gradients_and_statistics_are_those_of_batch_norm(
    layout: torch.memory_format,
) -> None:
    x = (5 + 3 * noise(4, CHANNELS, 6, 7)).contiguous(memory_format=layout)
    plain, shared = (step(norm, x) for norm in make_norms())
    for name in ("y", "x", "weight", "bias", "running_mean", "running_var"):
        torch.testing.assert_close(shared[name], plain[name], rtol=1e-4, atol=1e-4)


def test_half_precision_is_rounded_and_no_more() -> None:
    x = noise(4, CHANNELS, 6, 7).bfloat16()
    plain, shared = (step(norm, x) for norm in make_norms())
    for name in ("y", "x"):
        assert shared[name].dtype == torch.bfloat16
        torch.testing.assert_close(shared[name], plain[name], rtol=0.05, atol=0.02)


def test_in_evaluation_it_is_what_was_remembered() -> None:
    x = noise(4, CHANNELS, 6, 7)
    plain, shared = make_norms()
    step(plain, x)
    step(shared, x)
    torch.testing.assert_close(shared.eval()(x), plain.eval()(x))
