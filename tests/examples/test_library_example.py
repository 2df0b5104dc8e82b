"""The example of a library does what is left, and tells of failures."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.batch.libraries import write_song

EXAMPLE = Path(__file__).parents[2] / "examples" / "library.py"


@pytest.mark.slow
def test_it_does_what_is_left(tmp_path: Path) -> None:
    write_song(tmp_path / "songs" / "one.wav")
    (tmp_path / "songs" / "bad.wav").touch()
    command = [sys.executable, str(EXAMPLE), str(tmp_path / "songs"), str(tmp_path / "stems")]
    first = subprocess.run(command, capture_output=True, text=True)
    assert first.returncode == 1
    assert "one.wav: 0.5 s in " in first.stdout
    assert "bad.wav" in first.stderr
    (tmp_path / "songs" / "bad.wav").unlink()
    second = subprocess.run(command, capture_output=True, text=True)
    assert (second.returncode, second.stdout) == (0, "")
