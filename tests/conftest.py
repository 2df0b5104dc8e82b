"""What every test has: a home of its own, and one thread."""

import gc
import itertools
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.weights.server import MisbehavingServer, serve

# Small networks gain nothing from more threads, and a busy machine loses much.
os.environ.setdefault("OMP_NUM_THREADS", "1")


HOMES = itertools.count()


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where an empty STEMKIT_HOME of this test's own would be.

    It isn't made, nor is a `tmp_path` for it: pytest takes the longer for one the more there are.
    """
    place = tmp_path_factory.getbasetemp() / "homes" / str(next(HOMES))
    monkeypatch.setenv("STEMKIT_HOME", str(place))
    monkeypatch.delenv("STEMKIT_OFFLINE", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return place


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage in what all tests are made of, which takes a second at a time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, object, object]:
    """Let a failure over a name that isn't UTF-8 reach the reader: such text can't be sent."""
    return make_sendable((yield))


def make_sendable(value: object) -> object:
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {key: make_sendable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(make_sendable, value))
    return value


@pytest.fixture
def server() -> Iterator[MisbehavingServer]:
    with serve() as running:
        yield running
