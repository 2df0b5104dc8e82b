"""The script of the training data that needs a package of its own."""

import sys
from pathlib import Path
from runpy import run_path

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "train_small"


def test_a_package_that_is_missing_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mido", None)
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])
    with pytest.raises(SystemExit, match=r"can't import mido \(.*\); run: pip install mido$"):
        run_path(str(FOLDER / "render_stems.py"))
