"""Places on the command line: paths, and URLs of stores."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from stemkit.storage.places import Place


class PlaceType(click.ParamType):  # type: ignore[type-arg]
    """A path or a URL; a path may have to be a folder that exists."""

    name = "place"

    def __init__(self, *, existing_folder: bool = False) -> None:
        self._existing_folder = existing_folder

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> "Place":
        """Return the place; a URL of a store that can't be asked is a usage error."""
        text = str(value)
        place = read_place(text)
        if self._existing_folder and isinstance(place, Path) and not place.is_dir():
            self.fail(f"no folder {text}; check its name", param, ctx)
        return place


def read_place(text: str) -> "Place":
    """Return the place that a text names; only for a URL is anything imported.

    Raises OptionError.
    """
    if "://" not in text:
        return Path(text)
    from stemkit.storage.places import parse_place

    return parse_place(text)
