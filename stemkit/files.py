"""Files that appear under their name only when they are whole, and what tells them apart."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stemkit.errors import OptionError

PARTIAL_PATTERN = ".stemkit-*.partial"
"""The names of files that were being written when a run was killed; safe to remove afterwards."""


def partial_path(path: Path) -> Path:
    """Return a new name in the folder of `path`, for what will be moved there when it's whole."""
    return path.with_name(PARTIAL_PATTERN.replace("*", f"{os.getpid()}-{secrets.token_hex(4)}"))


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


@contextmanager
def keep_others_out(folder: Path, name: str) -> Iterator[None]:
    """Let one process at a time write to `folder`, by a lock file of that name in it.

    Raises OptionError where another process does, and where the folder can't be written.
    """
    from filelock import FileLock, Timeout  # late: only a few commands need it

    lock = FileLock(folder / name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise OptionError(f"another process writes to {folder}; wait for it") from None
    except OSError as error:
        raise OptionError(f"can't write to {folder}: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.release()


def readable_name(text: str) -> str:
    """Return a text as UTF-8 can hold it: names of files may be in no encoding at all."""
    return text.encode(errors="surrogateescape").decode(errors="replace")


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
