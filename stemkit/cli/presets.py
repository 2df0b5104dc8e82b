"""`stemkit presets`: which presets there are, what is in them, and whether they are right."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stemkit.cli.listing import print_table, report_faults
from stemkit.cli.run import PRESET_DIR
from stemkit.errors import PresetError
from stemkit.files import replace_content

if TYPE_CHECKING:
    from stemkit.effects.folder import PresetFile


@click.group()
def presets() -> None:
    """List, show and check presets, and print their schema.

    A preset is a TOML file. It is looked up by its name in each --preset-dir, then in the folder
    STEMKIT_HOME/presets, then among those that came with stemkit; a path is taken as it is.
    """


@presets.command("list")
@PRESET_DIR
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def list_command(context: click.Context, preset_dirs: tuple[Path, ...], as_json: bool) -> None:
    """List every preset, where it is from, and what it is for."""
    from stemkit.effects.folder import list_presets
    from stemkit.effects.preset import load_preset

    rows, faults = [], []
    for file in list_presets(preset_dirs):
        try:
            rows.append((file, load_preset(file.path).summary))
        except PresetError as error:
            faults.append(str(error))
    if as_json:
        for file, summary in rows:
            click.echo(json.dumps(_to_object(file, summary)))
    else:
        _print_rows(rows)
    report_faults(context, faults)


@presets.command()
@click.argument("name", metavar="NAME|FILE")
@PRESET_DIR
@click.option("--json", "as_json", is_flag=True, help="What it says, checked, as a JSON object.")
def show(name: str, preset_dirs: tuple[Path, ...], as_json: bool) -> None:
    """Print a preset as it is, with its comments."""
    from stemkit.effects.folder import find_preset
    from stemkit.effects.preset import load_preset, read_text

    if as_json:
        click.echo(json.dumps(load_preset(name, preset_dirs).model_dump(mode="json")))
    else:
        click.echo(read_text(find_preset(name, preset_dirs)), nl=False)


@presets.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME|FILE...")
@PRESET_DIR
@click.option("--allow-plugins", is_flag=True, help="Load VST3 and Audio Unit plugins too.")
@click.pass_context
def check(
    context: click.Context,
    names: tuple[str, ...],
    preset_dirs: tuple[Path, ...],
    allow_plugins: bool,
) -> None:
    """Check presets: a line for each fault, or one that says ok."""
    verdicts = [_check_one(name, preset_dirs, allow_plugins=allow_plugins) for name in names]
    if not all(verdicts):
        context.exit(1)


@presets.command()
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Write it there.  [default: standard output]")  # fmt: skip
def schema(output: Path | None) -> None:
    """Print the JSON schema of presets, by which an editor completes and checks them."""
    from stemkit.effects.json_schema import make_json_schema

    text = json.dumps(make_json_schema(), indent=2) + "\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        _write(output, text)


def _check_one(name: str, preset_dirs: tuple[Path, ...], *, allow_plugins: bool) -> bool:
    from stemkit.effects.preset import check_preset, check_stems, list_known_sources, load_preset

    try:
        preset = load_preset(name, preset_dirs)
        if allow_plugins:
            check_preset(preset, allow_plugins=True)
        if preset.model is None:  # of some model, at least
            check_stems(preset, list_known_sources())
    except PresetError as error:
        for fault in error.args:
            click.echo(str(fault))
        return False
    click.echo(f"{preset.place}: ok")
    return True


def _write(path: Path, text: str) -> None:
    from stemkit.files import writing

    with writing(path):
        replace_content(path, text.encode())


def _to_object(file: "PresetFile", summary: str) -> dict[str, object]:
    return {
        "name": file.name,
        "origin": file.origin,
        "path": str(file.path),
        "summary": summary,
        "shadows": [str(shadowed.path) for shadowed in file.shadows],
    }


def _print_rows(rows: list[tuple["PresetFile", str]]) -> None:
    lines = [("NAME", "FROM", "SUMMARY")]
    lines += [(file.name, _describe_origin(file), summary) for file, summary in rows]
    print_table(lines)


def _describe_origin(file: "PresetFile") -> str:
    where = str(file.path.parent) if file.origin == "preset-dir" else file.origin
    hidden = ", ".join(dict.fromkeys(shadowed.origin for shadowed in file.shadows))
    return f"{where} (hides {hidden})" if hidden else where
