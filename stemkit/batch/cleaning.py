"""Removing what a killed run left behind."""

import os
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from stemkit.batch.entries import RECORD_KEY, Entry
from stemkit.batch.ledger import Ledger
from stemkit.files import PARTIAL_PATTERN, remove_partials_in, remove_path
from stemkit.storage.places import parse_place
from stemkit.tracks.names import REVIEW_MARK

if TYPE_CHECKING:
    from stemkit.storage.places import Place


def recover(ledger: Ledger, output: "Place") -> None:
    """Take up what a killed run left: its jobs are interrupted, their temporary files removed."""
    left = ledger.interrupt_running()
    remove_partials_of([_list_files(entry) for entry in left], output)


def _list_files(entry: Entry) -> dict[str, str]:
    """Return the files of a job, its record among them if it has one."""
    record = {RECORD_KEY: entry.record_name} if entry.record_name else {}
    return entry.targets | record


def forget_gone(ledger: Ledger) -> int:
    """Forget the songs that aren't done and whose files aren't there any more; return how many.

    Those of a store stay.
    """
    left = ledger.entries("failed", "interrupted", "pending")
    gone = [entry.name for entry in left if _is_gone(parse_place(entry.source))]
    ledger.forget(gone)
    return len(gone) + forget_refused(ledger)


def forget_refused(ledger: Ledger) -> int:
    """Forget what was refused and isn't there any more, or is a folder that can be read by now.

    Returns how many there were. A link that leads nowhere is there.
    """
    places = [parse_place(entry.source) for entry in ledger.refused()]
    settled = [
        place
        for place in places
        if isinstance(place, Path) and (not os.path.lexists(place) or _can_be_searched(place))
    ]
    ledger.accept(settled)
    return len(settled)


def _can_be_searched(place: Path) -> bool:
    try:
        with os.scandir(place):
            return True
    except (OSError, ValueError):
        return False


def _is_gone(source: "Place") -> bool:
    if not isinstance(source, Path):
        return False
    try:
        source.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):  # it may be there
        pass
    return False


def remove_partials_of(targets: Iterable[dict[str, str]], output: "Place") -> None:
    """Remove temporary files beside the targets of jobs and in the output folder itself.

    Only while no job runs. A store has none.
    """
    if not isinstance(output, Path):
        return
    folders = {output} | {(output / name).parent for names in targets for name in names.values()}
    for folder in folders:
        remove_partials_in(folder)


def remove_partials(output: "Place") -> Iterator[tuple[Path, int]]:
    """Remove every temporary file and folder below `output`, links not followed.

    Yields each and its bytes. Only for a folder that no run writes to. A store has none. A review
    below, which may be being made, looks after itself.
    """
    if not isinstance(output, Path):
        return
    for top, folders, names in os.walk(output):
        if REVIEW_MARK in names:
            folders.clear()
            continue
        for name in (*folders, *names):
            if fnmatch(name, PARTIAL_PATTERN):
                yield Path(top, name), remove_path(Path(top, name))
        folders[:] = [name for name in folders if not fnmatch(name, PARTIAL_PATTERN)]
