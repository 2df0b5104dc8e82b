"""From what a user asks for to what is done to each song: every choice made, nothing loaded."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from stemkit.audio.encode import BIT_DEPTHS, Container, OutputFormat
from stemkit.audio.wav import BitDepth
from stemkit.batch.handing import check_handoffs
from stemkit.batch.jobs import DEFAULT_TEMPLATE, Naming
from stemkit.batch.treatment import Provenance, Treatment
from stemkit.errors import ArgumentTypeError, OptionError
from stemkit.handoff.kinds import Handoff, require_handoffs
from stemkit.separation.guard import check_guard
from stemkit.separation.options import EngineOptions, check_choice, check_switch
from stemkit.separation.stems import RESIDUAL, choose_recipes
from stemkit.weights.sources import name_model, read_sources

if TYPE_CHECKING:
    from stemkit.effects.schema import OutputSettings, Preset
    from stemkit.storage.places import Place

DEFAULT_MODEL = "stemkit-small"
APPLY_TEMPLATE = "{folder}/{track}"


@dataclass(frozen=True)
class OutputOptions:
    """What outputs are and how they are named; None: as the preset says, or else the default.

    `keep_tags` is whether they say what the song's file does, `provenance` where the records of
    tracks go, and `handoffs` which programs projects are made for. Raises OptionError for one that
    isn't known.
    """

    container: Container | None = None
    bit_depth: BitDepth | None = None
    name_template: str | None = None
    keep_tags: bool = True
    provenance: Provenance = "track"
    handoffs: tuple[Handoff, ...] = ()

    def __post_init__(self) -> None:
        check_choice("provenance", self.provenance, get_args(Provenance))
        if not isinstance(self.name_template, str | None):
            raise ArgumentTypeError(f"name_template must be a text, not {self.name_template!r}")
        check_switch("keep_tags", self.keep_tags)
        if isinstance(self.handoffs, str) or not isinstance(self.handoffs, Iterable):
            raise ArgumentTypeError(f"handoffs must be a tuple of names, not {self.handoffs!r}")
        require_handoffs(self.handoffs)


def request_separation(
    output: "Place",
    options: OutputOptions,
    model: str | Path | None = None,
    preset: "Preset | None" = None,
    engine_options: EngineOptions | None = None,
    *,
    allow_plugins: bool = False,
) -> tuple[Naming, Treatment]:
    """Return how songs are separated, and how their stems are named.

    Raises OptionError, ModelError and PresetError for what can't be done.
    """
    engine_options = engine_options or EngineOptions()
    model = model or (preset and preset.model) or DEFAULT_MODEL
    sources = read_sources(model)
    if preset:
        engine_options = _follow_preset(
            preset, sources, engine_options, allow_plugins=allow_plugins
        )
    recipes = choose_recipes(sources, engine_options.stems)
    if {"vocals", "accompaniment", RESIDUAL} <= {recipe.name for recipe in recipes}:
        raise OptionError("vocals and accompaniment are the mix already; leave out residual")
    if engine_options.guard:
        check_guard(recipes)
    names = preset.outputs if preset else tuple(recipe.name for recipe in recipes)
    output_format = _choose_format(options, preset.output if preset else None)
    template = options.name_template or DEFAULT_TEMPLATE
    naming = Naming(
        output, names, output_format.extension, name_model(model), template,
        with_original=bool(options.handoffs),
    )  # fmt: skip
    treatment = Treatment(
        output_format, model, engine_options, preset, allow_plugins,
        options.keep_tags, options.provenance, options.handoffs,
    )  # fmt: skip
    check_handoffs(treatment, output)
    return naming, treatment


def request_application(
    output: "Place", options: OutputOptions, preset: "Preset", *, allow_plugins: bool = False
) -> tuple[Naming, Treatment]:
    """Return how songs are sent through a preset's mix chain, and how the results are named.

    Raises OptionError and PresetError for what can't be done.
    """
    from stemkit.effects.preset import check_plugins

    if preset.stems:
        raise OptionError(f"preset {preset.place} treats stems; separate with it instead")
    check_plugins(preset, allow_plugins=allow_plugins)
    output_format = _choose_format(options, preset.output)
    template = options.name_template or APPLY_TEMPLATE
    naming = Naming(output, preset.outputs, output_format.extension, "", template)
    return naming, Treatment(
        output_format,
        preset=preset,
        allow_plugins=allow_plugins,
        keep_tags=options.keep_tags,
        provenance=options.provenance,
    )


def _follow_preset(
    preset: "Preset",
    sources: tuple[str, ...],
    engine_options: EngineOptions,
    *,
    allow_plugins: bool,
) -> EngineOptions:
    """Return the options with the preset's stems; raises as `request_separation` does."""
    from stemkit.effects.preset import check_plugins, check_stems  # late, as it brings all effects

    if not preset.stems:
        raise OptionError(f"preset {preset.place} separates nothing; apply it instead")
    if engine_options.stems is not None:
        raise OptionError("a preset says which stems are made; leave out the stems")
    check_plugins(preset, allow_plugins=allow_plugins)
    check_stems(preset, sources)
    return dataclasses.replace(engine_options, stems=tuple(preset.stems))


def _choose_format(options: OutputOptions, preset: "OutputSettings | None") -> OutputFormat:
    """Return the format asked for, else the preset's, else wav.

    The preset's bit depth is kept in any format that has it.
    """
    if preset is None:
        return OutputFormat(options.container or "wav", options.bit_depth)
    container = options.container or preset.format or "wav"
    kept = preset.bit_depth if preset.bit_depth in BIT_DEPTHS.get(container, ()) else None
    return OutputFormat(container, options.bit_depth or kept)
