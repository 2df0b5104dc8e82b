"""`stemkit events`: the schema of what `--json` prints."""

import json

import click


@click.command()
def events() -> None:
    """Print the JSON schema of the objects that --json prints, one a line."""
    from pydantic import TypeAdapter

    from stemkit.cli.events import Event

    schema = TypeAdapter(Event).json_schema(mode="serialization")
    click.echo(
        json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2)
    )
