"""What the tests put into stores, and how they look into them past the code under test."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

from fsspec import filesystem
from upath import UPath

from stemkit.storage.places import connect, parse_place
from tests.storage.cutter import Cutter

ODD_NAMES = ("plain.wav", "a b.flac", "ü—歌.mp3", "#?%20&+.ogg", "[1]*.wav", "2024: best.wav")


def remote(text: str) -> UPath:
    place = parse_place(text)
    assert not isinstance(place, Path)
    return place


def put(contents: dict[str, bytes]) -> None:
    """Put files into the bucket "songs", by key, as a client does that stemkit knows nothing of."""
    client = filesystem("s3", client_kwargs={"region_name": "us-east-1"})
    client.pipe({f"songs/{key}": content for key, content in contents.items()})


def read(place: UPath) -> bytes | None:
    store = connect(place)
    return bytes(store.cat_file(place.path)) if store.exists(place.path) else None


def count_unfinished_uploads() -> int:
    return len(connect(remote("s3://songs")).list_multipart_uploads("songs"))


@contextmanager
def forbid(line: Cutter) -> Iterator[None]:
    """Have the server refuse whatever is asked."""
    _set_free_requests(line, b"0")
    try:
        yield
    finally:
        _set_free_requests(line, b"Infinity")


def _set_free_requests(line: Cutter, count: bytes) -> None:
    url, headers = f"{line.url}/moto-api/reset-auth", {"Content-Type": "text/plain"}
    urlopen(Request(url, data=count, headers=headers, method="POST")).close()
