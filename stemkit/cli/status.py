"""`stemkit status`: what the ledger of an output folder knows."""

import dataclasses
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from stemkit.cli.lines import printable
from stemkit.cli.run import LEDGER_FOLDER

if TYPE_CHECKING:
    from stemkit.batch.entries import Driver, Entry
    from stemkit.batch.ledger import Ledger
    from stemkit.storage.places import Place

ORDER = ("done", "failed", "interrupted", "running", "pending")


@click.command()
@LEDGER_FOLDER
@click.option("--failed", "only_failed", is_flag=True, help="Only the songs that failed, and why.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, with every song.")
def status(folder: "Place", only_failed: bool, as_json: bool) -> int:
    """Tell what became of the songs whose outputs are in DIR.

    What a run refused before any work has failed until it is done, or gone. A run may be writing
    there meanwhile. Exit codes: 0 none failed, 1 some did.
    """
    from stemkit.batch.driving import is_driven, open_known

    with open_known(folder) as ledger:
        driver = ledger.driver() if is_driven(folder) else None
        refused = list(ledger.refused())
        failed = [*ledger.entries("failed"), *refused]
        counts = _count(ledger, driver, len(failed))
        if as_json:
            entries = failed if only_failed else [*ledger.entries(), *refused]
            click.echo(json.dumps(_to_json(ledger, driver, counts, entries)))
        else:
            if not only_failed:
                click.echo(_summarise(ledger, driver, counts))
            for entry in failed:
                click.echo(printable(f"failed {entry.source}: {entry.error}"))
    return 1 if failed else 0


def _summarise(ledger: "Ledger", driver: "Driver | None", counts: dict[str, int]) -> str:
    lines = [", ".join(f"{count} {what}" for what, count in counts.items()) or "no songs"]
    audio_seconds, seconds = ledger.total_seconds()
    if seconds:
        lines.append(f"{audio_seconds / 3600:.2f} h of audio in {seconds / 3600:.2f} h of work")
    if driver:
        lines.append(f"a run is going on: pid {driver.pid} on {driver.host}, since {driver.since}")
    return "\n".join(lines)


def _count(ledger: "Ledger", driver: "Driver | None", failed: int) -> dict[str, int]:
    """Return how many songs have each status; without a run none is running."""
    counts: dict[str, int] = dict(ledger.count().items())
    if failed:
        counts["failed"] = failed
    if driver is None and (left := counts.pop("running", 0)):
        counts["interrupted"] = counts.get("interrupted", 0) + left
    return {status: counts[status] for status in ORDER if status in counts}


def _to_json(
    ledger: "Ledger",
    driver: "Driver | None",
    counts: dict[str, int],
    entries: "Iterable[Entry]",
) -> dict[str, object]:
    return {
        "version": 1,
        "ledger": str(ledger.path),
        "run": driver and dataclasses.asdict(driver),
        "counts": counts,
        "jobs": [dataclasses.asdict(entry) for entry in entries],
    }
