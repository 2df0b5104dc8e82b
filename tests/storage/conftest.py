"""A store that speaks S3, on this machine, and a line to it that can be cut."""

from collections.abc import Iterator
from urllib.request import Request, urlopen

import pytest

from tests.storage.cutter import Cutter, cut_between

ALWAYS = 10**9


@pytest.fixture(scope="session")
def cutter() -> Iterator[Cutter]:
    """Give the line to an S3 server; one for all tests, since s3fs is slow to connect."""
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    with cut_between(server.get_host_and_port()[1]) as cutter:
        yield cutter
    server.stop()


@pytest.fixture
def line(cutter: Cutter, monkeypatch: pytest.MonkeyPatch) -> Cutter:
    """Give the line to an S3 server that holds an empty bucket named "songs" and nothing else."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", cutter.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    urlopen(Request(f"{cutter.url}/moto-api/reset", method="POST")).close()
    urlopen(Request(f"{cutter.url}/songs", method="PUT")).close()
    cutter.requests.clear()
    return cutter
