"""What the system says no with, in a line that names the project."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stemkit.errors import HandoffError


@contextmanager
def explain_os_errors(path: Path) -> Iterator[None]:
    """Turn an OSError raised inside into a HandoffError that names `path`."""
    try:
        yield
    except OSError as error:
        raise HandoffError(
            f"can't write '{path}': {error.strerror}; make room or choose another folder"
        ) from error
