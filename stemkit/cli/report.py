"""What a run says, counted on the way: lines or a progress bar for people, JSON for programs."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from stemkit.cli.lines import LinePrinter
from stemkit.cli.summary import Summary

if TYPE_CHECKING:
    from stemkit.batch.outcomes import Done, Failed, Outcome, Progress
    from stemkit.batch.plan import Plan
    from stemkit.storage.places import Place

ALL_DONE, SOME_FAILED, NOTHING_TO_DO, INTERRUPTED = 0, 1, 3, 130


class Printer(Protocol):
    """One way of telling what happens; each method is called when it happens."""

    def plan(self, plan: "Plan") -> None: ...
    def progress(self, progress: "Progress") -> None: ...
    def done(self, outcome: "Done") -> None: ...
    def failed(self, outcome: "Failed") -> None: ...
    def summary(self, summary: "Summary") -> None: ...
    def close(self) -> None: ...


class Report:
    """Counts outcomes and passes them on to a printer, one at a time, from whatever thread."""

    def __init__(self, printer: Printer) -> None:
        self._printer = printer
        self._summary = Summary()
        self._began = time.monotonic()
        self._jobs = 0
        self.done: set[Place] = set()  # the first outputs of songs that were handed off, if any
        self._lock = threading.RLock()

    def plan(self, plan: "Plan") -> None:
        """Count and tell what is to be done, and what isn't."""
        with self._lock:
            self._jobs += sum(1 for _ in plan.all_jobs()) + len(plan.faults)
            self._summary.skipped_done += len(plan.done)
            self._summary.skipped_not_audio += len(plan.not_audio)
            self._printer.plan(plan)

    def progress(self, progress: "Progress") -> None:
        """Tell how far a song is."""
        with self._lock:
            self._printer.progress(progress)

    def add(self, outcome: "Outcome") -> None:
        """Count and tell one song's outcome."""
        from stemkit.batch.outcomes import Done, Failed

        with self._lock:
            match outcome:
                case Done():
                    self._summary.done += 1
                    if outcome.twin_of is None:  # a twin may lack the record that projects need
                        self.done.add(next(iter(outcome.job.targets.values())))
                    self._summary.audio_seconds += outcome.audio_seconds
                    self._printer.done(outcome)
                case Failed():
                    self._summary.failed += 1
                    self._printer.failed(outcome)
                case _:
                    self._summary.interrupted += 1

    def end(self, *, ran: bool = True, interrupted: bool = False) -> int:
        """Tell the summary and return the exit code."""
        summary = self._summary
        summary.planned = 0 if ran else self._jobs - summary.failed
        summary.seconds = round(time.monotonic() - self._began, 3)
        with self._lock:
            self._printer.summary(summary)
        if interrupted:
            return INTERRUPTED
        if not self._jobs:
            return NOTHING_TO_DO
        return SOME_FAILED if summary.failed else ALL_DONE


@contextmanager
def open_report(*, as_json: bool, quiet: bool, verbose: bool) -> Iterator[Report]:
    """Give a report that prints in the way that is asked for."""
    printer: Printer
    if as_json:
        from stemkit.cli.json_printer import JsonPrinter

        printer = JsonPrinter()
    else:
        printer = LinePrinter(quiet=quiet, verbose=verbose)
        if not quiet and sys.stderr.isatty():
            from stemkit.cli.bar import ProgressBar

            printer = ProgressBar(printer)
    try:
        yield Report(printer)
    finally:
        printer.close()
