"""Files that appear under their name only when they are whole, and what tells them apart."""

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stemkit.errors import OptionError, StemkitError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NAME_BYTES = 200  # of a file's name, for which most systems have 255

PARTIAL_PATTERN = ".stemkit-*.partial"
"""The names of files that were being written when a run was killed; safe to remove afterwards."""


def partial_path(path: Path) -> Path:
    """Return a new name in the folder of `path`, for what will be moved there when it's whole."""
    return path.with_name(PARTIAL_PATTERN.replace("*", f"{os.getpid()}-{secrets.token_hex(4)}"))


@contextmanager
def writing(path: object, kind: type[StemkitError] = OptionError) -> Iterator[None]:
    """Turn an OSError raised inside into a `kind` that says that `path` can't be written."""
    try:
        yield
    except OSError as error:
        advice = "make room there" if error.errno in _NO_ROOM else "choose another place"
        raise kind(f"can't write {path}: {error.strerror or error}; {advice}") from error


def remove_path(path: Path) -> int:
    """Remove a file, if it's there, or a folder with all that is in it; return its bytes."""
    if path.is_symlink() or not path.is_dir():
        size = path.lstat().st_size if path.is_symlink() or path.exists() else 0
        path.unlink(missing_ok=True)
        return size
    size = sum(file.lstat().st_size for file in path.rglob("*") if not file.is_dir())
    shutil.rmtree(path)
    return size


def remove_partials_in(folder: Path) -> None:
    """Remove what was being written into a folder when a run was killed."""
    for path in folder.glob(PARTIAL_PATTERN):
        remove_path(path)


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a temporary file beside `path`, then move it there in one step.

    Whatever `write` raises goes on to the caller, and `path` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = partial_path(path)
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def replace_content(path: Path, content: bytes) -> None:
    """Write a file whole, or leave it as it was; raises OSError."""
    replace_file(path, lambda temporary: temporary.write_bytes(content))


@contextmanager
def keep_others_out(folder: Path, name: str) -> Iterator[None]:
    """Let one process at a time write to `folder`, by a lock file of that name in it.

    Raises OptionError where another process does, and where the folder can't be written.
    """
    from filelock import FileLock, Timeout  # late: only a few commands need it

    lock = FileLock(folder / name)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise OptionError(f"another process writes to {folder}; wait for it") from None
    try:
        yield
    finally:
        lock.release()


def read_time(status: os.stat_result) -> int:
    """Return when a file was changed, in ns; a date past 2262 wraps, for a ledger holds 63 bits."""
    return status.st_mtime_ns % 2**63


def readable_name(text: str) -> str:
    """Return a text as UTF-8 can hold it: names of files may be in no encoding at all."""
    return text.encode(errors="surrogateescape").decode(errors="replace")


def shorten_name(name: str) -> str:
    """Return a name that a file can have; one that is cut ends in a few digits of its own."""
    if len(name.encode()) <= _NAME_BYTES:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name.encode()[:_NAME_BYTES].decode(errors='ignore')} {digest}"


def escape_unprintable(text: str) -> str:
    """Return a text as one line that can be shown, with escapes for line ends and the like."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def link_or_copy(source: Path, target: Path) -> None:
    """Make `target` a hard link to `source`, or a copy where there can be none; raises OSError."""
    try:
        os.link(source, target)
    except OSError:  # another file system, one without links, or a file that has too many
        shutil.copyfile(source, target)


def hash_content(path: Path) -> str:
    """Return the SHA-256 of a file's bytes; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
