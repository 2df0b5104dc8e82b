"""What a run says to people: plain lines."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from stemkit.files import escape_unprintable, readable_name

if TYPE_CHECKING:
    from stemkit.batch.outcomes import Done, Failed, Progress, Written
    from stemkit.batch.plan import Plan
    from stemkit.cli.summary import Summary

REASONS = {
    "missing": "not made yet",
    "changed": "changed since",
    "failed": "failed before",
    "interrupted": "interrupted before",
    "settings": "made with other settings",
    "overwrite": "to be overwritten",
}

ALTERED = "not as long as written; left as is, --overwrite makes all anew"
LEFT_OUT = "stemkit wrote them; give the folder as an input to have them separated"


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
        if plan.altered:
            first, *others = plan.altered
            which = f"{first} and {len(others)} more" if others else f"{first}"
            click.echo(printable(f"warning: {which}: {ALTERED}"), err=True)
        for folder in plan.left_out:
            self._say(f"left out the stems in {folder}: {LEFT_OUT}")
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
        for warning in outcome.warnings:
            click.echo(printable(f"warning: {outcome.job.source}: {warning}"), err=True)
        for line in describe_levels(outcome.outputs):
            self._say(f"  {line}")
        if self._verbose:
            for output in outcome.outputs:
                self._say(f"  {_describe_output(output)}")

    def failed(self, outcome: "Failed") -> None:
        click.echo(printable(f"error: {outcome.job.source}: {outcome.error}"), err=True)
        if self._verbose and outcome.details:
            click.echo(outcome.details, err=True)

    def summary(self, summary: "Summary") -> None:
        self._say(str(summary))

    def close(self) -> None: ...

    def _say(self, line: str) -> None:
        if not self._quiet:
            click.echo(printable(line))


def printable(text: object) -> str:
    """Return a text as a line: of names in other codes, or with line ends, what can be shown."""
    return escape_unprintable(readable_name(str(text)))


def _describe_output(output: "Written") -> str:
    if output.frames is None or output.peak is None:
        return str(output.path)
    return f"{output.path} ({output.frames} frames, peak {output.peak:.3f})"


def describe_levels(outputs: "tuple[Written, ...]") -> Iterator[str]:
    """Yield what was done to the level of a song's outputs, nothing where nothing was."""
    levelled = [output for output in outputs if output.is_levelled]
    for gain_db in {output.gain_db or 0 for output in outputs if output not in levelled} - {0}:
        yield f"turned down by {-gain_db:.2f} dB, all stems alike, so as not to clip"
    for output in levelled:
        if output.true_peak_db is None:  # silence
            continue
        loudness = "" if output.loudness_lufs is None else f"{output.loudness_lufs:.1f} LUFS, "
        yield (
            f"{output.stem}: {output.gain_db:+.1f} dB to {loudness}"
            f"true peak {output.true_peak_db:.1f} dBTP"
        )


def _speed(outcome: "Done") -> str:
    ratio = outcome.audio_seconds / max(outcome.seconds, 1e-9)
    return f"{outcome.audio_seconds:.1f} s of audio in {outcome.seconds:.1f} s, {ratio:.1f}x"
