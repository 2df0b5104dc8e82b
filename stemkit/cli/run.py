"""What `separate` and `apply` share: the options of a run, and the run itself."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stemkit.cli.report import open_report

if TYPE_CHECKING:
    from stemkit.audio.encode import Container, OutputFormat
    from stemkit.audio.wav import BitDepth
    from stemkit.batch.jobs import Naming
    from stemkit.batch.treatment import Treatment
    from stemkit.effects.schema import OutputSettings

FORMATS = ("wav", "flac", "mp3", "ogg", "opus", "m4a")

INPUTS = click.argument(
    "inputs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="INPUT..."
)

PRESET_DIR = click.option(
    "--preset-dir", "preset_dirs", multiple=True, metavar="DIR",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Look for presets here first; may be given again.",
)  # fmt: skip
_ALLOW_PLUGINS = click.option(
    "--allow-plugins", is_flag=True,
    help="Let the preset load VST3 and Audio Unit plugins, which are programs.",
)  # fmt: skip

_RUN_OPTIONS = (
    click.option("-o", "--output", required=True, metavar="DIR",
                 type=click.Path(path_type=Path, file_okay=False), help="Where the outputs go."),
    click.option("--format", "container", type=click.Choice(FORMATS),
                 help="[default: the preset's, or wav]"),
    click.option("--bit-depth", type=click.Choice(["16", "24", "32f"]),
                 help="Of wav and flac.  [default: the preset's, or 24]"),
    click.option("--name-template", metavar="T",
                 help="Of {folder}, {track}, {stem}, {model}, and {type}, the input's extension.  "
                 "[default: {folder}/{track}/{stem}, for apply {folder}/{track}]"),
    click.option("--overwrite", is_flag=True, help="Do again what has its outputs already."),
    click.option("--dry-run", is_flag=True, help="Show what would be read and written, and stop."),
    click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout."),
    click.option("-q", "--quiet", is_flag=True, help="Only errors."),
    click.option("-v", "--verbose", is_flag=True, help="Each output, and the details of errors."),
)  # fmt: skip


@dataclass(frozen=True)
class RunOptions:
    """Where the outputs of a run go, what they are, and how it tells of itself."""

    output: Path
    container: "Container | None"
    bit_depth: "BitDepth | None"
    name_template: str | None
    overwrite: bool
    dry_run: bool
    as_json: bool
    quiet: bool
    verbose: bool

    def choose_format(self, preset: "OutputSettings | None") -> "OutputFormat":
        """Return the format asked for here, else the preset's, else wav.

        The preset's bit depth is kept in any format that has it.
        """
        from stemkit.audio.encode import BIT_DEPTHS, OutputFormat

        if preset is None:
            return OutputFormat(self.container or "wav", self.bit_depth)
        container = self.container or preset.format or "wav"
        kept = preset.bit_depth if preset.bit_depth in BIT_DEPTHS.get(container, ()) else None
        return OutputFormat(container, self.bit_depth or kept)


def preset_options(command: Callable[..., int]) -> Callable[..., int]:
    """Give `command` the options on where presets are and what they may do."""
    return PRESET_DIR(_ALLOW_PLUGINS(command))


def run_options(command: Callable[..., int]) -> Callable[..., int]:
    """Give `command` the options of a run, as its argument `run`."""

    @functools.wraps(command)
    def collect(**arguments: object) -> int:
        own = {name: arguments.pop(name) for name in RunOptions.__dataclass_fields__}
        return command(run=RunOptions(**own), **arguments)  # type: ignore[arg-type]

    return functools.reduce(
        lambda decorated, option: option(decorated), _RUN_OPTIONS[::-1], collect
    )


def carry_out(
    inputs: tuple[Path, ...], naming: "Naming", treatment: "Treatment", run: RunOptions
) -> int:
    """Plan a run, tell of it as it goes, and return its exit code."""
    from stemkit.batch.jobs import plan_jobs

    plan = plan_jobs(list(inputs), naming, overwrite=run.overwrite)
    with open_report(plan, as_json=run.as_json, quiet=run.quiet, verbose=run.verbose) as report:
        if run.dry_run or not plan.jobs:
            return report.end(ran=False)
        from stemkit.batch.runner import run_jobs

        for outcome in run_jobs(plan.jobs, treatment, report.advance):
            report.add(outcome)
        return report.end(ran=True)
