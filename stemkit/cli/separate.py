"""`stemkit separate`: songs in, stems out, or what a preset makes of them."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from stemkit.cli.run import INPUTS, RunOptions, carry_out, preset_options, run_options
from stemkit.separation.options import DeviceName, Precision

if TYPE_CHECKING:
    from stemkit.effects.schema import Preset
    from stemkit.separation.options import BatchSize
    from stemkit.storage.places import Place

DEVICES, PRECISIONS = get_args(DeviceName), get_args(Precision)


def _read_batch_size(context: click.Context, option: click.Parameter, value: str) -> "BatchSize":
    if value == "auto":
        return "auto"
    if not (value.isascii() and value.isdigit() and int(value)):
        raise click.BadParameter("give a number from 1 up, or auto")
    return int(value)


@click.command()
@INPUTS
@run_options
@click.option("-m", "--model", metavar="NAME|PATH", help="See `stemkit models list`.  "
              "[default: the preset's, or stemkit-small]")  # fmt: skip
@click.option("--stems", metavar="LIST", help="Such as vocals,accompaniment or vocals,residual.  "
              "[default: all that the model gives]")  # fmt: skip
@click.option("-p", "--preset", "preset_name", metavar="NAME|FILE",
              help="Treat and mix the stems; see `stemkit presets list`.")  # fmt: skip
@click.option("--handoff", "handoffs", metavar="LIST", help="Make projects for other programs: "
              "reaper, ardour, dawproject, audacity, bwf, ni-stems.")  # fmt: skip
@preset_options
@click.option("--device", type=click.Choice(DEVICES), default="auto", show_default=True)
@click.option("--precision", type=click.Choice(PRECISIONS), default="auto", show_default=True)
@click.option("--batch-size", metavar="N|auto", default="auto", show_default=True,
              callback=_read_batch_size, help="Segments that go through the network at once; "
              "auto is what fits in a GPU's memory, and 1 on a CPU.")  # fmt: skip
@click.option("--segment-seconds", type=click.FloatRange(0.1, 600), default=30.0, show_default=True)
@click.option("--overlap-seconds", type=click.FloatRange(0, 300), default=4.0, show_default=True)
@click.option("--guard", is_flag=True,
              help="Lower what is probably leakage in the vocals.")  # fmt: skip
@click.option("--compile", "compiled", is_flag=True, help="Compile the network for this CPU: some "
              "minutes once a model.")  # fmt: skip
def separate(
    run: RunOptions,
    inputs: "tuple[Place, ...]",
    model: str | None,
    stems: str | None,
    preset_name: str | None,
    handoffs: str | None,
    preset_dirs: tuple[Path, ...],
    allow_plugins: bool,
    device: "DeviceName",
    precision: "Precision",
    batch_size: "BatchSize",
    segment_seconds: float,
    overlap_seconds: float,
    guard: bool,
    compiled: bool,
) -> int:
    """Separate songs, or folders of songs, into stems.

    Each song's stems go to DIR/<its folder>/<its name>/<stem>.wav, at the song's own length, rate
    and channels. A file that can't be separated is reported, and the rest go on.

    Exit codes: 0 all done, 1 some failed, 2 wrong usage, 3 nothing to do, 130 interrupted.
    """
    from stemkit.batch.request import request_separation
    from stemkit.handoff.kinds import read_handoffs
    from stemkit.separation.options import EngineOptions

    preset = _read_preset(preset_name, preset_dirs, stems) if preset_name else None
    options = EngineOptions(
        _split(stems),
        device,
        precision,
        batch_size,
        segment_seconds,
        overlap_seconds,
        guard,
        compiled,
    )
    outputs = dataclasses.replace(run.outputs, handoffs=read_handoffs(handoffs) if handoffs else ())
    naming, treatment = request_separation(
        run.output, outputs, model, preset, options, allow_plugins=allow_plugins
    )
    return carry_out(inputs, naming, treatment, run)


def _split(stems: str | None) -> tuple[str, ...] | None:
    return None if stems is None else tuple(stem.strip() for stem in stems.split(","))


def _read_preset(name: str, folders: tuple[Path, ...], stems: str | None) -> "Preset":
    from stemkit.effects.preset import load_preset

    if stems is not None:
        raise click.UsageError("--preset says which stems are made; leave out --stems")
    preset = load_preset(name, folders)
    if not preset.stems:
        raise click.UsageError(f"preset {name!r} separates nothing; run: stemkit apply {name} ...")
    return preset
