"""Laws of weights in 8 bits."""

import pytest
import torch

from stemkit.nn.rounding import restore_weights, round_weight, round_weights


@pytest.mark.parametrize("seed", range(3))
def test_no_weight_is_off_by_more_than_half_a_step_of_its_channel(seed: int) -> None:
    torch.manual_seed(seed)
    weight = torch.randn(6, 20, 3, 3) * torch.logspace(-6, 3, 6)[:, None, None, None]
    restored = restore_weights(round_weights({"w": weight}))["w"]
    step = weight.abs().amax((1, 2, 3), keepdim=True) / 127
    assert torch.all((restored - weight).abs() <= 0.5001 * step)
    assert torch.equal(restore_weights(round_weights({"w": restored}))["w"], restored)


@pytest.mark.parametrize("value", [0.0, 1e-38, -1.0, 3e38])
def test_extremes_come_back_finite(value: float) -> None:
    weight = torch.full((2, 1, 1, 1), value)
    numbers, scale = round_weight(weight)
    assert numbers.dtype == torch.int8
    assert torch.isfinite(scale).all()
    torch.testing.assert_close(numbers * scale[:, None, None, None], weight, rtol=0.01, atol=1e-38)


def test_what_is_no_convolution_stays() -> None:
    weights = {"bias": torch.randn(3), "mean": torch.randn(2, 2)}
    assert round_weights(weights) == weights
    assert restore_weights(weights) == weights
