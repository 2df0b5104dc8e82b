"""Where the shipped presets are."""

from pathlib import Path


def presets_folder() -> Path:
    """Return the folder of the presets that came with stemkit, wheel or editable install alike.

    The wheel has them inside the package; a checkout has them beside it.
    """
    package = Path(__file__).parents[1]
    inside = package / "presets"
    return inside if inside.is_dir() else package.parent / "presets"
