"""The configs under examples/ are ones that the trainer takes."""

from pathlib import Path

import pytest

from stemkit.training.config import load_config

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.toml")), ids=lambda path: path.name)
def test_a_config_is_whole(path: Path) -> None:
    config = load_config(path)
    assert all(folder.is_relative_to(path.parent) for p in config.vocals for folder in p.folders)
    assert config.output.parent == path.parent
