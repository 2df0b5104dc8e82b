"""Removing what a killed run left behind."""

import os
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from stemkit.batch.ledger import Ledger
from stemkit.files import PARTIAL_PATTERN

if TYPE_CHECKING:
    from stemkit.storage.places import Place


def recover(ledger: Ledger, output: "Place") -> None:
    """Take up what a killed run left: its jobs are interrupted, their temporary files removed."""
    remove_partials_of([entry.targets for entry in ledger.interrupt_running()], output)


def remove_partials_of(targets: Iterable[dict[str, str]], output: "Place") -> None:
    """Remove temporary files beside the targets of jobs, while no job runs. A store has none."""
    if not isinstance(output, Path):
        return
    folders = {(output / name).parent for names in targets for name in names.values()}
    for folder in folders:
        for path in folder.glob(PARTIAL_PATTERN):
            path.unlink(missing_ok=True)


def remove_partials(output: "Place") -> Iterator[tuple[Path, int]]:
    """Remove every temporary file below `output`, links not followed; yield each and its bytes.

    Only for a folder that no run writes to. A store has none.
    """
    if not isinstance(output, Path):
        return
    for top, _, names in os.walk(output):
        for name in names:
            if fnmatch(name, PARTIAL_PATTERN):
                path = Path(top, name)
                size = path.lstat().st_size
                path.unlink()
                yield path, size
