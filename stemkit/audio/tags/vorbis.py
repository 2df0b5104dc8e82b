"""Vorbis comments: in FLAC, Ogg Vorbis and Opus."""

import base64
import binascii
from collections.abc import Mapping

import mutagen.flac

from stemkit.audio.tags.metadata import (
    TEXTS,
    Marker,
    Metadata,
    Picture,
    Tags,
    clean,
    join_number,
    split_number,
)

_NAMES = {
    "album_artist": ("ALBUMARTIST", "ALBUM ARTIST"),
    "track": ("TRACKNUMBER", "TRACK"),
    "disc": ("DISCNUMBER", "DISC"),
    "date": ("DATE", "YEAR"),
    "bpm": ("BPM", "TEMPO"),
    "key": ("INITIALKEY", "KEY"),
    "comment": ("COMMENT", "DESCRIPTION"),
}
_TOTALS = {"track": ("TRACKTOTAL", "TOTALTRACKS"), "disc": ("DISCTOTAL", "TOTALDISCS")}
_PICTURE = "METADATA_BLOCK_PICTURE"


def read_comments(comments: Mapping[str, list[str]]) -> Tags:
    """Return what Vorbis comments say, pictures among them."""

    def find(names: tuple[str, ...]) -> tuple[str, ...]:
        return next((found for name in names if (found := clean(comments.get(name)))), ())

    texts = {name: find(_names_of(name)) for name in TEXTS}
    for name, totals in _TOTALS.items():
        texts[name] = join_number(texts[name], find(totals))
    pictures = (_decode_picture(text) for text in comments.get(_PICTURE) or ())
    return Tags(**texts, pictures=tuple(one for one in pictures if one))


def list_comments(metadata: Metadata, sample_rate: int) -> list[tuple[str, str]]:
    """Return comments, name and value, that say what `metadata` does, but for pictures.

    Markers are in samples of `sample_rate`.
    """
    comments = []
    for name in TEXTS:
        for value in getattr(metadata.tags, name):
            number, total = split_number(value) if name in _TOTALS else (value, "")
            comments.append((_names_of(name)[0], number))
            if total:
                comments.append((_TOTALS[name][0], total))
    for count, marker in enumerate(metadata.markers, 1):
        comments += _list_chapter(count, marker, sample_rate)
    if metadata.encoded_by:
        comments.append(("ENCODEDBY", metadata.encoded_by))
    return comments


def to_block(picture: Picture) -> mutagen.flac.Picture:
    """Return a picture as FLAC has it."""
    block = mutagen.flac.Picture()
    block.data, block.mime, block.type = picture.data, picture.mime, picture.kind
    block.desc = picture.description
    return block


def from_block(block: mutagen.flac.Picture) -> Picture:
    """Return what FLAC has as a picture."""
    return Picture(block.data, block.mime, int(block.type), block.desc)


def encode_picture(picture: Picture) -> tuple[str, str]:
    """Return the comment that holds a picture."""
    return _PICTURE, base64.b64encode(to_block(picture).write()).decode("ascii")


def _names_of(name: str) -> tuple[str, ...]:
    return _NAMES.get(name, (name.upper(),))


def _decode_picture(text: str) -> Picture | None:
    try:
        return from_block(mutagen.flac.Picture(base64.b64decode(text)))
    except (binascii.Error, ValueError, mutagen.MutagenError):  # others may be whole
        return None


def _list_chapter(count: int, marker: Marker, sample_rate: int) -> list[tuple[str, str]]:
    milliseconds = round(marker.frame * 1000 / sample_rate)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    time = f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}.{milliseconds % 1000:03}"
    return [(f"CHAPTER{count:03}", time), (f"CHAPTER{count:03}NAME", marker.label)]
