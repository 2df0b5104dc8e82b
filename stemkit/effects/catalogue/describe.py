"""The way back: from a plugin to its settings."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from pydantic import ValidationError

from stemkit.effects.catalogue.base import EffectSettings, NativeEffect
from stemkit.effects.catalogue.containers import EFFECTS, Chain, Mix
from stemkit.effects.catalogue.processors import Separator
from stemkit.effects.catalogue.space import Convolution
from stemkit.errors import PresetError
from stemkit.weights.sources import as_path

if TYPE_CHECKING:
    import pedalboard

    from stemkit.effects.catalogue.containers import Effect
    from stemkit.separation.processor import Processor


def describe_plugin(
    plugin: "pedalboard.Plugin | Processor", folder: Path | None = None
) -> "Effect":
    """Return the settings from which `build` makes a plugin like this one.

    Numbers are the shortest decimals that Pedalboard reads back as they are. An impulse response
    is named relative to `folder`. Raises PresetError for what isn't data: an impulse response that
    is an array or outside `folder`, a separator with a network instead of a model's name, an
    instrument, a class that isn't in the catalogue.
    """
    from stemkit.separation.processor import Processor

    try:
        if isinstance(plugin, Processor):
            return _describe_processor(plugin, folder)
        return _describe_native(plugin, folder)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise PresetError(
            f"{plugin!r} can't be part of a preset: {place}: {first['msg']}"
        ) from error


def _describe_processor(plugin: "Processor", folder: Path | None) -> "Effect":
    from stemkit.effects.board import Board
    from stemkit.separation.separator import Separator as SeparatorProcessor

    if isinstance(plugin, Board):
        return Chain(plugins=tuple(describe_plugin(inner, folder) for inner in plugin))
    if not isinstance(plugin, SeparatorProcessor):
        raise PresetError(f"{plugin!r} can't be part of a preset; only stemkit's processors can")
    if not isinstance(plugin.model, str | Path):
        raise PresetError(f"{plugin!r} has a network of its own; give it a model's name")
    path = as_path(plugin.model)
    return Separator(
        stem=plugin.stem,
        model=str(plugin.model if path is None else path.resolve()),
        segment_seconds=plugin.segment_seconds,
        overlap_seconds=plugin.overlap_seconds,
        guard=plugin.guard,
    )


def _describe_native(plugin: Any, folder: Path | None) -> "Effect":
    import pedalboard

    if isinstance(plugin, pedalboard.ExternalPlugin):
        raise PresetError(
            f"Pedalboard doesn't tell which file {plugin!r} is from; name it in a preset by hand"
        )
    if isinstance(plugin, pedalboard.Mix):
        return Mix(plugins=tuple(describe_plugin(inner, folder) for inner in plugin))
    if isinstance(plugin, pedalboard.Chain):
        return Chain(plugins=tuple(describe_plugin(inner, folder) for inner in plugin))
    if isinstance(plugin, pedalboard.Convolution):
        return _describe_convolution(plugin, folder)
    model = EFFECTS.get(type(plugin).__name__)
    if type(plugin) is not getattr(pedalboard, type(plugin).__name__, None) or model is None:
        raise PresetError(f"{plugin!r} can't be part of a preset; only Pedalboard's effects can")
    return _describe_parameters(plugin, model)


def _describe_parameters(plugin: Any, model: type[EffectSettings]) -> "Effect":
    if not issubclass(model, NativeEffect):
        raise PresetError(f"{plugin!r} can't be part of a preset; only Pedalboard's effects can")
    values = {}
    for name in model.model_fields.keys() - {"effect"}:
        value = getattr(plugin, name)
        if isinstance(value, float):
            values[name] = _shortest(plugin, name, value)
        else:
            values[name] = value if isinstance(value, bool) else value.name
    return cast("Effect", model.model_validate(values))


def _shortest(plugin: Any, name: str, value: float) -> float:
    """Return the shortest decimal from which a new plugin has `value`."""
    for candidate in _candidates(value):
        with suppress(ValueError, RuntimeError):
            if getattr(type(plugin)(**{name: candidate}), name) == value:
                return candidate
    return value


def _candidates(value: float) -> Iterator[float]:
    """Yield ever longer decimals, then neighbours in float32.

    An equalizer keeps its gain as a factor, and what it gives back may be a few steps beside what
    it was given.
    """
    yield from (float(f"{value:.{digits}g}") for digits in range(1, 18))
    below = above = np.float32(value)
    for _ in range(8):
        below, above = np.nextafter(below, -np.inf), np.nextafter(above, np.inf)
        yield from (float(str(below)), float(str(above)))


def _describe_convolution(plugin: Any, folder: Path | None) -> Convolution:
    filename = plugin.impulse_response_filename
    if filename is None:
        raise PresetError(
            f"{plugin!r} has its impulse response from an array; load it from a file instead"
        )
    path = Path(filename).resolve()
    if folder is None or not path.is_relative_to(folder.resolve()):
        raise PresetError(
            f"the impulse response {filename!r} is outside the preset's folder "
            f"({folder or 'which it has none of'}); put it there"
        )
    return Convolution(
        impulse_response_filename=path.relative_to(folder.resolve()).as_posix(),
        mix=float(str(np.float32(plugin.mix))),
    )
