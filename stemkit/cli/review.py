"""`stemkit review`: pages to look a run's tracks over."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from stemkit.cli.lines import printable
from stemkit.cli.places import LocalType
from stemkit.cli.report import ALL_DONE, NOTHING_TO_DO, SOME_FAILED

if TYPE_CHECKING:
    from stemkit.review.build import ReviewResult


@click.command()
@click.argument("folder", metavar="DIR", type=LocalType(file_okay=False))
@click.option(
    "-o", "--output", metavar="OUT", type=click.Path(path_type=Path, file_okay=False),
    help="Where the pages go.  [default: DIR/review]",
)  # fmt: skip
@click.option(
    "--no-audio", is_flag=True,
    help="Pages without players; with them a minute of a stem takes 1 to 1.5 MB.",
)  # fmt: skip
@click.option(
    "--workers", metavar="N|auto", default="auto", show_default=True,
    help="Tracks that are drawn at once.",
)  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="Only errors.")
def review(folder: Path, output: Path | None, no_audio: bool, workers: str, quiet: bool) -> int:
    """Make pages to look over and listen to the stems below DIR.

    Open OUT/index.html in a browser: a table of all tracks, and for each a player of its stems in
    step, with waveforms, spectrograms, the numbers of its record, and what deserves a second ear.
    They need no server and no network, and can be moved. Run it again after the stems have changed:
    only those are drawn again.

    Exit codes: 0 all done, 1 some failed, 2 wrong usage, 3 nothing to do.
    """
    from stemkit.cli.count_bar import show_count
    from stemkit.cli.run import read_spreading
    from stemkit.review.build import build_review

    count = read_spreading(workers, "loky", None).workers
    with show_count("drawing", quiet=quiet) as progress:
        result = build_review(
            folder,
            output or folder / "review",
            workers=count,
            with_audio=not no_audio,
            progress=progress,
        )
    if result is None:
        click.echo(printable(f"nothing to review: no stems below {folder}"), err=True)
        return NOTHING_TO_DO
    _tell(result, quiet=quiet)
    return SOME_FAILED if result.failures else ALL_DONE


def _tell(result: "ReviewResult", *, quiet: bool) -> None:
    for failure in result.failures:
        click.echo(printable(f"error: {failure.name}: {failure.reason}"), err=True)
    if quiet:
        return
    count = len(result.entries)
    warned = sum(1 for entry in result.entries if entry.warnings)
    tracks = f"{count} track{'' if count == 1 else 's'}"
    click.echo(f"{tracks}, {result.drawn} drawn anew, {warned} with warnings")
    click.echo(printable(result.index))
