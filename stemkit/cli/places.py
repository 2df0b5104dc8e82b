"""Places on the command line: paths, and URLs of stores."""

import os
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


class LocalType(click.Path):
    """A file or folder that is on this machine, also as a file:// URL."""

    def __init__(self, *, file_okay: bool = True) -> None:
        super().__init__(exists=True, file_okay=file_okay, path_type=Path)

    def convert(
        self,
        value: "str | os.PathLike[str]",
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> "str | bytes | os.PathLike[str]":
        """Return the path; what is in a store is a usage error."""
        place = read_place(os.fspath(value))
        if not isinstance(place, Path):
            self.fail(f"{value} isn't on this machine; copy it here first", param, ctx)
        return super().convert(place, param, ctx)


def read_place(text: str) -> "Place":
    """Return the place that a text names; only for a URL is anything imported.

    Raises OptionError.
    """
    if text and "://" not in text:
        return Path(text)
    from stemkit.storage.places import parse_place

    return parse_place(text)
