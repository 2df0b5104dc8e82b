"""The configs under examples/ are ones that the trainer takes."""

import tomllib
from pathlib import Path

import pytest

from stemkit.training.config import load_config

EXAMPLES = Path(__file__).parents[2] / "examples"


def is_training(path: Path) -> bool:
    return bool({"pool", "songs"} & tomllib.loads(path.read_text(encoding="utf-8")).keys())


CONFIGS = [path for path in sorted(EXAMPLES.rglob("*.toml")) if is_training(path)]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_a_config_is_whole(path: Path) -> None:
    config = load_config(path)
    folders = [folder for pool in config.pool for folder in pool.folders]
    folders += [folder for songs in config.songs for folder in songs.folders]
    assert all(folder.is_relative_to(path.parent) for folder in folders)
    assert config.output.parent == path.parent


def test_each_kind_has_one() -> None:
    kinds = {path.parent.name for path in CONFIGS}
    assert kinds >= {"train_small", "train_paper", "fine_tune"}
