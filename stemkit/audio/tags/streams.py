"""What FFmpeg's libraries, through PyAV, find of tags and chapters in any container."""

from contextlib import suppress

import av

from stemkit.audio.info import AudioInfo
from stemkit.audio.tags.metadata import Marker, Metadata, Picture, Tags, clean, join_number

_KEYS = {
    "title": ("title",),
    "artist": ("artist", "author"),
    "album": ("album",),
    "album_artist": ("album_artist", "albumartist"),
    "composer": ("composer",),
    "track": ("track", "tracknumber", "wm/tracknumber"),
    "disc": ("disc", "discnumber", "wm/partofset"),
    "date": ("date", "year", "wm/year"),
    "genre": ("genre",),
    "bpm": ("bpm", "tbpm", "wm/beatsperminute"),
    "key": ("initialkey", "initial_key", "tkey", "wm/initialkey"),
    "isrc": ("isrc", "tsrc", "wm/isrc"),
    "comment": ("comment", "description"),
    "copyright": ("copyright",),
}
_TOTALS = {"track": ("tracktotal", "totaltracks"), "disc": ("disctotal", "totaldiscs")}
_MIMES = {"mjpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif"}


def read_streams(info: AudioInfo) -> Metadata:
    """Return the tags and the chapters that FFmpeg finds; nothing where it can't open the file."""
    try:
        if info.container in ("wav", "aiff"):
            with suppress(UnicodeDecodeError):
                return _read(info, "utf-8", "strict")
            return _read(info, "cp1252", "replace")  # as Windows programs write
        return _read(info, "utf-8", "replace")
    except (av.FFmpegError, ValueError):
        return Metadata()


def _read(info: AudioInfo, encoding: str, errors: str) -> Metadata:
    with av.open(
        f"file:{info.path}", metadata_encoding=encoding, metadata_errors=errors
    ) as container:
        texts = {key.lower(): value for key, value in container.metadata.items()}
        for stream in container.streams.audio:
            texts = {key.lower(): value for key, value in stream.metadata.items()} | texts
        return Metadata(_to_tags(texts, _read_pictures(container)), _chapters(container, info))


def _to_tags(texts: dict[str, str], pictures: tuple[Picture, ...]) -> Tags:
    def find(keys: tuple[str, ...]) -> tuple[str, ...]:
        return next((found for key in keys if (found := clean(texts.get(key)))), ())

    found = {name: find(keys) for name, keys in _KEYS.items()}
    for name, keys in _TOTALS.items():
        found[name] = join_number(found[name], find(keys))
    return Tags(**found, pictures=pictures)


def _read_pictures(container: av.container.InputContainer) -> tuple[Picture, ...]:
    """Return the pictures that are attached: streams of one packet each."""
    streams = [
        stream
        for stream in container.streams.video
        if stream.disposition & av.stream.Disposition.attached_pic
        and stream.codec_context.name in _MIMES
    ]
    pictures = []
    for stream in streams:
        packet = next(container.demux(stream), None)
        if packet is not None and packet.size:
            pictures.append(Picture(bytes(packet), _MIMES[stream.codec_context.name]))
    return tuple(pictures)


def _chapters(container: av.container.InputContainer, info: AudioInfo) -> tuple[Marker, ...]:
    markers = []
    chapters = container.chapters()
    if container.format.name.startswith("mov,") and len(chapters) > 1:
        first = chapters[0]  # unnamed, it is there for the next to begin where it does
        chapters = chapters[first["start"] == 0 and not first["metadata"].get("title") :]
    for chapter in chapters:
        frame = round(chapter["start"] * (chapter["time_base"] or 0) * info.sample_rate)
        label = chapter["metadata"].get("title", "")
        markers.append(Marker(max(frame, 0), label))
    return tuple(sorted(markers, key=lambda marker: marker.frame))
