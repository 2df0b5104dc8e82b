"""`stemkit models`: which models there are, and getting, adding and checking their weights."""

import dataclasses
import json
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from stemkit.cli.listing import print_table, report_faults
from stemkit.errors import ModelError

if TYPE_CHECKING:
    from stemkit.weights.registry import ModelCard, Score


State = Literal["bundled", "installed", "not installed"]


@dataclass(frozen=True)
class ModelSummary:
    """A line of `models list`, and a JSON object of `models list --json`."""

    name: str
    sources: tuple[str, ...]
    size_bytes: int | None
    state: State
    licence: str


@click.group()
def models() -> None:
    """List, get, add and check models.

    A model is a card and its weights. Pulled and added ones are kept in the folder
    STEMKIT_HOME/models; without STEMKIT_HOME in the platform's cache folder.
    """


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def list_command(context: click.Context, as_json: bool) -> None:
    """List every model, and whether its weights are here."""
    from stemkit.weights.registry import list_model_names, read_card

    rows, faults = [], []
    for name in list_model_names():
        try:
            rows.append(_summarize(read_card(name)))
        except ModelError as error:
            faults.append(str(error))
    if as_json:
        for row in rows:
            click.echo(json.dumps(dataclasses.asdict(row)))
    else:
        _print_rows(rows)
    report_faults(context, faults)


@models.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="The card as one JSON object.")
def show(name: str, as_json: bool) -> None:
    """Show the card of the model NAME: stems, licence, training data, scores, citation."""
    from stemkit.weights.registry import read_card

    card = read_card(name)
    if as_json:
        click.echo(json.dumps(card.model_dump(mode="json") | dataclasses.asdict(_summarize(card))))
    else:
        _print_card(card)


@models.command()
@click.argument("name")
@click.option("--offline", is_flag=True, help="Refuse to connect; so does STEMKIT_OFFLINE=1.")
def pull(name: str, offline: bool) -> None:
    """Get the weights of the model NAME, checked against their published hash."""
    from stemkit.cli.download_bar import DownloadBar
    from stemkit.weights.cache import weights_path
    from stemkit.weights.download import PullOptions, pull_weights
    from stemkit.weights.registry import list_checkpoint_cards, read_card

    for card in list_checkpoint_cards(read_card(name)):
        with closing(DownloadBar(card.name)) as bar:
            pulled = pull_weights(card, PullOptions(offline=offline), bar)
        outcome = "pulled" if pulled else "already here and whole"
        click.echo(f"{card.name}: {outcome}: {weights_path(card)}")


@models.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--architecture", help="The network that FILE fills; not needed for .safetensors.")
@click.option("--sources", help="The stems that it gives, such as vocals,drums,bass,other.")
@click.option("--name", help="What to call it; FILE's own name otherwise.")
def add(file: Path, architecture: str | None, sources: str | None, name: str | None) -> None:
    """Add the checkpoint FILE, a bytesep .pth or stemkit's own .safetensors, as a model."""
    from stemkit.weights.add import AddOptions, add_model
    from stemkit.weights.cache import weights_path

    _check_description(file, architecture, sources)
    names = tuple(part.strip() for part in sources.split(",")) if sources else None
    card = add_model(file, AddOptions(architecture, names, name))
    click.echo(f"{card.name}: added ({', '.join(card.sources)}): {weights_path(card)}")


@models.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.pass_context
def verify(context: click.Context, names: tuple[str, ...]) -> None:
    """Check the weights of the models NAME, or of all that are here: hash and strict load."""
    from stemkit.weights.registry import list_model_names

    verdicts = [_verify_one(name, named=bool(names)) for name in names or list_model_names()]
    if not all(verdicts):
        context.exit(1)


def _verify_one(name: str, *, named: bool) -> bool:
    """Print one line on a model, nothing for one that isn't here and wasn't named."""
    from stemkit.weights.cache import is_installed
    from stemkit.weights.models import verify_model
    from stemkit.weights.registry import read_card

    try:
        card = read_card(name)
        if named or is_installed(card):
            verify_model(card)
            click.echo(f"{name}: ok")
    except ModelError as error:
        click.echo(f"{name}: bad: {error}")
        return False
    return True


def _check_description(file: Path, architecture: str | None, sources: str | None) -> None:
    from stemkit.nn.config import ARCHITECTURES, is_own_format

    known, own_format = ", ".join(ARCHITECTURES), is_own_format(file)
    if architecture is None and not own_format:
        raise click.UsageError(f"Missing option '--architecture'; choose one of: {known}")
    if architecture is not None and architecture not in ARCHITECTURES:
        raise click.UsageError(f"no architecture {architecture!r}; choose one of: {known}")
    if sources is None and not own_format:
        raise click.UsageError("Missing option '--sources', such as: --sources vocals")


def _summarize(card: "ModelCard") -> ModelSummary:
    from stemkit.weights.cache import is_bundled, is_installed, size_bytes

    here: State = "bundled" if is_bundled(card) else "installed"
    return ModelSummary(
        name=card.name,
        sources=card.sources,
        size_bytes=size_bytes(card),
        state=here if is_installed(card) else "not installed",
        licence=card.licence,
    )


def _print_rows(rows: list[ModelSummary]) -> None:
    lines = [("NAME", "STEMS", "SIZE", "STATE", "LICENCE")]
    for row in rows:
        size = _format_size(row.size_bytes)
        lines.append((row.name, ", ".join(row.sources), size, row.state, row.licence))
    print_table(lines)


def _print_card(card: "ModelCard") -> None:
    row = _summarize(card)
    facts = [
        ("name", row.name),
        ("summary", card.summary),
        ("stems", ", ".join(row.sources)),
        ("made of", ", ".join(card.members)),
        ("architecture", card.architecture or ""),
        ("size", _format_size(row.size_bytes)),
        ("state", row.state),
        ("licence", row.licence),
        ("training data", card.training_data),
        *((f"{score.stem} SDR", _format_score(score)) for score in card.scores),
        ("citation", card.citation),
        ("notes", card.notes),
    ]
    for label, fact in facts:
        if fact:
            click.echo(f"{label + ':':<20}{fact}")


def _format_score(score: "Score") -> str:
    return f"{score.sdr_db:g} dB on {score.data} ({score.reference})"


def _format_size(size_bytes: int | None) -> str:
    return "unknown" if size_bytes is None else f"{size_bytes / 1e6:.1f} MB"
