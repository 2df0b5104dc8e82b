"""Titles, covers, markers and the like, the same for every container."""

from dataclasses import dataclass, fields, replace
from pathlib import PurePath

Values = tuple[str, ...]
"""What a file says of one kind, often nothing and sometimes several things."""

FRONT_COVER = 3


@dataclass(frozen=True)
class Picture:
    """A cover or another picture; `kind` is ID3's and FLAC's number for what it shows."""

    data: bytes
    mime: str
    kind: int = FRONT_COVER
    description: str = ""


@dataclass(frozen=True)
class Tags:
    """What a song's file says of the song.

    `track` and `disc` are "3" or "3/12". What depends on a file's length or loudness, or on the
    program that made it, isn't among them.
    """

    title: Values = ()
    artist: Values = ()
    album: Values = ()
    album_artist: Values = ()
    composer: Values = ()
    track: Values = ()
    disc: Values = ()
    date: Values = ()
    genre: Values = ()
    bpm: Values = ()
    key: Values = ()
    isrc: Values = ()
    comment: Values = ()
    copyright: Values = ()
    pictures: tuple[Picture, ...] = ()

    def filled_from(self, other: "Tags") -> "Tags":
        """Return these, and of what they lack what `other` has."""
        return Tags(*(getattr(self, one.name) or getattr(other, one.name) for one in fields(self)))


TEXTS = tuple(field.name for field in fields(Tags) if field.name != "pictures")
"""The names of the fields that hold texts."""


@dataclass(frozen=True)
class Marker:
    """A marked place: its first sample, what it's called, and its length, 0 for a point."""

    frame: int
    label: str = ""
    frames: int = 0


@dataclass(frozen=True)
class Metadata:
    """What a file says besides its samples.

    `time_reference` is where it starts, in samples since midnight, and `coding_history` how it came
    to be: both only Broadcast Wave files tell. `encoded_by` is the program that made it.
    """

    tags: Tags = Tags()
    markers: tuple[Marker, ...] = ()
    time_reference: int = 0
    coding_history: str = ""
    encoded_by: str = ""

    def for_stem(self, stem: str, track: str, encoded_by: str) -> "Metadata":
        """Return what the file of a stem says, made of the song's.

        `track` stands for a title where the song has none.
        """
        titles = self.tags.title or (track,)
        tags = replace(self.tags, title=tuple(f"{title} ({stem})" for title in titles))
        return replace(self, tags=tags, encoded_by=encoded_by)


NOTHING = Metadata()


def name_program(version: str, model: str | None, preset: str | None) -> str:
    """Return who encodes a file: stemkit, the model and the preset, which may be a path."""
    parts = [f"stemkit {version}".strip()]
    parts += [f"model {model}"] if model else []
    parts += [f"preset {PurePath(preset).stem}"] if preset else []
    return ", ".join(parts)


def clean(values: object) -> Values:
    """Return those of several values that say something, as texts without NULs around them."""
    given = values if isinstance(values, list | tuple) else [values]
    texts = (str(value).replace("\0", " ").strip() for value in given if value is not None)
    return tuple(dict.fromkeys(text for text in texts if text))


def join_number(number: Values, total: Values) -> Values:
    """Return "3/12" of "3" and "12", and the number as it is where no total is to be added."""
    if not number or "/" in number[0] or not total:
        return number
    return (f"{number[0]}/{total[0]}",)


def split_number(value: str) -> tuple[str, str]:
    """Return "3" and "12" of "3/12", and "3" and "" of "3"."""
    number, _, total = value.partition("/")
    return number.strip(), total.strip()
