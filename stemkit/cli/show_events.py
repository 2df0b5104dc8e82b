"""`stemkit events` and `stemkit provenance`: the schemas of what stemkit tells programs."""

import json
from typing import Any

import click


@click.command()
def events() -> None:
    """Print the JSON schema of the objects that --json prints, one a line."""
    from stemkit.cli.events import Event

    _print_schema(Event)


@click.command()
def provenance() -> None:
    """Print the JSON schema of provenance.json, of one track or of a run."""
    from stemkit.tracks.record import RunRecord, TrackRecord

    _print_schema(TrackRecord | RunRecord)


def _print_schema(kind: Any) -> None:
    from pydantic import TypeAdapter

    schema = TypeAdapter(kind).json_schema(mode="serialization")
    click.echo(
        json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2)
    )
