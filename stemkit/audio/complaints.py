"""The errors that several readers raise, worded once."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from stemkit.errors import DecodeError

MAX_CHANNELS = 64
_SAMPLE_RATES = range(1_000, 768_001)  # Hz


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise DecodeError instead of OSError."""
    try:
        yield
    except OSError as error:
        raise DecodeError(f"{path.name!r} can't be read: {error.strerror}") from error


def cut_off(path: Path, there: int, promised: int, unit: Literal["frames", "bytes"]) -> DecodeError:
    """Return the error for a file that ends before its header says."""
    return DecodeError(
        f"{path.name!r} is cut off or damaged: only {there} of {promised} {unit} are there; "
        "get a whole copy"
    )


def contradiction(path: Path, reason: str) -> DecodeError:
    """Return the error for a header that lies."""
    return DecodeError(f"{path.name!r} has a header that can't be true: {reason}; write it anew")


def damaged(path: Path, reason: str) -> DecodeError:
    """Return the error for a file whose library gave up, in one line."""
    return DecodeError(
        f"{path.name!r} is damaged or unreadable: {reason.rstrip('.')}; "
        "get a whole copy, or convert it"
    )


def check_layout(path: Path, sample_rate: int, channels: int) -> None:
    """Raise DecodeError for a rate or a number of channels that no audio has."""
    if sample_rate not in _SAMPLE_RATES:
        raise contradiction(path, f"a sample rate of {sample_rate} Hz")
    if not 1 <= channels <= MAX_CHANNELS:
        raise contradiction(path, f"{channels} channels, where 1 to {MAX_CHANNELS} can be read")
