"""What a run says: lines or a progress bar for people, JSON for programs."""

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import click

if TYPE_CHECKING:
    from stemkit.batch.outcomes import Done, Failed, Outcome, Progress, Written
    from stemkit.batch.plan import Plan

ALL_DONE, SOME_FAILED, NOTHING_TO_DO, INTERRUPTED = 0, 1, 3, 130

REASONS = {
    "missing": "not made yet",
    "changed": "changed since",
    "failed": "failed before",
    "interrupted": "interrupted before",
    "settings": "made with other settings",
    "overwrite": "to be overwritten",
}


class Printer(Protocol):
    """One way of telling what happens; each method is called when it happens."""

    def plan(self, plan: "Plan") -> None: ...
    def progress(self, progress: "Progress") -> None: ...
    def done(self, outcome: "Done") -> None: ...
    def failed(self, outcome: "Failed") -> None: ...
    def summary(self, summary: "Summary") -> None: ...
    def close(self) -> None: ...


@dataclass
class Summary:
    """What a run came to, in files; `planned` ones were only shown, by --dry-run."""

    done: int = 0
    failed: int = 0
    interrupted: int = 0
    skipped_done: int = 0
    skipped_not_audio: int = 0
    planned: int = 0
    audio_seconds: float = 0.0
    seconds: float = 0.0

    def __str__(self) -> str:
        counts = (
            (self.planned, "to do"),
            (self.done, "done"),
            (self.failed, "failed"),
            (self.interrupted, "interrupted"),
            (self.skipped_done, "already there"),
            (self.skipped_not_audio, "not audio"),
        )
        return ", ".join(f"{count} {what}" for count, what in counts if count) or "no files"


class Report:
    """Counts outcomes and passes them on to a printer, one at a time, from whatever thread."""

    def __init__(self, printer: Printer) -> None:
        self._printer = printer
        self._summary = Summary()
        self._began = time.monotonic()
        self._jobs = 0
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
        summary.planned = 0 if ran else self._jobs
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


class LinePrinter:
    """Plain lines: results on stdout, errors on stderr."""

    def __init__(self, *, quiet: bool, verbose: bool) -> None:
        self._quiet = quiet
        self._verbose = verbose

    def plan(self, plan: "Plan") -> None:
        reasons = Counter(job.reason for job in plan.all_jobs())
        if reasons.keys() - {"missing"}:
            counts = (f"{count} {REASONS[reason]}" for reason, count in reasons.most_common())
            which = f" ({', '.join(plan.differences)})" if plan.differences else ""
            self._say(f"to do: {', '.join(counts)}{which}")
        if not self._verbose:
            return
        for path in plan.not_audio:
            self._say(f"skipped {path}: not audio")
        for path in plan.done:
            self._say(f"skipped {path}: its stems are there")
        for job in plan.all_jobs():
            targets = ", ".join(map(str, job.targets.values()))
            self._say(f"plan {job.source} -> {targets} ({REASONS[job.reason]})")

    def progress(self, progress: "Progress") -> None: ...

    def done(self, outcome: "Done") -> None:
        folder = next(iter(outcome.job.targets.values())).parent
        how = f"as {outcome.twin_of}" if outcome.twin_of else _speed(outcome)
        self._say(f"{outcome.job.source} -> {folder} ({how})")
        for line in _describe_levels(outcome.outputs):
            self._say(f"  {line}")
        if self._verbose:
            for output in outcome.outputs:
                self._say(f"  {_describe_output(output)}")

    def failed(self, outcome: "Failed") -> None:
        click.echo(f"error: {printable(outcome.job.source)}: {outcome.error}", err=True)
        if self._verbose and outcome.details:
            click.echo(outcome.details, err=True)

    def summary(self, summary: Summary) -> None:
        self._say(str(summary))

    def close(self) -> None: ...

    def _say(self, line: str) -> None:
        if not self._quiet:
            click.echo(printable(line))


def printable(text: object) -> str:
    """Return a text as it can be printed, also where it has a file's name that isn't Unicode."""
    return str(text).encode(errors="surrogateescape").decode(errors="replace")


def _describe_output(output: "Written") -> str:
    if output.frames is None or output.peak is None:
        return str(output.path)
    return f"{output.path} ({output.frames} frames, peak {output.peak:.3f})"


def _describe_levels(outputs: "tuple[Written, ...]") -> Iterator[str]:
    """Yield what was done to the level of a song's outputs, nothing where nothing was."""
    levelled = [output for output in outputs if output.true_peak_db is not None]
    for gain_db in {output.gain_db or 0 for output in outputs if output not in levelled} - {0}:
        yield f"turned down by {-gain_db:.2f} dB, all stems alike, so as not to clip"
    for output in levelled:
        loudness = "" if output.loudness_lufs is None else f"{output.loudness_lufs:.1f} LUFS, "
        yield (
            f"{output.stem}: {output.gain_db:+.1f} dB to {loudness}"
            f"true peak {output.true_peak_db:.1f} dBTP"
        )


def _speed(outcome: "Done") -> str:
    ratio = outcome.audio_seconds / max(outcome.seconds, 1e-9)
    return f"{outcome.audio_seconds:.1f} s of audio in {outcome.seconds:.1f} s, {ratio:.1f}x"
