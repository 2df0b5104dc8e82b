"""Telling the work in flight to stop, in this process and in others."""

import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from weakref import WeakSet


class Cancel(Protocol):
    """Asked by each job again and again; once it is set, the job drops what it has."""

    def is_set(self) -> bool:
        """Return whether work is to stop."""
        ...


@dataclass(frozen=True)
class StopFile:
    """A file that tells processes on any machine that shares it to stop, once it is there."""

    path: Path

    def is_set(self) -> bool:
        """Return whether the file is there."""
        return self.path.exists()


class CancelToken:
    """Stops a run: `cancel` may be called from any thread, and from a signal handler."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._files: list[Path] = []
        self._branches: WeakSet[CancelToken] = WeakSet()

    def cancel(self) -> None:
        """Let no job begin, and those in flight drop what they have."""
        self._event.set()
        for branch in list(self._branches):
            branch.cancel()
        for path in self._files:
            with suppress(OSError):  # then what is in flight ends by itself
                path.touch()

    def branch(self) -> "CancelToken":
        """Return a token that is cancelled with this one, and can be without this one."""
        branch = CancelToken()
        self._branches.add(branch)
        if self.is_set():
            branch.cancel()
        return branch

    def is_set(self) -> bool:
        """Return whether `cancel` was called."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait until `cancel` is called, at most so long; return whether it was."""
        return self._event.wait(seconds)

    def reach(self, path: Path) -> StopFile:
        """Return what other processes can ask, which share the file `path`; it must not be there.

        It stays until it's removed, and is made no more after `forget`.
        """
        self._files.append(path)
        if self.is_set():
            self.cancel()
        return StopFile(path)

    def forget(self, path: Path) -> None:
        """Leave the file `path` alone from now on."""
        self._files = [file for file in self._files if file != path]
