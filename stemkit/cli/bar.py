"""A progress bar for a terminal, around the plain lines."""

import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from stemkit.batch.outcomes import Done, Failed
    from stemkit.batch.outcomes import Progress as JobProgress
    from stemkit.batch.plan import Plan
    from stemkit.cli.lines import LinePrinter
    from stemkit.cli.summary import Summary


class ProgressBar:
    """Files and seconds of audio on stderr; lines are printed above it."""

    def __init__(self, lines: "LinePrinter") -> None:
        self._lines = lines
        self._total = 0
        self._finished = 0.0  # seconds of audio
        self._in_flight: dict[str, float] = {}
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
        self._task = self._bar.add_task("separating", total=0, audio_minutes=0.0)

    def plan(self, plan: "Plan") -> None:
        self._lines.plan(plan)
        self._total += sum(1 for _ in plan.all_jobs()) + len(plan.faults)
        self._bar.update(self._task, total=self._total)
        self._bar.start()

    def progress(self, progress: "JobProgress") -> None:
        self._lines.progress(progress)
        self._in_flight[progress.job.name] = progress.audio_seconds
        self._show()

    def done(self, outcome: "Done") -> None:
        self._finished += outcome.audio_seconds
        self._end(outcome.job.name)
        self._lines.done(outcome)

    def failed(self, outcome: "Failed") -> None:
        self._end(outcome.job.name)
        self._lines.failed(outcome)

    def summary(self, summary: "Summary") -> None:
        self._bar.stop()
        self._lines.summary(summary)

    def close(self) -> None:
        self._bar.stop()

    def _end(self, name: str) -> None:
        self._in_flight.pop(name, None)
        self._bar.advance(self._task)
        self._show()

    def _show(self) -> None:
        minutes = (self._finished + sum(self._in_flight.values())) / 60
        self._bar.update(self._task, audio_minutes=minutes)
