"""Files of a store on this machine while they are read or written."""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from upath import UPath

from stemkit.errors import DecodeError, EncodeError
from stemkit.storage.places import (
    BLOCK_BYTES,
    Place,
    connect,
    explain_failures,
    find_errors,
    get_upload_options,
)

LONGEST_NAME = 200  # bytes; keys of stores may be longer than the names of files
PAUSE_SECONDS = 2.0  # before a transfer is begun again
FINAL_ERRORS = (FileNotFoundError, PermissionError, ValueError)  # no other answer will come


@contextmanager
def fetched(place: Place) -> Iterator[Path]:
    """Give a file of a store as a temporary file with its suffix; a Path as it is.

    Connections that break are tried again, some seconds long, and of S3 a file that was replaced
    meanwhile is fetched anew. Raises DecodeError for a file that can't be fetched whole.
    """
    if isinstance(place, Path):
        yield place
        return
    with TemporaryDirectory(prefix="stemkit-") as folder:
        whole = len(place.name.encode()) <= LONGEST_NAME
        path = Path(folder, place.name if whole else f"input{place.suffix[-12:]}")
        _download(place, path)
        yield path


def _download(place: UPath, path: Path) -> None:
    fault = f"{place} could not be fetched whole"
    with explain_failures(place, DecodeError, fault):
        size = _persist(place, lambda: _copy_blocks(place, path))
    _compare(path.stat().st_size, size, DecodeError, fault)


def _copy_blocks(place: UPath, path: Path) -> int:
    """Fetch a file block by block; s3fs asks for the same content each time (If-Match).

    Returns its size as the store told it.
    """
    store = connect(place)
    remote = store.open(place.path, "rb", block_size=BLOCK_BYTES, cache_type="none")
    with remote, path.open("wb") as local:
        shutil.copyfileobj(remote, local, BLOCK_BYTES)
    return int(remote.size)


@contextmanager
def published(
    targets: Mapping[str, Place], tell: Callable[[str], object] = lambda stem: None
) -> Iterator[dict[str, Path]]:
    """Give a local file to write for each target, and send them when the block ends well.

    A target that is a Path is given as it is. Each file appears in its store only when it is
    whole, one after another, and `tell` is told of each: where one fails, those before it stay. If
    the block raises, nothing is sent. Raises EncodeError for a file that can't be sent.
    """
    remote = {stem: place for stem, place in targets.items() if not isinstance(place, Path)}
    local = {stem: place for stem, place in targets.items() if isinstance(place, Path)}
    if not remote:
        yield local
        return
    with TemporaryDirectory(prefix="stemkit-") as folder:
        for number, (stem, place) in enumerate(remote.items()):
            local[stem] = Path(folder, f"{number}{place.suffix[-12:]}")
        yield {stem: local[stem] for stem in targets}
        for stem, place in remote.items():
            _upload(local[stem], place)
            tell(stem)


def _upload(path: Path, place: UPath) -> None:
    fault = f"{place} could not be written whole"
    with explain_failures(place, EncodeError, fault):
        size = _persist(place, lambda: _send(path, place))
    _compare(size, path.stat().st_size, EncodeError, fault)


def _send(path: Path, place: UPath) -> int:
    """Send a file and return its size as the store tells it."""
    store = connect(place)
    store.put_file(str(path), place.path, **get_upload_options(place))
    return int(store.info(place.path)["size"])


def _persist(place: UPath, transfer: Callable[[], int]) -> int:
    """Return what `transfer` does, begun once more where the line to the store fails.

    By then, s3fs and gcsfs have asked several times for the block or part that failed.
    """
    try:
        return transfer()
    except FINAL_ERRORS:
        raise
    except find_errors(place):
        time.sleep(PAUSE_SECONDS)
    return transfer()


def _compare(
    size: int, expected: int, kind: type[DecodeError] | type[EncodeError], fault: str
) -> None:
    if size != expected:
        raise kind(f"{fault}: {size} of {expected} bytes arrived")
