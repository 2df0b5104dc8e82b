"""`stemkit separate - -o -`: a song from stdin, a stem to stdout."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stemkit.cli.lines import describe_levels, printable
from stemkit.cli.report import ALL_DONE, SOME_FAILED

if TYPE_CHECKING:
    from stemkit.batch.jobs import Naming
    from stemkit.batch.treatment import Treatment
    from stemkit.cli.run import RunOptions
    from stemkit.storage.places import Place


def carry_through_pipe(
    inputs: "tuple[Place, ...]", naming: "Naming", treatment: "Treatment", run: "RunOptions"
) -> int:
    """Treat what comes on stdin, and return the exit code."""
    from stemkit.batch.outcomes import Done, Failed
    from stemkit.batch.stream import check_pipe, treat_stream

    if inputs != (Path("-"),) or run.output != Path("-"):
        raise click.UsageError("- stands for stdin and stdout: stemkit separate - -o - --stems S")
    unfit = run.files_from or run.watch or run.dedupe or run.dry_run or run.as_json
    if unfit or treatment.handoffs:
        raise click.UsageError(
            "a pipe takes no --files-from, --watch, --dedupe, --dry-run, --json and --handoff"
        )
    check_pipe(naming, treatment)
    if sys.stdin is None or sys.stdout is None:
        raise click.UsageError("stdin or stdout is closed")
    outcome = treat_stream(sys.stdin.buffer, sys.stdout.buffer, naming, treatment)
    if isinstance(outcome, Done):
        for warning in outcome.warnings:
            click.echo(printable(f"warning: stdin: {warning}"), err=True)
        for line in describe_levels(outcome.outputs) if not run.quiet else ():
            click.echo(printable(line), err=True)
    if not isinstance(outcome, Failed):
        return ALL_DONE
    click.echo(f"error: stdin: {outcome.error}", err=True)
    if run.verbose and outcome.details:
        click.echo(outcome.details, err=True)
    return SOME_FAILED
