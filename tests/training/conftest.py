"""Material that all tests here may read, and no pictures but where they are looked at."""

from pathlib import Path

import pytest

from stemkit.training import curves
from tests.training.making import write_material


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with voice/, band/ and songs/; nothing may be written there."""
    folder = tmp_path_factory.mktemp("material")
    write_material(folder)
    return folder


@pytest.fixture(autouse=True)
def _draw_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no curves, which takes longer than the steps that they are of."""
    monkeypatch.setattr(curves, "draw_curves", lambda lines: b"picture")


@pytest.fixture
def folder(tmp_path: Path, material: Path) -> Path:
    """Return a folder of this test's own with the same in it."""
    for name in ("voice", "band", "songs"):
        (tmp_path / name).symlink_to(material / name)
    return tmp_path
