"""bytesep's `.pth` checkpoints: how they are read, and what they call our weights."""

import pickle
import struct
from pathlib import Path

import torch
from torch import Tensor

from stemkit.errors import CheckpointError
from stemkit.nn.config import NetworkConfig

# What torch.load raises for noise, besides OSError: whatever its parser stumbles on.
_UNREADABLE = (
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
    struct.error,
)
_SIGNATURES = (b"PK\x03\x04", b"\x80\x02")  # what torch.save writes: a zip, formerly a pickle
_FOURIER = ("stft.", "istft.")  # torchlibrosa's matrices, which `Spectrogram` needs none of
_IN_PLACE_EPS = 1e-5


def read_bytesep(path: Path) -> dict[str, Tensor]:
    """Return the state dict of a published checkpoint, under bytesep's names.

    Without the Fourier matrices, and with the gains of in-place activated batch norm (`abn2`)
    as plain batch norm has them: |weight| + eps (mapillary/inplace_abn, issues 92 and 180).
    Raises CheckpointError; nothing that a pickle holds is run.
    """
    content = _load_pickle(path)
    weights = content.get("model") if isinstance(content, dict) else None
    if not isinstance(weights, dict) or not all(map(_is_weight, weights.items())):
        raise CheckpointError(f"{path} has no 'model' entry with tensors, as bytesep writes it")
    return {
        name: value.abs() + _IN_PLACE_EPS if name.endswith(".abn2.weight") else value
        for name, value in weights.items()
        if not name.startswith(_FOURIER)
    }


def _load_pickle(path: Path) -> object:
    try:
        with path.open("rb") as file:
            if not file.read(4).startswith(_SIGNATURES):
                raise CheckpointError(f"can't read the checkpoint {path}: it isn't a PyTorch file")
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"can't read the checkpoint {path}: {error.strerror}") from error
    except _UNREADABLE as error:
        raise CheckpointError(
            f"can't read the checkpoint {path}: it is damaged or holds more than tensors"
        ) from error


def name_in_bytesep(name: str, config: NetworkConfig) -> str:
    """Return what bytesep calls the weight that is `name` in our state dict.

    It counts stages and blocks from 1. A decoder's `conv1` upsamples, so its blocks start at
    `conv_block2`. The residual bottleneck is `conv_block7a` to `7d` of four blocks each.
    """
    residual = config.block == "residual"
    match name.split("."):
        case ["pqmf", "analysis_weight"]:
            return "pqmf.ana_conv_filter.weight"
        case ["pqmf", "synthesis_weight"]:
            return "pqmf.syn_conv_filter.weight"
        case ["unet", "encoders", stage, block, *layer]:
            unit = f"conv_block{int(block) + 1}" if residual else "conv_block"
            return f"encoder_block{int(stage) + 1}.{unit}.{_name_layer(layer, config)}"
        case ["unet", "bottleneck", block, *layer]:
            run, place = divmod(int(block), 4)
            unit = f"conv_block7{'abcd'[run]}.conv_block{place + 1}" if residual else "conv_block7"
            return f"{unit}.{_name_layer(layer, config)}"
        case ["unet", "upsamples", stage, layer, leaf]:
            return f"decoder_block{int(stage) + 1}.{layer}1.{leaf}"
        case ["unet", "decoders", stage, block, *layer]:
            unit = f"decoder_block{int(stage) + 1}.conv_block{int(block) + 2}"
            return f"{unit}.{_name_layer(layer, config)}"
        case ["unet", "after", block, *layer]:
            unit = (
                f"after_conv_block1.conv_block{int(block) + 1}" if residual else "after_conv_block1"
            )
            return f"{unit}.{_name_layer(layer, config)}"
        case ["unet", "head", leaf]:
            return f"after_conv2.{leaf}"
    return name


def _name_layer(layer: list[str], config: NetworkConfig) -> str:
    match layer:
        case [("first" | "second") as half, kind, leaf]:  # conv1 of the second is conv2a
            return f"{kind[:-1]}{1 if half == 'first' else 2}{'abc'[int(kind[-1]) - 1]}.{leaf}"
        case ["bn2", leaf] if config.bands == "none":  # the full-band network's is in place
            return f"abn2.{leaf}"
    return ".".join(layer)


def _is_weight(item: tuple[object, object]) -> bool:
    name, value = item
    return isinstance(name, str) and isinstance(value, Tensor)
