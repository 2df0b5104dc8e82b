"""What the tests put into a models folder: cards by hand and small checkpoints."""

import hashlib
import json
from pathlib import Path

import torch

from stemkit.nn.bytesep import name_in_bytesep
from stemkit.nn.checkpoints import save_checkpoint
from stemkit.nn.config import ARCHITECTURES, NetworkConfig
from stemkit.nn.resunet import ResUNet
from stemkit.weights.folders import models_folder
from stemkit.weights.registry import ModelCard, read_card

FILE = "published_v2.pth"


def put_card(name: str, text: str) -> Path:
    """Write a card into the models folder as a user would."""
    models_folder().mkdir(parents=True, exist_ok=True)
    path = models_folder() / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def card_text(name: str, **weights: object) -> str:
    """Return the text of a checkpoint's card; `weights` are lines of its table."""
    table = {"file": FILE} | weights
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    return f"""
name = "{name}"
summary = "a model"
architecture = "mobilenet-subband"
sources = ["vocals"]
licence = "none"
training_data = "none"
[weights]
{chr(10).join(lines)}
"""


def remote_card(name: str, **weights: object) -> ModelCard:
    put_card(name, card_text(name, **weights))
    return read_card(name)


def put_bag(name: str, members: list[str], sources: list[str]) -> None:
    """Write the card of a bag into the models folder as a user would."""
    text = card_text(name).partition("[weights]")[0].replace('["vocals"]', str(sources))
    put_card(name, text.replace('architecture = "mobilenet-subband"', f"members = {members}"))


def record_of(body: bytes, file: str = FILE) -> bytes:
    """Return a Zenodo record, as JSON, that lists one file."""
    checksum = f"md5:{hashlib.md5(body).hexdigest()}"
    entry = {"id": "1", "key": file, "size": len(body), "checksum": checksum, "links": {}}
    return json.dumps({"id": 5804160, "files": [entry], "metadata": {}}).encode()


def small_network(
    *sources: str, seed: int = 0, changes: dict[str, object] | None = None
) -> ResUNet:
    """Return a network of a few thousand random weights."""
    fields: dict[str, object] = {
        "bands": "none",
        "band_count": 1,
        "n_fft": 256,
        "hop": 64,
        "stage_channels": (2, 2),
        "stage_blocks": 1,
        "bottleneck_blocks": 1,
        "after_blocks": 1,
    }
    torch.manual_seed(seed)
    return ResUNet(NetworkConfig(sources=sources, **(fields | (changes or {})))).eval()  # type: ignore[arg-type]


def save_small(path: Path, *sources: str, seed: int = 0) -> ResUNet:
    """Write a small network as stemkit does, and return it."""
    network = small_network(*sources, seed=seed)
    save_checkpoint(network, path)
    return network


def save_mobilenet(path: Path, *sources: str, seed: int = 0) -> ResUNet:
    """Write a `.pth` as bytesep does, and return its network."""
    torch.manual_seed(seed)
    config = ARCHITECTURES["mobilenet-subband"]
    network = ResUNet(NetworkConfig(**(config.to_dict() | {"sources": sources}))).eval()  # type: ignore[arg-type]
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {name_in_bytesep(key, network.config): v for key, v in network.state_dict().items()}
    torch.save({"model": weights, "step": 500_000}, path)
    return network


def assert_same_weights(network: torch.nn.Module, other: torch.nn.Module) -> None:
    """Fail unless two networks hold the same tensors under the same keys."""
    torch.testing.assert_close(dict(network.state_dict()), dict(other.state_dict()), rtol=0, atol=0)
