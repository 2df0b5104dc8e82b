"""`--json`: each event as an object on a line of stdout."""

import dataclasses
import json
import time
from typing import TYPE_CHECKING

import click

from stemkit.cli import events
from stemkit.cli.lines import ALTERED, LEFT_OUT

if TYPE_CHECKING:
    from stemkit.batch.jobs import Job
    from stemkit.batch.outcomes import Done, Failed, Progress, Written
    from stemkit.batch.plan import Plan
    from stemkit.cli.summary import Summary

INTERVAL_SECONDS = 1.0


class JsonPrinter:
    """One JSON object a line on stdout; `stemkit events` prints their schema."""

    def __init__(self) -> None:
        self._told: dict[str, float] = {}  # when each song in flight was last told of

    def plan(self, plan: "Plan") -> None:
        _print(events.PlanEvent([_describe(job) for job in plan.all_jobs()]))
        for path in plan.done:
            _print(events.SkippedEvent(str(path), "done"))
        for path in plan.not_audio:
            _print(events.SkippedEvent(str(path), "not audio"))
        for path in plan.altered:
            _print(events.WarningEvent(str(path), ALTERED))
        for path in plan.left_out:
            _print(events.WarningEvent(str(path), f"its stems are left out: {LEFT_OUT}"))

    def progress(self, progress: "Progress") -> None:
        source, now = str(progress.job.source), time.monotonic()
        if progress.audio_seconds == 0:
            _print(events.StartedEvent(source))
        elif now - self._told.get(source, 0) >= INTERVAL_SECONDS:
            seconds = round(progress.audio_seconds, 3)
            _print(events.ProgressEvent(source, seconds, progress.total_seconds))
        else:
            return
        self._told[source] = now

    def done(self, outcome: "Done") -> None:
        source = str(outcome.job.source)
        self._told.pop(source, None)
        outputs = [_describe_output(output) for output in outcome.outputs]
        audio_seconds, seconds = round(outcome.audio_seconds, 6), round(outcome.seconds, 3)
        twin_of = None if outcome.twin_of is None else str(outcome.twin_of)
        warnings = list(outcome.warnings)
        _print(events.DoneEvent(source, audio_seconds, seconds, outputs, twin_of, warnings))

    def failed(self, outcome: "Failed") -> None:
        source = str(outcome.job.source)
        self._told.pop(source, None)
        seconds = round(outcome.seconds, 3)
        _print(events.FailedEvent(source, outcome.error, outcome.details, seconds))

    def summary(self, summary: "Summary") -> None:
        _print(events.SummaryEvent(**dataclasses.asdict(summary)))

    def close(self) -> None: ...


def _describe(job: "Job") -> events.PlannedJob:
    targets = {stem: str(target) for stem, target in job.targets.items()}
    return events.PlannedJob(str(job.source), targets, job.reason)


def _describe_output(output: "Written") -> events.OutputFields:
    fields = {field.name: getattr(output, field.name) for field in dataclasses.fields(output)}
    return events.OutputFields(**fields | {"path": str(output.path)})


def _print(event: events.Event) -> None:
    fields = dataclasses.asdict(event)
    click.echo(json.dumps({"event": fields.pop("event"), **fields}))
