"""`stemkit retry`: the songs that failed, once more."""

from typing import TYPE_CHECKING

import click

from stemkit.cli.report import open_report
from stemkit.cli.run import (
    ALLOW_PLUGINS,
    LEDGER_FOLDER,
    SPREADING,
    TELLING,
    add_options,
    follow,
    read_spreading,
)

if TYPE_CHECKING:
    from stemkit.spreading.spread import Backend
    from stemkit.storage.places import Place


def _retry(
    folder: "Place",
    allow_plugins: bool,
    workers: str,
    backend: "Backend",
    address: str | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Do again what isn't done in the output folder DIR, as it was to be done.

    What failed, what was interrupted and what never began, with the settings that each had.

    Exit codes: 0 all done, 1 some failed, 3 nothing to do, 130 interrupted.
    """
    from stemkit.batch.run import run_left

    spreading = read_spreading(workers, backend, address)
    with open_report(as_json=as_json, quiet=quiet, verbose=verbose) as report:
        return follow(
            lambda crew: run_left(folder, crew, report.plan, allow_plugins=allow_plugins),
            spreading,
            report,
        )


retry = click.command("retry")(
    add_options(_retry, (LEDGER_FOLDER, ALLOW_PLUGINS, *SPREADING, *TELLING))
)
