"""Where files are: in folders of this machine, or in a store that a URL names."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name
from typing import Any
from urllib.request import url2pathname

from fsspec import AbstractFileSystem, filesystem
from upath import UPath

from stemkit.errors import OptionError, StemkitError

Place = Path | UPath
"""A Path for what this machine's folders hold, a UPath for what a store holds."""

BLOCK_BYTES = 8 * 2**20  # of what is sent or fetched by one request, and held in memory
RETRIES = {"mode": "standard", "total_max_attempts": 2}  # s3fs tries each of these five times


@dataclass(frozen=True)
class _Store:
    """How files of one protocol are reached.

    A store shows a file under its name only when it has been sent whole; "memory", which is for
    tests, does not. What can't do that (SFTP, WebDAV) is to be mounted as a folder instead.
    """

    package: str
    options: dict[str, Any] = field(default_factory=dict)
    upload_options: dict[str, int] = field(default_factory=dict)
    errors: tuple[str, ...] = ()


_STORES = {
    "s3": _Store(
        "s3fs",
        {"use_listings_cache": False, "config_kwargs": {"retries": RETRIES}},
        # Parts go one by one: none is still on its way when a failed upload is called off.
        {"chunksize": BLOCK_BYTES, "max_concurrency": 1},
        (
            "botocore.exceptions:BotoCoreError",
            "botocore.exceptions:ClientError",
            "aiohttp:ClientError",
        ),
    ),
    "gs": _Store(
        "gcsfs",
        {"use_listings_cache": False},
        {"chunksize": BLOCK_BYTES},
        ("google.auth.exceptions:GoogleAuthError", "aiohttp:ClientError"),
    ),
    "memory": _Store("fsspec"),
}

for _store in _STORES.values():  # what they log would be printed, tracebacks and all
    logging.getLogger(_store.package).addHandler(logging.NullHandler())


def parse_place(text: str) -> Place:
    """Return the place that a path or a URL names; `file://` gives a Path.

    In `s3://` and `gs://` every character of a key stands for itself; `file://` has its escapes
    (%20) undone. Nothing is asked of the store. Raises OptionError for a protocol that isn't known
    or whose package isn't installed, for a URL that names no bucket, and for nothing at all.
    """
    if not text:
        raise OptionError("an empty path names nothing; write . for the folder that you are in")
    protocol, mark, rest = text.partition("://")
    if not mark or not re.fullmatch(r"[A-Za-z][\w+.:-]+", protocol):  # "C://" is a drive
        return Path(text)
    if protocol.lower() == "file":
        return _parse_file_url(text, rest)
    protocol = protocol.lower()
    package = _find_store(protocol).package
    if find_spec(package) is None:
        raise OptionError(f"{protocol}:// needs {package}; run: pip install 'stemkit[{protocol}]'")
    if not rest.strip("/"):
        raise OptionError(f"{text} names no bucket; write {protocol}://BUCKET/FOLDER")
    return UPath(f"{protocol}://{rest}")


def _find_store(protocol: str) -> _Store:
    if protocol not in _STORES:
        known = ", ".join(f"{name}://" for name in ("file", *_STORES) if name != "memory")
        raise OptionError(
            f"{protocol}:// isn't known; mount it as a folder, or use one of: {known}"
        )
    return _STORES[protocol]


def _parse_file_url(text: str, rest: str) -> Path:
    path = rest.removeprefix("localhost")
    if not path.startswith("/"):
        raise OptionError(f"{text} isn't a file of this machine; write file:///FOLDER/FILE")
    return Path(url2pathname(path))


def connect(place: UPath) -> AbstractFileSystem:
    """Return the store of a place, for this thread; it connects when it is first asked.

    Keys and endpoints are those that s3fs and gcsfs find in the environment. What a store holds is
    asked anew each time.
    """
    options = _find_store(place.protocol).options | dict(place.storage_options)
    return filesystem(place.protocol, **options)


def get_upload_options(place: UPath) -> dict[str, int]:
    """Return how a file is sent to the store of `place`, whole and in bounded memory."""
    return _find_store(place.protocol).upload_options


@contextmanager
def explain_failures(place: UPath, kind: type[StemkitError], fault: str) -> Iterator[None]:
    """Turn whatever a store says no with into one line: `fault` and the reason."""
    try:
        yield
    except find_errors(place) as error:
        raise kind(f"{fault}: {_describe(error)}") from error


def find_errors(place: UPath) -> tuple[type[Exception], ...]:
    """Return what the store of `place` raises when it, or the line to it, fails."""
    names = _find_store(place.protocol).errors
    return (OSError, ValueError, *(resolve_name(name) for name in names))


def _describe(error: BaseException) -> str:
    match error:
        case FileNotFoundError():
            return "it or its bucket doesn't exist"
        case PermissionError():
            return "access is refused; check the keys and their rights"
        case _:
            return " ".join(str(error).split()) or type(error).__name__
