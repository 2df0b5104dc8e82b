"""The pages of a review as text: the table of all tracks, and a page for each."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stemkit.review.drawing import THUMBNAIL
from stemkit.review.entries import Entry
from stemkit.tracks.colours import colour_of

ASSETS = Path(__file__).parent / "assets"
STATIC = ("review.css", "mixer.js", "player.js", "table.js")
"""What pages load besides pictures and audio."""


@dataclass(frozen=True)
class Failure:
    """A track, or a file that should be of one, that has no page, and why, in a line."""

    name: str
    reason: str


def hash_static() -> str:
    """Return what tells the static files of this version from others'."""
    content = b"".join((ASSETS / name).read_bytes() for name in STATIC)
    return hashlib.sha256(content).hexdigest()[:8]


def render_index(
    name: str, entries: Sequence[Entry], failures: Sequence[Failure], static: str
) -> str:
    """Return the page of all tracks; `static` is the folder of the static files beside it."""
    return _render(
        "index.html",
        root="",
        static=static,
        name=name,
        entries=entries,
        failures=failures,
        thumbnail=THUMBNAIL,
    )


def render_track(entry: Entry, before: Entry | None, after: Entry | None, static: str) -> str:
    """Return the page of a track, with links to those before and after it."""
    return _render("track.html", root="../", static=static, entry=entry, before=before, after=after)


def _render(template: str, **values: object) -> str:
    text = _load_templates().get_template(template).render(values)
    # The names of files may hold halves of characters, which no page can.
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


@cache
def _load_templates() -> Environment:
    templates = Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(
        clock=format_clock,
        colour=lambda stem: colour_of(stem).hex,
        decibels=format_decibels,
        hours=_format_hours,
        percent_of=lambda part, whole: f"{100 * part / whole:.4f}%",
        pretty=lambda value: json.dumps(value, indent=1, ensure_ascii=False),
    )
    return templates


def format_clock(seconds: float, digits: int = 0) -> str:
    """Return a time as 4:07 or 1:02:03, or with a digit as 4:07.5; what is less is dropped."""
    tenths = int(seconds * 10 + 1e-6)
    minutes, rest = divmod(tenths, 600)
    tail = f"{rest // 10:02d}.{rest % 10}" if digits else f"{rest // 10:02d}"
    return f"{minutes}:{tail}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{tail}"


def format_decibels(value: float | None) -> str:
    """Return a level with one digit and a true minus; a dash for what isn't known."""
    if value is None:
        return "\N{EN DASH}"
    return f"{round(value, 1) + 0.0:.1f}".replace("-", "\N{MINUS SIGN}")


def _format_hours(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
