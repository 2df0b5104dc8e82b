import runpy
from pathlib import Path

import pytest

from stemkit.effects.preset import load_preset

EXAMPLE = Path(__file__).parents[2] / "examples" / "make_preset.py"


def test_example_writes_a_preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "hall.toml"
    monkeypatch.setattr("sys.argv", [str(EXAMPLE), str(path)])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    preset = load_preset(path)
    assert preset.outputs == ("in the hall",)
    assert [effect.effect for effect in preset.stems["vocals"].chain] == ["HighpassFilter", "Mix"]
    assert len(preset.build_board(preset.stems["vocals"].chain)) == 2
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) < 40
