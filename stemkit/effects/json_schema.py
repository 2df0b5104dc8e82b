"""The schema of presets for editors, which complete and check a file by it."""

from pydantic.config import JsonDict
from pydantic.json_schema import GenerateJsonSchema

from stemkit.effects.schema import Preset


def make_json_schema() -> JsonDict:
    """Return the JSON schema of a preset, draft 2020-12, in which everything is described.

    Names that aren't safe, files that aren't there and what Pedalboard refuses are found by
    `check_preset` only.
    """
    schema = Preset.model_json_schema()
    _drop_discriminators(schema)
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "$id": "stemkit-preset-1",
        **schema,
        "title": "stemkit preset",
    }


def _drop_discriminators(node: object) -> None:
    """Leave out OpenAPI's keyword, which strict validators refuse; `oneOf` and `const` do."""
    if isinstance(node, dict):
        node.pop("discriminator", None)
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for value in inner:
        _drop_discriminators(value)
