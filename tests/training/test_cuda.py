"""Training on a GPU: as on a CPU at float32, and at half precisions to the step after a stop."""

from pathlib import Path

import pytest
import torch

from stemkit.training.log import read_log
from stemkit.training.loop import train
from tests.training.making import NETWORK, POOLS, make_config

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]


def run(folder: Path, output: str, **keys: object) -> list[float]:
    """Train, and return the loss of each step."""
    config = make_config(folder, NETWORK, POOLS, output=f'"{output}"', **keys)
    list(train(config))
    return [line.loss for line in read_log(folder / output / "log.csv") if line.loss is not None]


def test_float32_learns_as_on_a_cpu(folder: Path) -> None:
    keys: dict[str, object] = {"max_steps": 8, "batch_size": 4, "learning_rate": 1e-3}
    expected = run(folder, "there", device='"cpu"', **keys)
    found = run(folder, "here", device='"cuda"', **keys)
    assert found == pytest.approx(expected, rel=0.02)
    assert found[-1] < found[0]


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_run_at_half_precision_goes_on(folder: Path, precision: str) -> None:
    keys: dict[str, object] = {"precision": f'"{precision}"', "device": '"cuda"', "workers": 2}
    whole = run(folder, "whole", max_steps=8, **keys)
    run(folder, "parts", max_steps=4, **keys)
    parts = run(folder, "parts", max_steps=8, **keys)
    assert parts == pytest.approx(whole, rel=0.02)
    assert len(parts) == 8


def test_a_compiled_network_learns_the_same(folder: Path) -> None:
    keys: dict[str, object] = {"max_steps": 4, "device": '"cuda"', "batch_size": 4}
    expected = run(folder, "plain", **keys)
    found = run(folder, "compiled", compile="true", **keys)
    assert found == pytest.approx(expected, rel=0.02)
