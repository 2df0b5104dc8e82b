"""Write the mean of trained networks in 8 bits a weight, as those in the box are.

    python pack_model.py stemkit-small.safetensors MODEL...

Each MODEL is a name, or a path of weights. The first says what the sources are; of one that has
more only those are taken. Prints what a card needs. Networks that began as the same one may be
averaged; others give noise.
"""

import argparse
import sys
from pathlib import Path

import torch

import stemkit
from stemkit.errors import StemkitError
from stemkit.files import hash_content
from stemkit.nn.checkpoints import save_checkpoint
from stemkit.nn.resunet import ResUNet
from stemkit.training.trainee import give_sources


def pack(models: list[str], output: Path) -> None:
    """Write the mean of these networks."""
    first, *others = (load(model) for model in models)
    networks = [first, *(take_sources(other, first) for other in others)]
    states = [network.state_dict() for network in networks]
    with torch.no_grad():
        for name, value in first.state_dict().items():
            value.copy_(torch.stack([state[name].double() for state in states]).mean(0))
    save_checkpoint(first, output, rounded=True)


def load(model: str) -> ResUNet:
    """Return one network."""
    network = stemkit.load_network(model)
    if not isinstance(network, ResUNet):
        sys.exit(f"{model} is several networks; name one of them")
    return network


def take_sources(network: ResUNet, first: ResUNet) -> ResUNet:
    """Return the network with the sources of the first one alone."""
    alike = network.config.to_dict() | {"sources": first.sources} == first.config.to_dict()
    if not alike or not set(first.sources) <= set(network.sources):
        sys.exit("these networks differ in more than that some have more sources than the first")
    return give_sources(network, first.config)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("models", nargs="+", help="names, or paths of weights")
    given = parser.parse_args()
    try:
        pack(given.models, given.output)
    except (StemkitError, OSError) as error:
        sys.exit(f"can't pack {', '.join(given.models)}: {error}")
    print(f"size = {given.output.stat().st_size}")
    print(f'sha256 = "{hash_content(given.output)}"')
