"""`stemkit separate`: songs in, stems out."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stemkit.cli.report import open_report

if TYPE_CHECKING:
    from stemkit.audio.encode import Container, OutputFormat
    from stemkit.audio.wav import BitDepth
    from stemkit.batch.jobs import Plan
    from stemkit.batch.runner import Outcome, Progress
    from stemkit.separation.options import DeviceName, EngineOptions, Precision

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
FORMATS = ("wav", "flac", "mp3", "ogg", "opus", "m4a")


@click.command()
@click.argument(
    "inputs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="INPUT..."
)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path, file_okay=False),
              metavar="DIR", help="Where the stems go.")  # fmt: skip
@click.option("-m", "--model", default="stemkit-small", show_default=True, metavar="NAME|PATH",
              help="See `stemkit models list`.")  # fmt: skip
@click.option("--stems", metavar="LIST", help="Such as vocals,accompaniment or vocals,residual.  "
              "[default: all that the model gives]")  # fmt: skip
@click.option("--format", "container", type=click.Choice(FORMATS), default="wav", show_default=True)
@click.option("--bit-depth", type=click.Choice(["16", "24", "32f"]),
              help="Of wav and flac.  [default: 24]")  # fmt: skip
@click.option("--name-template", default="{folder}/{track}/{stem}", show_default=True, metavar="T",
              help="Also {model}, and {type}, the input's extension.")  # fmt: skip
@click.option("--device", type=click.Choice(DEVICES), default="auto", show_default=True)
@click.option("--precision", type=click.Choice(PRECISIONS), default="auto", show_default=True)
@click.option("--batch-size", type=click.IntRange(1), default=1, show_default=True,
              help="Segments that go through the network at once.")  # fmt: skip
@click.option("--segment-seconds", type=click.FloatRange(0.1, 600), default=30.0, show_default=True)
@click.option("--overlap-seconds", type=click.FloatRange(0, 300), default=5.0, show_default=True)
@click.option("--overwrite", is_flag=True, help="Separate again what has its stems already.")
@click.option("--dry-run", is_flag=True, help="Show what would be read and written, and stop.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout.")
@click.option("-q", "--quiet", is_flag=True, help="Only errors.")
@click.option("-v", "--verbose", is_flag=True, help="Each output, and the details of errors.")
def separate(
    inputs: tuple[Path, ...],
    output: Path,
    model: str,
    stems: str | None,
    container: "Container",
    bit_depth: "BitDepth | None",
    name_template: str,
    device: "DeviceName",
    precision: "Precision",
    batch_size: int,
    segment_seconds: float,
    overlap_seconds: float,
    overwrite: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Separate songs, or folders of songs, into stems.

    Each song's stems go to DIR/<its folder>/<its name>/<stem>.wav, at the song's own length, rate
    and channels. A file that can't be separated is reported, and the rest go on.

    Exit codes: 0 all done, 1 some failed, 2 wrong usage, 3 nothing to do, 130 interrupted.
    """
    from stemkit.audio.encode import OutputFormat
    from stemkit.batch.jobs import Naming, plan_jobs
    from stemkit.separation.options import EngineOptions
    from stemkit.separation.stems import choose_recipes
    from stemkit.weights.models import read_sources

    wanted = tuple(stem.strip() for stem in stems.split(",")) if stems else None
    output_format = OutputFormat(container, bit_depth)
    options = EngineOptions(
        wanted,
        device,
        precision,
        batch_size,
        segment_seconds,
        overlap_seconds,
    )
    names = tuple(recipe.name for recipe in choose_recipes(read_sources(model), wanted))
    naming = Naming(output, names, output_format.extension, Path(model).stem, name_template)
    plan = plan_jobs(list(inputs), naming, overwrite=overwrite)
    with open_report(plan, as_json=as_json, quiet=quiet, verbose=verbose) as report:
        if dry_run or not plan.jobs:
            return report.end(ran=False)
        for outcome in _separate_all(plan, model, options, output_format, report.advance):
            report.add(outcome)
        return report.end(ran=True)


def _separate_all(
    plan: "Plan",
    model: str,
    options: "EngineOptions",
    output_format: "OutputFormat",
    progress: "Progress",
) -> "Iterator[Outcome]":
    from stemkit.batch.runner import run_jobs
    from stemkit.separation.engine import Engine
    from stemkit.weights.models import load_network

    engine = Engine(load_network(model), options)
    return run_jobs(plan.jobs, engine, output_format, progress)
