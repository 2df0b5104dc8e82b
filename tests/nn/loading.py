"""What a load is expected to give: a message, or the same weights."""

from pathlib import Path

import pytest
import torch

from stemkit.errors import CheckpointError
from stemkit.nn.checkpoints import load_checkpoint
from stemkit.nn.resunet import ResUNet


def refuse(path: Path, architecture: str | None = None, sources: str = "vocals") -> str:
    """Return the message, one line that names the file, with which a checkpoint is refused."""
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path, architecture, tuple(sources.split()))
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def assert_equal_weights(found: ResUNet, expected: ResUNet) -> None:
    weights = expected.state_dict()
    assert found.state_dict().keys() == weights.keys()
    for name, value in found.state_dict().items():
        assert torch.equal(value, weights[name]), name
        assert value.dtype == weights[name].dtype
        assert value.device.type == "cpu"
