"""bytesep's own classes, with what they import and don't use here stubbed.

`pytorch_lightning` is imported by bytesep's package and not by its networks. `inplace_abn` needs a
compiler and a GPU to install, so `InPlaceABN` stands in for its InPlaceABNSync: the function that
its authors document (mapillary/inplace_abn), a batch norm of gain |weight| + eps and then a leaky
ReLU of slope 0.01, with the same keys. What is proved for it is proved against this stub.
"""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

CLASSES = {
    "resunet143-subband": ("resunet_subbandtime", "ResUNet143_Subbandtime"),
    "resunet143-ismir2021": (
        "resunet_ismir2021",
        "ResUNet143_DecouplePlusInplaceABN_ISMIR2021",
    ),
    "mobilenet-subband": ("mobilenet_subbandtime", "MobileNet_Subbandtime"),
}


class InPlaceABN(nn.Module):
    """In-place activated batch norm in evaluation mode, not in place."""

    def __init__(self, num_features: int, momentum: float, activation: str) -> None:
        super().__init__()
        assert activation == "leaky_relu"
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.running_mean: Tensor
        self.running_var: Tensor

    def forward(self, x: Tensor) -> Tensor:
        gain = self.weight.abs() + 1e-5
        y = F.batch_norm(x, self.running_mean, self.running_var, gain, self.bias)
        return F.leaky_relu(y, 0.01)


def build_bytesep(architecture: str, sources: int, home: Path) -> nn.Module:
    """Return bytesep's network for stereo, in evaluation mode.

    `home` becomes the home folder, for bytesep reads the filters that its checkpoints replace
    from there, and would download them. Its weights are whatever was in memory: fill them.
    """
    _put_filters(home / "bytesep_data" / "filters")
    module, name = CLASSES[architecture]
    channels = (2,) if architecture == "resunet143-ismir2021" else (2, 2)
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("HOME", "USERPROFILE"):
            patch.setenv(variable, str(home))
        for fill in ("kaiming_uniform_", "xavier_uniform_"):  # a second for 100 million weights
            patch.setattr(nn.init, fill, lambda tensor, *_, **__: tensor)
        _stub("pytorch_lightning", "LightningModule", nn.Module)
        _stub("inplace_abn.abn", "InPlaceABNSync", InPlaceABN)
        network = getattr(importlib.import_module(f"bytesep.models.{module}"), name)
        built = network(*channels, target_sources_num=sources)
    assert isinstance(built, nn.Module)
    return built.eval()


def _stub(name: str, attribute: str, value: object) -> None:
    package = name.partition(".")[0]
    sys.modules.setdefault(package, ModuleType(package))
    module = sys.modules.setdefault(name, ModuleType(name))
    setattr(module, attribute, value)


def _put_filters(folder: Path) -> None:
    savemat = importlib.import_module("scipy.io").savemat
    folder.mkdir(parents=True, exist_ok=True)
    for letter in "fh":
        savemat(folder / f"{letter}_4_64.mat", {letter: np.eye(4, 64)})
