"""Which process may write into an output folder: one, and the others are told which."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from stemkit.batch.find import has_ledger
from stemkit.batch.ledger import Ledger
from stemkit.errors import LedgerError
from stemkit.files import writing
from stemkit.storage.names import ledger_folder

if TYPE_CHECKING:
    from stemkit.storage.places import Place


@contextmanager
def drive(output: "Place") -> Iterator[Ledger]:
    """Open the ledger of an output folder, which is made, as the only process that writes to it.

    Raises LedgerError where another process does, and as `Ledger` does.
    """
    folder = ledger_folder(output)
    lock = FileLock(folder / "lock")
    with writing(output, LedgerError):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise LedgerError(_describe_driver(output)) from None
    try:
        ledger = Ledger(folder, writable=True)
        try:
            ledger.note_driver()
            yield ledger
        finally:
            ledger.close()
    finally:
        lock.release()


@contextmanager
def read(output: "Place") -> Iterator[Ledger | None]:
    """Open the ledger of an output folder to read it, a run or not; None where there is none."""
    if not has_ledger(output):
        yield None
        return
    ledger = Ledger(ledger_folder(output), writable=False)
    try:
        yield ledger
    finally:
        ledger.close()


def require_ledger(output: "Place") -> None:
    """Raise LedgerError where an output folder has no ledger."""
    if not has_ledger(output):
        raise LedgerError(f"no ledger in {output}; name a folder that stemkit has written to")


@contextmanager
def open_known(output: "Place") -> Iterator[Ledger]:
    """Open the ledger of an output folder to read it; raises LedgerError where there is none."""
    require_ledger(output)
    with read(output) as ledger:
        if ledger is not None:
            yield ledger


def is_driven(output: "Place") -> bool:
    """Return whether a run is writing into an output folder."""
    lock = ledger_folder(output) / "lock"
    if not lock.exists():
        return False
    try:
        with FileLock(lock).acquire(timeout=0):
            return False
    except (Timeout, OSError) as error:
        return isinstance(error, Timeout)


def _describe_driver(output: "Place") -> str:
    with read(output) as ledger:
        driver = ledger.driver() if ledger else None
    who = f"pid {driver.pid} on {driver.host}, since {driver.since}" if driver else "just begun"
    return f"another run ({who}) writes to {output}; wait for it, or choose another folder"
