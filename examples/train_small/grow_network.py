"""Give a trained network's weights to one with more layers or another hop, to be trained on.

What the new network has besides, such as the linear layers over frequency that `[network]` asks
for with frequency_bottleneck, is as it starts: those change nothing yet.

    python grow_network.py stemkit-small stemkit-small-2.toml grown.safetensors
"""

import argparse
import sys
from pathlib import Path

import torch

import stemkit
from stemkit.errors import StemkitError
from stemkit.nn.checkpoints import save_checkpoint
from stemkit.nn.resunet import ResUNet
from stemkit.training.config import load_config


def grow(model: str, config: Path, output: Path) -> list[str]:
    """Write a checkpoint of the config's network, and return the names of its new weights."""
    trained = stemkit.load_network(model)
    torch.manual_seed(0)
    network = ResUNet(load_config(config).network_config())
    new, lost = network.load_state_dict(trained.state_dict(), strict=False)
    if lost:
        raise RuntimeError(f"{config} has no place for {lost[0]}")
    save_checkpoint(network, output)
    return list(new)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", help="a name, or a path of weights")
    parser.add_argument("config", type=Path, help="a training run's TOML file")
    parser.add_argument("output", type=Path)
    given = parser.parse_args()
    try:
        names = grow(given.model, given.config, given.output)
    except (StemkitError, RuntimeError, OSError) as error:  # RuntimeError for another shape
        sys.exit(f"can't give {given.model} to {given.config}: {error}")
    print(f"{given.output}: {len(names)} weights are new")
