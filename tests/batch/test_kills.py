"""Killed at any moment, a run leaves nothing that the next one doesn't make good."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_the_run_after_a_kill_ends_with_the_bytes_of_an_undisturbed_one(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.batch.kills", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=200)
    lines = result.stdout.splitlines()
    assert result.returncode == 0, result.stdout + result.stderr
    assert sum("killed True" in line for line in lines) >= 20
    assert any(" 0 partial" not in line for line in lines)  # there was something to clean up
