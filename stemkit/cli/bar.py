"""A progress bar for a terminal, around the plain lines."""

import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from stemkit.batch.jobs import Plan
    from stemkit.batch.runner import Done, Failed
    from stemkit.cli.report import LinePrinter, Summary


class ProgressBar:
    """Files and seconds of audio on stderr; lines are printed above it."""

    def __init__(self, lines: "LinePrinter") -> None:
        self._lines = lines
        self._audio_seconds = 0.0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("files, {task.fields[audio_minutes]:.1f} min of audio"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            redirect_stdout=sys.stdout.isatty(),
            transient=True,
        )

    def plan(self, plan: "Plan") -> None:
        self._lines.plan(plan)
        self._task = self._bar.add_task("separating", total=len(plan.jobs), audio_minutes=0.0)
        self._bar.start()

    def advance(self, audio_seconds: float) -> None:
        self._audio_seconds += audio_seconds
        self._bar.update(self._task, audio_minutes=self._audio_seconds / 60)

    def done(self, outcome: "Done") -> None:
        self._bar.advance(self._task)
        self._lines.done(outcome)

    def failed(self, outcome: "Failed") -> None:
        self._bar.advance(self._task)
        self._lines.failed(outcome)

    def summary(self, summary: "Summary") -> None:
        self._bar.stop()
        self._lines.summary(summary)

    def close(self) -> None:
        self._bar.stop()
