"""`stemkit handoff`: projects for other programs, of stems that are there already."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stemkit.cli.lines import printable
from stemkit.cli.places import LocalType
from stemkit.cli.report import ALL_DONE, NOTHING_TO_DO, SOME_FAILED

if TYPE_CHECKING:
    from stemkit.handoff.write import HandedOff


@click.command()
@click.argument("folder", metavar="DIR", type=LocalType(file_okay=False))
@click.option("--to", "wanted", metavar="LIST", required=True,
              help="Programs: reaper, ardour, dawproject, audacity, bwf, ni-stems.")  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="Only errors.")
def handoff(folder: Path, wanted: str, quiet: bool) -> int:
    """Make projects of the stems below DIR, beside them, with relative paths.

    Tracks are known by the records that `separate` leaves beside stems; without one, the audio
    files of one length in a folder are the stems of a track. The song itself comes along, muted, if
    it is still where it was. reaper makes one project of all tracks in DIR besides.

    A project that is there and was edited since stays as it is; move it away for a new one.

    Exit codes: 0 all done, 1 some failed, 2 wrong usage, 3 nothing to do.
    """
    from stemkit.handoff.folder import hand_off_folder
    from stemkit.handoff.kinds import read_handoffs

    handed_off = hand_off_folder(folder, read_handoffs(wanted))
    made, faults = tell_handoffs(handed_off, "error", quiet=quiet)
    if faults:
        return SOME_FAILED
    return ALL_DONE if made else NOTHING_TO_DO


def tell_handoffs(
    handed_off: "Iterable[tuple[Path, HandedOff | str]]", fault: str, *, quiet: bool
) -> tuple[int, int]:
    """Print what is made, and what can't be, as `fault`; return how many there are of each."""
    made, faults = 0, 0
    for place, done in handed_off:
        failed = [done] if isinstance(done, str) else done.faults
        paths = [] if isinstance(done, str) else done.paths
        for line in failed:
            click.echo(printable(f"{fault}: {place}: {line}"), err=True)
        for path in () if quiet else paths:
            click.echo(printable(path))
        made, faults = made + len(paths), faults + len(failed)
    return made, faults
