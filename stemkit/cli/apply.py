"""`stemkit apply`: songs through a preset's chain, without separation."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from stemkit.cli.run import INPUTS, RunOptions, carry_out, preset_options, run_options

if TYPE_CHECKING:
    from stemkit.storage.places import Place


@click.command()
@click.argument("preset_name", metavar="PRESET")
@INPUTS
@run_options
@preset_options
def apply(
    run: RunOptions,
    preset_name: str,
    inputs: "tuple[Place, ...]",
    preset_dirs: tuple[Path, ...],
    allow_plugins: bool,
) -> int:
    """Send songs, or folders of songs, through the mix chain of PRESET, without separating them.

    PRESET is a name of `stemkit presets list` or a file. Each song goes to DIR/<its folder>/<its
    name>.wav, at its own length, rate and channels.

    Exit codes: 0 all done, 1 some failed, 2 wrong usage, 3 nothing to do, 130 interrupted.
    """
    from stemkit.batch.request import request_application
    from stemkit.effects.preset import load_preset

    preset = load_preset(preset_name, preset_dirs)
    if preset.stems:
        raise click.UsageError(
            f"preset {preset_name!r} treats stems; run: stemkit separate --preset {preset_name} ..."
        )
    naming, treatment = request_application(
        run.output, run.outputs, preset, allow_plugins=allow_plugins
    )
    return carry_out(inputs, naming, treatment, run)
