"""ID3 version 2: in MP3, AIFF and WAV."""

import re
from collections.abc import Sequence
from io import BytesIO

from mutagen import id3

from stemkit.audio.tags.metadata import TEXTS, Marker, Metadata, Picture, Tags, Values, clean

_UTF8 = id3.Encoding.UTF8
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d([ T]\d\d(:\d\d(:\d\d)?)?)?)?)?")
_COMPACT_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)")
_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")
_MOST_LISTED = 255  # chapters that a list of them can count
_FRAMES = {
    "title": id3.TIT2,
    "artist": id3.TPE1,
    "album": id3.TALB,
    "album_artist": id3.TPE2,
    "composer": id3.TCOM,
    "track": id3.TRCK,
    "disc": id3.TPOS,
    "date": id3.TDRC,
    "genre": id3.TCON,
    "bpm": id3.TBPM,
    "key": id3.TKEY,
    "isrc": id3.TSRC,
    "copyright": id3.TCOP,
}


def read_frames(tag: id3.ID3) -> Tags:
    """Return what an ID3 tag says, pictures among it."""
    texts = {name: _read_text(tag, frame.__name__) for name, frame in _FRAMES.items()}
    pictures = tuple(
        Picture(frame.data, frame.mime, int(frame.type), frame.desc)
        for frame in tag.getall("APIC")
        if frame.data and frame.mime != "-->"  # a link
    )
    whole = [text for frame in tag.getall("TXXX:DATE") for text in frame.text]
    texts["date"] = clean(whole) or texts["date"]
    return Tags(**texts, comment=_read_comments(tag), pictures=pictures)


def make_tag(metadata: Metadata, sample_rate: int, frames: int | None) -> id3.ID3:
    """Return a tag that says what `metadata` does.

    Markers are in samples of `sample_rate`, of a file of `frames`, which only they need.
    """
    tag = id3.ID3()
    for name in TEXTS:
        values = list(getattr(metadata.tags, name))
        if values and name == "comment":
            tag.add(id3.COMM(encoding=_UTF8, lang="XXX", desc="", text=values))
        elif values and name == "date":
            _add_dates(tag, values)
        elif values:
            tag.add(_FRAMES[name](encoding=_UTF8, text=values))
    for picture in metadata.tags.pictures:
        frame = id3.APIC(encoding=_UTF8, mime=picture.mime, type=picture.kind,
                         desc=picture.description, data=picture.data)  # fmt: skip
        while frame.HashKey in tag:  # it holds one picture of each description
            frame.desc += "'"
        tag.add(frame)
    if metadata.encoded_by:
        tag.add(id3.TENC(encoding=_UTF8, text=[metadata.encoded_by]))
    if frames is not None:
        _add_chapters(tag, metadata.markers, sample_rate, frames)
    return tag


def write_tag(tag: id3.ID3) -> bytes:
    """Return a tag's bytes, without room for more."""
    file = BytesIO()
    tag.save(file, padding=lambda _: 0)
    return file.getvalue()


def _read_text(tag: id3.ID3, name: str) -> Values:
    frames = tag.getall(name)
    if name == "TCON":
        return clean([genre for frame in frames for genre in frame.genres])
    return clean([text for frame in frames for text in frame.text])


def _read_comments(tag: id3.ID3) -> Values:
    """Return the comments proper: iTunes and others keep numbers in described ones.

    FFmpeg writes them as texts of the user's that are called so.
    """
    plain = [frame for frame in tag.getall("COMM") if frame.desc in ("", "ID3v1 Comment")]
    plain = plain or [one for one in tag.getall("TXXX") if one.desc.casefold() == "comment"]
    return clean([text for frame in plain for text in frame.text])


def _add_dates(tag: id3.ID3, dates: list[str]) -> None:
    """Add dates as ID3 has them, and of others the year, and the whole as a text of its own."""
    dates = [
        _COMPACT_DATE.sub(r"\1-\2-\3", date) if _COMPACT_DATE.fullmatch(date) else date
        for date in dates
    ]
    stamps = [date for date in dates if _DATE.fullmatch(date)]
    others = [date for date in dates if not _DATE.fullmatch(date)]
    years = [year[0] for date in others if (year := _YEAR.search(date))]
    if stamps or years:
        tag.add(id3.TDRC(encoding=_UTF8, text=stamps or years))
    if others:
        tag.add(id3.TXXX(encoding=_UTF8, desc="DATE", text=others))


def _add_chapters(tag: id3.ID3, markers: Sequence[Marker], sample_rate: int, frames: int) -> None:
    ends = [*(marker.frame for marker in markers), frames][1:] if markers else []
    names = [f"Marker {number}" for number in range(1, len(markers) + 1)]
    for name, marker, end in zip(names, markers, ends, strict=True):
        stop = marker.frame + marker.frames if marker.frames else max(end, marker.frame)
        tag.add(
            id3.CHAP(
                element_id=name,
                start_time=round(marker.frame * 1000 / sample_rate),
                end_time=round(stop * 1000 / sample_rate),
                start_offset=0xFFFFFFFF,
                end_offset=0xFFFFFFFF,
                sub_frames=[id3.TIT2(encoding=_UTF8, text=[marker.label])],
            )
        )
    if names:
        ordered = id3.CTOCFlags.TOP_LEVEL | id3.CTOCFlags.ORDERED
        listed = names[:_MOST_LISTED]
        tag.add(id3.CTOC(element_id="toc", flags=ordered, child_element_ids=listed, sub_frames=[]))
