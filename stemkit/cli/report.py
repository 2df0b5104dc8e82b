"""What a run says: lines or a progress bar for people, JSON for programs."""

import dataclasses
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

if TYPE_CHECKING:
    from stemkit.audio.stems import StemOutput
    from stemkit.batch.jobs import Plan
    from stemkit.batch.runner import Done, Failed, Outcome

ALL_DONE, SOME_FAILED, NOTHING_TO_DO = 0, 1, 3


class Printer(Protocol):
    """One way of telling what happens; each method is called when it happens."""

    def plan(self, plan: "Plan") -> None: ...
    def advance(self, audio_seconds: float) -> None: ...
    def done(self, outcome: "Done") -> None: ...
    def failed(self, outcome: "Failed") -> None: ...
    def summary(self, summary: "Summary") -> None: ...
    def close(self) -> None: ...


@dataclass
class Summary:
    """What a run came to, in files; `planned` ones were only shown, by --dry-run."""

    done: int = 0
    failed: int = 0
    skipped_done: int = 0
    skipped_not_audio: int = 0
    planned: int = 0
    audio_seconds: float = 0.0

    def __str__(self) -> str:
        counts = (
            (self.planned, "to do"),
            (self.done, "done"),
            (self.failed, "failed"),
            (self.skipped_done, "already there"),
            (self.skipped_not_audio, "not audio"),
        )
        return ", ".join(f"{count} {what}" for count, what in counts if count) or "no files"


class Report:
    """Counts outcomes and passes them on to a printer."""

    def __init__(self, plan: "Plan", printer: Printer) -> None:
        self._plan = plan
        self._printer = printer
        self._summary = Summary(skipped_done=len(plan.done), skipped_not_audio=len(plan.not_audio))
        printer.plan(plan)

    def advance(self, audio_seconds: float) -> None:
        """Count more seconds of separated audio."""
        self._printer.advance(audio_seconds)

    def add(self, outcome: "Outcome") -> None:
        """Count and tell one song's outcome."""
        from stemkit.batch.runner import Done

        if isinstance(outcome, Done):
            self._summary.done += 1
            self._summary.audio_seconds += outcome.audio_seconds
            self._printer.done(outcome)
        else:
            self._summary.failed += 1
            self._printer.failed(outcome)

    def end(self, *, ran: bool) -> int:
        """Tell the summary and return the exit code."""
        summary = self._summary
        summary.planned = 0 if ran else len(self._plan.jobs)
        self._printer.summary(summary)
        if not self._plan.jobs:
            return NOTHING_TO_DO
        return SOME_FAILED if summary.failed else ALL_DONE


@contextmanager
def open_report(plan: "Plan", *, as_json: bool, quiet: bool, verbose: bool) -> Iterator[Report]:
    """Give a report on `plan` that prints in the way that is asked for."""
    printer: Printer
    if as_json:
        printer = JsonPrinter()
    else:
        printer = LinePrinter(quiet=quiet, verbose=verbose)
        if not quiet and sys.stderr.isatty():
            from stemkit.cli.bar import ProgressBar

            printer = ProgressBar(printer)
    try:
        yield Report(plan, printer)
    finally:
        printer.close()


class LinePrinter:
    """Plain lines: results on stdout, errors on stderr."""

    def __init__(self, *, quiet: bool, verbose: bool) -> None:
        self._quiet = quiet
        self._verbose = verbose

    def plan(self, plan: "Plan") -> None:
        if self._verbose:
            for path in plan.not_audio:
                self._say(f"skipped {path}: not audio")
            for path in plan.done:
                self._say(f"skipped {path}: its stems are there")
            for job in plan.jobs:
                self._say(f"plan {job.source} -> {', '.join(map(str, job.targets.values()))}")

    def advance(self, audio_seconds: float) -> None: ...

    def done(self, outcome: "Done") -> None:
        folder = next(iter(outcome.job.targets.values())).parent
        self._say(f"{outcome.job.source} -> {folder} ({_speed(outcome)})")
        for line in _describe_levels(outcome.outputs):
            self._say(f"  {line}")
        if self._verbose:
            for output in outcome.outputs:
                self._say(f"  {output.path} ({output.frames} frames, peak {output.peak:.3f})")

    def failed(self, outcome: "Failed") -> None:
        click.echo(f"error: {outcome.job.source}: {outcome.error}", err=True)
        if self._verbose and outcome.details:
            click.echo(outcome.details, err=True)

    def summary(self, summary: Summary) -> None:
        self._say(str(summary))

    def close(self) -> None: ...

    def _say(self, line: str) -> None:
        if not self._quiet:
            click.echo(line)


class JsonPrinter:
    """One JSON object a line on stdout; `event` says which, the README what is in it."""

    def plan(self, plan: "Plan") -> None:
        self._say(
            "plan",
            version=1,
            jobs=[{"source": job.source, "targets": job.targets} for job in plan.jobs],
            already_there=plan.done,
            not_audio=plan.not_audio,
        )

    def advance(self, audio_seconds: float) -> None: ...

    def done(self, outcome: "Done") -> None:
        self._say(
            "done",
            source=outcome.job.source,
            audio_seconds=round(outcome.audio_seconds, 6),
            seconds=round(outcome.seconds, 3),
            outputs=[dataclasses.asdict(output) for output in outcome.outputs],
        )

    def failed(self, outcome: "Failed") -> None:
        self._say(
            "failed",
            source=outcome.job.source,
            error=outcome.error,
            details=outcome.details,
            seconds=round(outcome.seconds, 3),
        )

    def summary(self, summary: Summary) -> None:
        self._say("summary", **dataclasses.asdict(summary))

    def close(self) -> None: ...

    def _say(self, event: str, **fields: object) -> None:
        click.echo(json.dumps({"event": event, **fields}, default=_to_text))


def _to_text(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _describe_levels(outputs: "tuple[StemOutput, ...]") -> Iterator[str]:
    """Yield what was done to the level of a song's outputs, nothing where nothing was."""
    levelled = [output for output in outputs if output.true_peak_db is not None]
    for gain_db in {output.gain_db for output in outputs if output not in levelled} - {0}:
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
