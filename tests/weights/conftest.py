from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.weights.server import MisbehavingServer, serve


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty STEMKIT_HOME of each test's own."""
    monkeypatch.setenv("STEMKIT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("STEMKIT_OFFLINE", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "home"


@pytest.fixture
def server() -> Iterator[MisbehavingServer]:
    with serve() as running:
        yield running
