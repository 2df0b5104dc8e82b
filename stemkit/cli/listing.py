"""What every `list` command prints: a table for people, then what couldn't be read."""

from collections.abc import Sequence

import click


def print_table(lines: Sequence[Sequence[str]]) -> None:
    """Print lines of equally many cells, the first being the header, in columns."""
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def report_faults(context: click.Context, faults: Sequence[str]) -> None:
    """Print each fault on stderr, and exit with 1 if there is any."""
    for fault in faults:
        click.echo(f"error: {fault}", err=True)
    if faults:
        context.exit(1)
