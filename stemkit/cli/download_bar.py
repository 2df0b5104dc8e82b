"""The progress bar of a download, in the shape that pooch calls."""

import sys

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)


class DownloadBar:
    """Bytes of one file, on stderr; silent where stderr isn't a terminal."""

    def __init__(self, label: str) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task(label, total=None)
        self._total = 0

    @property
    def total(self) -> int:
        """The file's length; setting it starts the bar from nothing, as each attempt does."""
        return self._total

    @total.setter
    def total(self, count: int) -> None:
        self._total = count
        self._bar.start()
        self._bar.reset(self._task, total=count or None)

    def update(self, count: int) -> None:
        """Add `count` bytes."""
        self._bar.update(self._task, advance=count)

    def reset(self) -> None:
        """Go back to nothing."""
        self._bar.reset(self._task)

    def close(self) -> None:
        """Leave the bar as it stands; may be called twice."""
        self._bar.stop()
