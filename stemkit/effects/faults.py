"""What is wrong with a preset, one line each: the place, the fault, the nearest right name."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from stemkit.effects.catalogue import EFFECTS
from stemkit.effects.names import shorten, suggest
from stemkit.effects.schema import MixSettings, OutputSettings, Preset, StemSettings

_TABLES: dict[str, type[BaseModel]] = {"mix": MixSettings, "output": OutputSettings}

Location = Sequence[int | str]


def explain_faults(error: ValidationError) -> list[str]:
    """Return one line for each fault that pydantic found."""
    faults = error.errors(include_url=False)
    places = [details["loc"] for details in faults]
    # A list that holds a faulty effect is called too short as well: pydantic counts valid ones.
    lines = [_explain(fault) for fault in faults if not _holds_another(fault["loc"], places)]
    return list(dict.fromkeys(lines))


def _holds_another(place: Location, places: list[tuple[int | str, ...]]) -> bool:
    return any(len(other) > len(place) and other[: len(place)] == place for other in places)


def _explain(details: ErrorDetails) -> str:
    location, explain = details["loc"], _EXPLAINERS.get(details["type"], _explain_other)
    if "parameter_values" in location[:-2]:  # one fault for each type that it could have
        location, explain = location[:-1], _must_be("a number, text in quotes, true or false")
    place = _write_place(location)
    return (f"{place}: " if place else "") + explain(details)


def _write_place(location: Location) -> str:
    """Return such as `stems.vocals.chain[2].ratio`; the tags of effects aren't in the file."""
    place = ""
    for part in _without_tags(location):
        if isinstance(part, int):
            place += f"[{part}]"
        elif part != "[key]":
            place += ("." if place else "") + _write_key(part)
    return place


def _write_key(key: str) -> str:
    return key if key and key.isprintable() and len(key) <= 80 else shorten(key)


def _without_tags(location: Location) -> Iterator[int | str]:
    before: int | str = ""
    for part in location:
        if not (isinstance(before, int) and isinstance(part, str) and part in EFFECTS):
            yield part
        before = part


def _find_table(location: Location) -> type[BaseModel]:
    """Return the model of the table that has the last key of `location`."""
    *_, before, table = ("", "", *location[:-1])
    if isinstance(before, int) and table in EFFECTS:
        effect: type[BaseModel] = EFFECTS[str(table)]
        return effect
    if len(location) == 3 and location[0] == "stems":
        return StemSettings
    return _TABLES.get(str(table)) or Preset


def _explain_unknown(details: ErrorDetails) -> str:
    table = _find_table(details["loc"])
    names = [name for name in table.model_fields if name != "effect"]
    what = "no such setting"
    if table in EFFECTS.values():
        what = f"no such parameter of {table.__name__}"
        if not names:
            return f"{what}, which has none; remove it"
    return what + suggest(str(details["loc"][-1]), names)


def _explain_unknown_effect(details: ErrorDetails) -> str:
    wrong = details["ctx"]["tag"]
    return f"no effect {shorten(wrong)}{suggest(wrong, EFFECTS)}"


def _explain_missing(details: ErrorDetails) -> str:
    if details["loc"] == ("version",):
        return "is missing; begin the file with: version = 1"
    return "is missing; add it"


def _explain_literal(details: ErrorDetails) -> str:
    choices = _find_choices(details["loc"])
    wrong = details["input"]
    if isinstance(wrong, str):
        return f"can't be {shorten(wrong)}{suggest(wrong, choices)}"
    quoted = ", ".join(f'"{choice}"' for choice in choices)
    return f"can't be {shorten(wrong)}; choose one of: {quoted}"


def _find_choices(location: Location) -> tuple[str, ...]:
    annotation = _find_table(location).model_fields[str(location[-1])].annotation
    options = [annotation, *get_args(annotation)]
    (literal,) = (option for option in options if get_origin(option) is Literal)
    return get_args(literal)


def _explain_value(details: ErrorDetails) -> str:
    return str(details["ctx"]["error"])


def _must_be(what: str) -> Callable[[ErrorDetails], str]:
    def explain(details: ErrorDetails) -> str:
        limits: dict[str, Any] = details.get("ctx", {})
        return f"must be {what.format(**limits)}, not {shorten(details['input'])}"

    return explain


def _explain_other(details: ErrorDetails) -> str:
    message = details["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return f"must be {message}, not {shorten(details['input'])}"


_EXPLAINERS: dict[str, Callable[[ErrorDetails], str]] = {
    "extra_forbidden": _explain_unknown,
    "union_tag_invalid": _explain_unknown_effect,
    "union_tag_not_found": lambda _: 'an effect needs its name, such as: effect = "Compressor"',
    "missing": _explain_missing,
    "literal_error": _explain_literal,
    "value_error": _explain_value,
    "greater_than_equal": _must_be("at least {ge:g}"),
    "less_than_equal": _must_be("at most {le:g}"),
    "finite_number": _must_be("a finite number"),
    "float_type": _must_be("a number"),
    "bool_type": _must_be("true or false"),
    "string_type": _must_be("text in quotes"),
    "string_too_short": _must_be("some text"),
    "too_short": _must_be("at least one effect"),
    "model_type": _must_be("a table"),
    "model_attributes_type": _must_be("a table with effect = ..."),
    "dict_type": _must_be("a table"),
    "tuple_type": _must_be("a list"),
}
