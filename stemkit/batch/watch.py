"""Files that appear or change in watched folders, given once they have stopped growing.

The system's events only say where to look soon. Size and time of change decide what is given, and
everything is looked at again now and then: no event tells of what another machine changes on a
network share, nor of what changes behind a link, and a busy system drops events.
"""

import logging
import os
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event, Lock
from typing import Protocol, Self

from watchdog.events import (
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from stemkit.batch.find import identify_inode, is_passing, is_skipped
from stemkit.errors import PlanError

TICK_SECONDS = 0.2
RESCAN_SECONDS = 60.0
_RESCAN_SHARE = 10  # looking at everything takes at most one part in so many of the time
_EVENTS: list[type[FileSystemEvent]] = [
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]

Signature = tuple[int, int]
"""The size in bytes and the time of the last change in ns."""

logger = logging.getLogger("stemkit")
logging.getLogger("watchdog").addHandler(logging.NullHandler())  # or it writes to stderr


class Stop(Protocol):
    """What ends the watching: a `CancelToken` or a `threading.Event`."""

    def is_set(self) -> bool:
        """Return whether to stop."""
        ...

    def wait(self, timeout: float, /) -> bool:
        """Wait until it is to stop, at most so many seconds; return whether it is."""
        ...


class Watcher:
    """Watches inputs, files and folders, from the moment that it is entered.

    A scan that is made inside misses nothing, whatever arrives during it:

        with Watcher(inputs, output, settle_seconds=5) as watcher:
            separate(find_audio(inputs, output))
            for files in watcher.changes(stop):
                separate(files)

    `ignored` is the output folder: nothing below it counts, nor do hidden folders, empty files and
    the temporary names of downloads. Raises PlanError on entry for an input that doesn't exist.

    With `polling`, no events of the system are asked for: everything is looked at each
    `settle_seconds`. So it is where the system has no room for more watches, with a warning.
    """

    def __init__(
        self, inputs: Sequence[Path], ignored: Path, settle_seconds: float, *, polling: bool = False
    ) -> None:
        self._inputs = tuple(dict.fromkeys(inputs))
        self._ignored = ignored
        self._settle_seconds = settle_seconds
        self._polling = polling
        self._inbox = _Inbox()
        self._observer: BaseObserver | None = None
        self._folders: tuple[Path, ...] = ()
        self._known: dict[Path, Signature] = {}  # as it was on entry, or when it was given
        self._pending: dict[Path, tuple[Signature, float]] = {}  # and when to look again
        self._rescan_at = 0.0

    def __enter__(self) -> Self:
        """Begin to watch, and remember what is there."""
        for given in self._inputs:
            if identify_inode(given) is None:
                raise PlanError(f"no file or folder {given}; check its name")
        self._folders = tuple(_folder_of(given) for given in self._inputs)
        if not self._polling:
            self._observer = self._observe()
        began = time.monotonic()
        self._known = self._scan(Event())
        self._rest_from_scan(began)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop watching."""
        if self._observer is not None:
            _close(self._observer)

    def changes(self, stop: Stop) -> Iterator[frozenset[Path]]:
        """Yield sets of files that appeared or changed and then stayed so for `settle_seconds`.

        Ends soon after `stop` is set. What happens between two sets is kept for the next. A file
        that changes again is given again. Raises PlanError when a watched folder is gone.
        """
        while not stop.is_set():
            self._refuse_gone_folders()
            self._look_where_events_point()
            if time.monotonic() >= self._rescan_at:
                self._look_at_everything(stop)
            if settled := self._take_settled():
                yield settled
            stop.wait(TICK_SECONDS)

    def _observe(self) -> BaseObserver | None:
        """Return a running observer, or None where the system has no room for one."""
        observer: BaseObserver | None = None
        try:
            observer = Observer()
            for given, folder in zip(self._inputs, self._folders, strict=True):
                _schedule(observer, _Collector(given, folder, self._ignored, self._inbox))
            observer.start()
        except OSError as error:
            logger.warning("looking through folders again and again instead: %s", error.strerror)
            self._polling = True
            if observer is not None:
                _close(observer)
            return None
        return observer

    def _refuse_gone_folders(self) -> None:
        for folder in self._folders:
            if identify_inode(folder) is None:
                raise PlanError(f"the watched folder {folder} is gone; bring it back and run again")

    def _look_where_events_point(self) -> None:
        for path in self._inbox.take():
            self._put_off(path, _sign(path))

    def _look_at_everything(self, stop: Stop) -> None:
        """Put off what is new or changed, and forget what is gone."""
        began = time.monotonic()
        found = self._scan(stop)
        if stop.is_set():
            return
        self._known = {path: known for path, known in self._known.items() if path in found}
        for path in found.keys() - self._pending.keys():
            self._put_off(path, found[path])
        self._rest_from_scan(began)

    def _rest_from_scan(self, began: float) -> None:
        ended = time.monotonic()
        rest_seconds = self._settle_seconds if self._polling else RESCAN_SECONDS
        self._rescan_at = ended + max(rest_seconds, _RESCAN_SHARE * (ended - began))

    def _scan(self, stop: Stop) -> dict[Path, Signature]:
        """Return all files that count and how they are now, or some if stopped."""
        found = {}
        for given in self._inputs:
            for file in _walk_files(given, self._ignored):
                if signature := _sign(file):
                    found[file] = signature
                if stop.is_set():
                    return found
        return found

    def _put_off(self, file: Path, signature: Signature | None) -> None:
        """Look at `file` again when it had time to settle, unless it is as it was or gone."""
        self._pending.pop(file, None)
        if signature is None:
            self._known.pop(file, None)
        elif signature != self._known.get(file):
            self._pending[file] = (signature, time.monotonic() + self._settle_seconds)

    def _take_settled(self) -> frozenset[Path]:
        now = time.monotonic()
        settled = set()
        for file, (signature, due) in list(self._pending.items()):
            if now < due:
                continue
            if (current := _sign(file)) == signature:
                del self._pending[file]
                self._known[file] = signature
                settled.add(file)
            else:
                self._put_off(file, current)
        return frozenset(settled)


class _Inbox:
    """Paths that events came for, each once, from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._paths: set[Path] = set()

    def put(self, path: Path) -> None:
        with self._lock:
            self._paths.add(path)

    def take(self) -> set[Path]:
        with self._lock:
            taken, self._paths = self._paths, set()
        return taken


class _Collector(FileSystemEventHandler):
    """Puts what the events of one input are about into an inbox, named as the input is."""

    def __init__(self, given: Path, folder: Path, ignored: Path, inbox: _Inbox) -> None:
        self.real_folder = folder.resolve()  # links aren't followed, that to the input included
        self.is_file = given != folder
        self._given = given
        self._folder = folder
        self._ignored = ignored.resolve()
        self._inbox = inbox

    def on_any_event(self, event: FileSystemEvent) -> None:
        for name in (event.src_path, event.dest_path):
            path = Path(os.fsdecode(name))
            if path.is_relative_to(self.real_folder) and not path.is_relative_to(self._ignored):
                self._put(path.relative_to(self.real_folder))

    def _put(self, below: Path) -> None:
        path = self._folder / below
        if path == self._given if self.is_file else _counts(below):
            self._inbox.put(path)


def _folder_of(given: Path) -> Path:
    return given if given.is_dir() else given.parent


def _schedule(observer: BaseObserver, collector: _Collector) -> None:
    recursive = not collector.is_file
    folder = str(collector.real_folder)
    observer.schedule(collector, folder, recursive=recursive, event_filter=_EVENTS)


def _close(observer: BaseObserver) -> None:
    observer.stop()
    if observer.is_alive():
        observer.join()


def _counts(below: Path) -> bool:
    """Return whether a path, relative to an input, may be given."""
    return not any(map(is_skipped, below.parts)) and not is_passing(below.name)


def _walk_files(top: Path, ignored: Path) -> Iterator[Path]:
    """Yield the files that count, `top` itself or below it, what is behind links last."""
    seen = {identify_inode(ignored), None}
    waiting, links = [top], list[Path]()
    while waiting or links:
        path = (waiting or links).pop()
        inode = identify_inode(path)
        if inode in seen:
            continue
        seen.add(inode)
        try:
            with os.scandir(path) as scan:
                entries = list(scan)
        except NotADirectoryError:
            if path == top or _counts(Path(path.name)):
                yield path
        except OSError:  # whoever reads the inputs tells of it
            continue
        else:
            for entry in entries:
                if entry.is_symlink() or entry.is_dir():
                    if not is_skipped(entry.name):
                        (links if entry.is_symlink() else waiting).append(path / entry.name)
                elif _counts(Path(entry.name)):
                    yield path / entry.name


def _sign(file: Path) -> Signature | None:
    """Return how a file is now, or None where there is none, or nothing in it yet."""
    try:
        status = file.stat()
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(status.st_mode) or status.st_size == 0:
        return None
    return (status.st_size, status.st_mtime_ns)
