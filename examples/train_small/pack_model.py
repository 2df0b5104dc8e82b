"""Round a trained network to 8 bits a weight, as those in the box are, and say what its card needs.

python pack_model.py small/average.safetensors stemkit-small.safetensors
"""

import argparse
import sys
from pathlib import Path

import stemkit
from stemkit.errors import StemkitError
from stemkit.files import hash_content
from stemkit.nn.checkpoints import save_checkpoint
from stemkit.nn.resunet import ResUNet


def pack(model: str, output: Path) -> None:
    """Write the network of a model, or of a weights file, in 8 bits."""
    network = stemkit.load_network(model)
    if not isinstance(network, ResUNet):
        sys.exit(f"{model} is several networks; name one of them")
    save_checkpoint(network, output, rounded=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", help="a name, or a path of weights")
    parser.add_argument("output", type=Path)
    given = parser.parse_args()
    try:
        pack(given.model, given.output)
    except (StemkitError, OSError) as error:
        sys.exit(f"can't pack {given.model}: {error}")
    print(f"size = {given.output.stat().st_size}")
    print(f'sha256 = "{hash_content(given.output)}"')
