"""Presets as TOML."""

import tomli_w
from pydantic import BaseModel

from stemkit.effects.catalogue import EffectSettings


def write_toml(preset: BaseModel) -> str:
    """Return a preset's settings that aren't at their default, and every parameter of its effects.

    So a file tells all of a chain, whatever Pedalboard's defaults become.
    """
    return tomli_w.dumps(_to_table(preset))


def _to_table(model: BaseModel) -> dict[str, object]:
    keep_defaults = isinstance(model, EffectSettings)
    return {
        name: _to_plain(value)
        for name, value in model
        if value is not None and (keep_defaults or value != type(model).model_fields[name].default)
    }


def _to_plain(value: object) -> object:
    match value:
        case BaseModel():
            return _to_table(value)
        case tuple():
            return [_to_plain(item) for item in value]
        case dict():
            return {key: _to_plain(item) for key, item in value.items()}
        case _:
            return value
