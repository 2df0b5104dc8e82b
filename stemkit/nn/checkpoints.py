"""Checkpoints on disk: our own safetensors, and bytesep's `.pth` files as they were published."""

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from stemkit.errors import CheckpointError
from stemkit.files import replace_content
from stemkit.nn.bytesep import name_in_bytesep, read_bytesep
from stemkit.nn.config import ARCHITECTURES, NetworkConfig, is_own_format, parse_config
from stemkit.nn.resunet import ResUNet
from stemkit.nn.rounding import restore_weights, round_weights

_FORMAT = "stemkit-1"
_COUNTER = "num_batches_tracked"  # of batch norm: nothing reads it, and not every file has it


def load_checkpoint(
    path: Path, architecture: str | None = None, sources: tuple[str, ...] | None = None
) -> ResUNet:
    """Return the network of a checkpoint, in float32 and evaluation mode.

    A `.safetensors` of ours knows what it is. A `.pth` of bytesep needs the `architecture` (a key
    of ARCHITECTURES) and its `sources`. Raises CheckpointError for a file that can't be read or
    that contradicts these two, and for a key that is missing, unexpected, of another shape or not
    finite, which it names as the file does.
    """
    if is_own_format(path):
        config, weights = _read_safetensors(path)
        network = _fill(path, config, weights, lambda name: name)
        _check_description(path, config, architecture, sources)
        return network
    config = _choose_config(path, architecture, sources)
    return _fill(path, config, read_bytesep(path), lambda name: name_in_bytesep(name, config))


def save_checkpoint(network: ResUNet, path: Path, *, rounded: bool = False) -> None:
    """Write a network and its config to a `.safetensors`, whole or not at all.

    With `rounded`, the convolutions are stored in 8 bits; see `stemkit.nn.rounding`.
    """
    weights = {
        name: value.contiguous()
        for name, value in network.state_dict().items()
        if not name.endswith(_COUNTER)
    }
    weights = round_weights(weights) if rounded else weights
    metadata = {"format": _FORMAT, "config": json.dumps(network.config.to_dict())}
    content = save(weights, metadata)  # save_file would let nobody but its owner read the file
    replace_content(path, content)


def _read_safetensors(path: Path) -> tuple[NetworkConfig, dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            # cloned: these are views of the mapped file, which may be replaced or cut later
            weights = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"can't read the checkpoint {path}: {error}") from error
    if metadata.get("format") != _FORMAT:
        raise CheckpointError(f"{path} was not written by stemkit: it holds no network config")
    try:
        config = parse_config(json.loads(metadata.get("config", "")))
    except (ValueError, RecursionError, CheckpointError) as error:
        raise CheckpointError(f"{path} holds a broken network config: {error}") from error
    try:
        return config, restore_weights(weights)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _choose_config(
    path: Path, architecture: str | None, sources: tuple[str, ...] | None
) -> NetworkConfig:
    known = ", ".join(ARCHITECTURES)
    if architecture is None:
        raise CheckpointError(f"{path} doesn't say what it is; choose an architecture of: {known}")
    if architecture not in ARCHITECTURES:
        raise CheckpointError(f"no architecture {architecture!r}; choose one of: {known}")
    config = ARCHITECTURES[architecture]
    return dataclasses.replace(config, sources=sources) if sources else config


def _check_description(
    path: Path, own: NetworkConfig, architecture: str | None, sources: tuple[str, ...] | None
) -> None:
    """Raise CheckpointError where a file's own config isn't what was said of it."""
    if sources and sources != own.sources:
        raise CheckpointError(f"{path} gives {', '.join(own.sources)}, not {', '.join(sources)}")
    if architecture is None:
        return
    for name, said in _choose_config(path, architecture, own.sources).to_dict().items():
        if getattr(own, name) != said:
            raise CheckpointError(
                f"{path} isn't a {architecture}: its {name} is {getattr(own, name)!r}, not {said!r}"
            )


def _fill(
    path: Path, config: NetworkConfig, found: dict[str, Tensor], rename: Callable[[str], str]
) -> ResUNet:
    """Return the network of a config with the weights of a file that calls them `rename(name)`."""
    with torch.device("meta"):  # no memory for weights that would be thrown away
        network = ResUNet(config)
    expected = network.state_dict()
    theirs = {name: rename(name) for name in expected}
    counters = {key for key in theirs.values() if key.endswith(_COUNTER)}
    found = {key: torch.zeros((), dtype=torch.long) for key in counters} | found
    _check_keys(path, {theirs[name]: value.shape for name, value in expected.items()}, found)
    weights = {name: found[theirs[name]].to(value.dtype) for name, value in expected.items()}
    for name, value in weights.items():
        if not _is_finite(value):
            raise CheckpointError(f"{path}: key {theirs[name]!r} holds NaN or infinite numbers")
    network.load_state_dict(weights, assign=True)
    return network.eval()


def _is_finite(weight: Tensor) -> bool:
    # aminmax hands a NaN on; isfinite of each number takes five times as long
    return all(map(math.isfinite, weight.aminmax()))


def _check_keys(path: Path, shapes: dict[str, torch.Size], found: dict[str, Tensor]) -> None:
    for name in sorted(set(shapes) - set(found)):
        raise CheckpointError(f"{path} has no key {name!r}; is this its architecture?")
    for name in sorted(set(found) - set(shapes)):
        raise CheckpointError(f"{path} has an unexpected key {name!r}; is this its architecture?")
    for name, shape in shapes.items():
        if found[name].shape != shape:
            raise CheckpointError(
                f"{path}: key {name!r} has shape {tuple(found[name].shape)}, not {tuple(shape)}; "
                f"are this its architecture and its number of sources?"
            )
