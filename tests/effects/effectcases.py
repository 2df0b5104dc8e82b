"""Settings of every effect, drawn at random within their ranges."""

import random
from collections.abc import Iterator
from typing import Any, Literal, cast, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from stemkit.effects.catalogue import EFFECTS, Chain, Effect, EffectSettings, Mix
from stemkit.effects.catalogue.base import NativeEffect

NATIVE = {
    name: model
    for name, model in EFFECTS.items()
    if issubclass(model, NativeEffect) and name != "Convolution"
}
"""The effects that can be built from numbers and choices alone."""


def limits(field: FieldInfo) -> tuple[float, float] | None:
    """Return the least and the most that a number may be; None for what isn't a number."""
    if field.annotation is not float:
        return None
    found = {
        name: getattr(rule, name)
        for rule in field.metadata
        for name in ("ge", "le")
        if hasattr(rule, name)
    }
    return found["ge"], found["le"]


def numbers(model: type[BaseModel]) -> Iterator[tuple[str, float, float]]:
    """Yield the name and the limits of each number among the parameters."""
    for name, field in model.model_fields.items():
        if bounds := limits(field):
            yield name, *bounds


def choices(model: type[BaseModel]) -> Iterator[tuple[str, tuple[object, ...]]]:
    """Yield the name and the values of each parameter that is a choice."""
    for name, field in model.model_fields.items():
        if field.annotation is bool:
            yield name, (False, True)
        elif get_origin(field.annotation) is Literal and name != "effect":
            yield name, get_args(field.annotation)


def draw_effect(random_: random.Random, depth: int = 2) -> Effect:
    """Return any effect of the catalogue with any settings."""
    name = random_.choice(sorted(EFFECTS))
    if name in ("Chain", "Mix"):
        return draw_container(random_, name, depth)
    effect: Effect = draw_settings(random_, name)
    return effect


def draw_container(random_: random.Random, name: str, depth: int) -> Effect:
    """Return a Chain or a Mix of any effects; a Mix has no Separator."""
    count = random_.randint(1, 3) if depth else 1
    inner = [
        draw_effect(random_, depth - 1) if depth else draw_settings(random_, "Gain")
        for _ in range(count)
    ]
    if name == "Chain":
        return Chain(plugins=tuple(inner))
    kept = tuple(effect for effect in inner if "Separator" not in repr(effect))
    return Mix(plugins=kept or (draw_settings(random_, "Invert"),))


def draw_settings(random_: random.Random, name: str) -> Any:
    """Return the effect `name`, which holds no others, with any settings."""
    model: type[EffectSettings] = EFFECTS[name]
    values: dict[str, object] = {
        field: min(high, max(low, round(random_.uniform(low, high), random_.randint(0, 6))))
        for field, low, high in numbers(model)
    }
    values |= {field: random_.choice(options) for field, options in choices(model)}
    match name:
        case "Convolution":
            values["impulse_response_filename"] = random_.choice(["a.wav", "rooms/hall é 1.wav"])
        case "Separator":
            values["stem"] = random_.choice(["vocals", "accompaniment"])
            values["overlap_seconds"] = round(cast(float, values["segment_seconds"]) / 3, 3)
        case "VST3Plugin" | "AudioUnitPlugin":
            values["path_to_plugin_file"] = random_.choice(
                ["/Library/a.vst3", "C:\\VST3\\a b.vst3"]
            )
            values["plugin_name"] = random_.choice([None, 'the "one"', "a\\b\tc"])
            values["parameter_values"] = random_.choice(
                [{}, {"mix level": 0.3, "on": True, "m": "x\ny"}]
            )
    return model.model_validate(values)
