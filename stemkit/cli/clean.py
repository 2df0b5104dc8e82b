"""`stemkit clean`: remove what a killed run left."""

from typing import TYPE_CHECKING

import click

from stemkit.cli.run import LEDGER_FOLDER

if TYPE_CHECKING:
    from stemkit.storage.places import Place


@click.command()
@LEDGER_FOLDER
def clean(folder: "Place") -> int:
    """Remove the temporary files that a killed run left in the output folder DIR.

    A run does this by itself for the songs that it takes up again. The ledger forgets songs that
    aren't done and whose files aren't there any more. Outputs stay.
    """
    from stemkit.batch.cleaning import forget_gone, recover, remove_partials
    from stemkit.batch.driving import drive, require_ledger

    require_ledger(folder)
    with drive(folder) as ledger:
        removed = list(remove_partials(folder))
        recover(ledger, folder)
        forgotten = forget_gone(ledger)
    for path, _ in removed:
        click.echo(f"removed {path}")
    megabytes = sum(size for _, size in removed) / 1e6
    click.echo(f"{len(removed)} temporary files removed, {megabytes:.1f} MB")
    if forgotten:
        click.echo(f"songs forgotten that are gone and weren't done: {forgotten}")
    return 0
