"""Files that appear under their name only when they are whole, and what tells them apart."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

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
