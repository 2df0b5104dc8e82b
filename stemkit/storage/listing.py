"""What a store holds, as told by itself: no file is read."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from upath import UPath

from stemkit.errors import PlanError
from stemkit.files import read_time
from stemkit.storage.places import Place, connect, explain_failures


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file and what tells its content from that of another time.

    Of a store, `mtime_ns` is a whole second, since a listing and a single answer may differ below
    it; of this machine it begins anew in the year 2262, for SQLite holds no greater number. `etag`
    is the store's own name of the content, or this machine's of the file.
    """

    place: Place
    size_bytes: int
    mtime_ns: int
    etag: str = ""


def list_files(place: UPath) -> Iterator[StoredFile]:
    """Yield the files below a folder of a store, or the one file, sorted by key.

    One request for each 1000 files. Raises PlanError for a place that doesn't exist, can't be
    reached or can't be read.
    """
    infos = _find_infos(place)
    if not infos:
        _require(place)
    for key in sorted(infos):
        info = infos.pop(key)
        if not key.endswith("/"):  # an empty object that some tools make to stand for a folder
            yield _as_stored(place.with_segments(key), info)


def _find_infos(place: UPath) -> dict[str, dict[str, Any]]:
    with explain_failures(place, PlanError, f"can't list {place}"):
        infos: dict[str, dict[str, Any]] = connect(place).find(_key(place), detail=True)
    return infos


def _require(place: UPath) -> None:
    with explain_failures(place, PlanError, f"can't list {place}"):
        exists = connect(place).exists(_key(place))
    if not exists:
        raise PlanError(f"no file or folder {place}; check its name")


def _key(place: UPath) -> str:
    return place.path.rstrip("/")


def _as_stored(place: UPath, info: dict[str, Any]) -> StoredFile:
    moment = info.get("LastModified") or info.get("mtime") or info["created"]
    seconds = int(moment.timestamp() if isinstance(moment, datetime) else moment)
    etag = str(info.get("ETag") or info.get("etag") or "").strip('"')
    return StoredFile(place, info["size"], seconds * 10**9, etag)


def stat_place(place: Place) -> StoredFile:
    """Return the size and time of one file; raises PlanError where there is none to ask."""
    if isinstance(place, Path):
        try:
            status = place.stat()
        except OSError as error:
            raise PlanError(f"can't read {place}: {error.strerror}") from error
        etag = f"{status.st_dev}-{status.st_ino}"
        return StoredFile(place, status.st_size, read_time(status), etag)
    with explain_failures(place, PlanError, f"can't read {place}"):
        return _as_stored(place, connect(place).info(place.path))


class Listing:
    """Which files are below a folder and how big they are: a store is asked once, when it's made.

    Below a Path, each file is looked at when it is asked for. Raises PlanError for a store that
    can't be read; a folder that isn't there yet is an empty one.
    """

    def __init__(self, place: Place) -> None:
        self._sizes: dict[str, int] | None = None
        if not isinstance(place, Path):
            self._sizes = {key: info["size"] for key, info in _find_infos(place).items()}

    def size_of(self, target: Place) -> int | None:
        """Return the size of a file in bytes, or None where there is none."""
        if isinstance(target, Path):
            try:
                return target.stat().st_size if target.is_file() else None
            except OSError:  # a name that is too long
                return None
        return (self._sizes or {}).get(target.path)
