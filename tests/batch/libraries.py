"""Small libraries and runs over them."""

from pathlib import Path

import numpy as np
import soundfile

from stemkit.batch.outcomes import Done, Failed, Outcome
from stemkit.files import hash_content
from stemkit.nn.checkpoints import save_checkpoint
from tests.separation.networks import make_least


def write_song(path: Path, seconds: float = 0.5, seed: int = 0) -> Path:
    """Write noise, whose content depends on `seed`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = round(44100 * seconds)
    samples = np.random.default_rng(seed).uniform(-0.2, 0.2, (frames, 2))
    soundfile.write(path, samples, 44100)
    return path


def save_tiny(path: Path, gain: float = 1.0) -> Path:
    """Write the weights of a tiny network, one of them times `gain`."""
    network = make_least()
    next(network.parameters()).data *= gain
    save_checkpoint(network, path)
    return path


def read_tree(folder: Path) -> dict[str, str]:
    """Return the hash of every file but those of the ledger."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {
        path.relative_to(folder).as_posix(): hash_content(path)
        for path in files
        if ".stemkit" not in path.relative_to(folder).parts
    }


def name_done(outcomes: list[Outcome]) -> list[str]:
    return sorted(one.job.source.name for one in outcomes if isinstance(one, Done))


def name_failed(outcomes: list[Outcome]) -> list[str]:
    return sorted(one.job.source.name for one in outcomes if isinstance(one, Failed))
