"""What every test has: a home of its own, and one thread."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.weights.server import MisbehavingServer, serve

# Small networks gain nothing from more threads, and a busy machine loses much.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where an empty STEMKIT_HOME of this test's own would be."""
    monkeypatch.setenv("STEMKIT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("STEMKIT_OFFLINE", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "home"


@pytest.fixture
def server() -> Iterator[MisbehavingServer]:
    with serve() as running:
        yield running
