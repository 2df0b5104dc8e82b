"""The pipeline script, on a folder with a broken file in it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemkit.nn.checkpoints import save_checkpoint
from tests.separation.networks import make_least

SCRIPT = Path(__file__).parents[2] / "examples" / "pipeline.py"


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    model = tmp_path / "tiny.safetensors"
    save_checkpoint(make_least(), model)
    songs = tmp_path / "songs"
    songs.mkdir()
    soundfile.write(songs / "one.wav", np.full((4410, 2), 0.1), 44100)
    options = ["--model", str(model), "--precision", "float32"]
    return [sys.executable, str(SCRIPT), str(songs), str(tmp_path / "stems"), *options]


@pytest.mark.slow
def test_it_lists_stems_and_tells_of_failures(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "songs" / "empty.wav").touch()
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    made = [Path(line) for line in result.stdout.splitlines()]
    assert [path.name for path in made] == ["vocals.wav", "accompaniment.wav"]
    assert all(path.is_file() for path in made)
    assert "empty.wav" in result.stderr
    assert result.returncode == 1
    (tmp_path / "songs" / "empty.wav").unlink()
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (again.stdout, again.returncode) == ("", 0)


def test_wrong_usage_is_passed_on(command: list[str]) -> None:
    result = subprocess.run([*command, "--stems", "drumz"], capture_output=True, check=False)
    assert result.returncode == 2
