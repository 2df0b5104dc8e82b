"""Tags as other programs write them: each container's own names, straight through mutagen."""

import base64
import io
import struct
from pathlib import Path
from typing import Any

from mutagen import id3
from mutagen.aiff import AIFF
from mutagen.flac import FLAC, Picture
from mutagen.mp3 import MP3
from mutagen.mp4 import MP4, MP4Cover, MP4FreeForm
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis
from mutagen.wave import WAVE

CONTAINERS = ("wav", "aiff", "flac", "ogg", "opus", "mp3", "m4a")

SAID = {
    "title": "Réponse & <Frage>",
    "artist": "Björk 東京",
    "album": "The Album",
    "album_artist": "Various",
    "composer": "J. S. Bach",
    "track": "3/12",
    "disc": "1/2",
    "date": "1999-12-31",
    "genre": "Ska",
    "bpm": "127",
    "key": "F#m",
    "isrc": "USRC17607839",
    "comment": "A comment; with 'quotes'",
    "copyright": "2001 Label",
}
_ID3 = {
    "title": "TIT2", "artist": "TPE1", "album": "TALB", "album_artist": "TPE2", "composer": "TCOM",
    "track": "TRCK", "disc": "TPOS", "date": "TDRC", "genre": "TCON", "bpm": "TBPM", "key": "TKEY",
    "isrc": "TSRC", "comment": "COMM", "copyright": "TCOP",
}  # fmt: skip
_VORBIS = {
    "title": "title", "artist": "artist", "album": "album", "album_artist": "albumartist",
    "composer": "composer", "date": "date", "genre": "genre", "bpm": "bpm", "key": "initialkey",
    "isrc": "isrc", "comment": "comment", "copyright": "copyright",
}  # fmt: skip
_MP4 = {
    "title": "\xa9nam", "artist": "\xa9ART", "album": "\xa9alb", "album_artist": "aART",
    "composer": "\xa9wrt", "date": "\xa9day", "genre": "\xa9gen", "comment": "\xa9cmt",
    "copyright": "cprt",
}  # fmt: skip
_MP4_FREE = {"key": "initialkey", "isrc": "ISRC"}


def make_png() -> bytes:
    """Return a picture of one pixel."""
    import zlib

    def chunk(name: bytes, body: bytes) -> bytes:
        whole = name + body
        return struct.pack(">I", len(body)) + whole + struct.pack(">I", zlib.crc32(whole))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0\xff\x80\x40")
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


ART = make_png()


def write_tags(path: Path, container: str) -> None:
    """Tag a file with `SAID` and `ART`, and with what must not be carried on."""
    if container in ("wav", "aiff", "mp3"):
        _write_id3(path, container)
    elif container == "m4a":
        _write_mp4(path)
    else:
        _write_vorbis(path, container)


def read_tags(path: Path, container: str) -> dict[str, list[str]]:
    """Return all that a file says, by the names of `SAID`; `encoded_by` and `art` too."""
    if container in ("wav", "aiff", "mp3"):
        return _read_id3(path, container)
    return _read_mp4(path) if container == "m4a" else _read_vorbis(path, container)


def _write_id3(path: Path, container: str) -> None:
    kinds: dict[str, Any] = {"wav": WAVE, "aiff": AIFF, "mp3": MP3}
    file = kinds[container](path)
    file.add_tags()
    for name, frame in _ID3.items():
        if name != "comment":
            file.tags.add(getattr(id3, frame)(encoding=3, text=[SAID[name]]))
    file.tags.add(id3.COMM(encoding=3, lang="eng", desc="", text=[SAID["comment"]]))
    file.tags.add(id3.COMM(encoding=3, lang="eng", desc="iTunNORM", text=[" 000001"]))
    file.tags.add(id3.TXXX(encoding=3, desc="replaygain_track_gain", text=["-7 dB"]))
    file.tags.add(id3.TLEN(encoding=3, text=["123000"]))
    file.tags.add(id3.TENC(encoding=3, text=["iTunes"]))
    file.tags.add(id3.APIC(encoding=3, mime="image/png", type=3, desc="", data=ART))
    file.save()


def _read_id3(path: Path, container: str) -> dict[str, list[str]]:
    kinds: dict[str, Any] = {"wav": WAVE, "aiff": AIFF, "mp3": MP3}
    names = {frame: name for name, frame in _ID3.items()} | {"TENC": "encoded_by"}
    found: dict[str, list[str]] = {}
    for frame in kinds[container](path).tags.values():
        if frame.FrameID == "APIC":
            found.setdefault("art", []).append(frame.data.hex())
        else:
            name = names.get(frame.FrameID, frame.FrameID)
            found.setdefault(name, []).extend(str(text) for text in getattr(frame, "text", ["?"]))
    return found


def _write_vorbis(path: Path, container: str) -> None:
    kinds: dict[str, Any] = {"flac": FLAC, "ogg": OggVorbis, "opus": OggOpus}
    file = kinds[container](path)
    for name, comment in _VORBIS.items():
        file[comment] = [SAID[name]]
    file["tracknumber"], file["tracktotal"] = SAID["track"].split("/")
    file["discnumber"], file["totaldiscs"] = SAID["disc"].split("/")
    file["replaygain_track_gain"], file["length"], file["encoder"] = "-7 dB", "123", "X"
    picture = Picture()
    picture.data, picture.mime, picture.type = ART, "image/png", 3
    if container == "flac":
        file.add_picture(picture)
    else:
        file["metadata_block_picture"] = base64.b64encode(picture.write()).decode()
    file.save()


def _read_vorbis(path: Path, container: str) -> dict[str, list[str]]:
    kinds: dict[str, Any] = {"flac": FLAC, "ogg": OggVorbis, "opus": OggOpus}
    file = kinds[container](path)
    names = {comment: name for name, comment in _VORBIS.items()} | {"encodedby": "encoded_by"}
    comments: dict[str, list[str]] = {}
    for comment, value in file.tags:
        comments.setdefault(names.get(comment.lower(), comment.lower()), []).append(value)
    for number, total, name in (
        ("tracknumber", "tracktotal", "track"),
        ("discnumber", "disctotal", "disc"),
    ):
        if number in comments:
            comments[name] = [f"{comments.pop(number)[0]}/{comments.pop(total)[0]}"]
    pictures = [Picture(base64.b64decode(b)) for b in comments.pop("metadata_block_picture", [])]
    pictures += file.pictures if container == "flac" else []
    if pictures:
        comments["art"] = [picture.data.hex() for picture in pictures]
    comments.pop("encoder", None)  # libopus's and libvorbis's own
    return comments


def _write_mp4(path: Path) -> None:
    file = MP4(path)
    if file.tags is None:
        file.add_tags()
    for name, atom in _MP4.items():
        file[atom] = [SAID[name]]
    for name, free in _MP4_FREE.items():
        file[f"----:com.apple.iTunes:{free}"] = [MP4FreeForm(SAID[name].encode())]
    file["trkn"], file["disk"], file["tmpo"] = [(3, 12)], [(1, 2)], [127]
    file["----:com.apple.iTunes:replaygain_track_gain"] = [MP4FreeForm(b"-7 dB")]
    file["\xa9too"] = ["iTunes"]
    file["covr"] = [MP4Cover(ART, MP4Cover.FORMAT_PNG)]
    file.save()


def _read_mp4(path: Path) -> dict[str, list[str]]:
    names = {atom: name for name, atom in _MP4.items()} | {"\xa9too": "encoded_by"}
    names |= {f"----:com.apple.iTunes:{free}": name for name, free in _MP4_FREE.items()}
    found: dict[str, list[str]] = {}
    for atom, values in MP4(path).tags.items():
        if atom == "covr":
            found["art"] = [bytes(value).hex() for value in values]
        elif atom in ("trkn", "disk"):
            found["track" if atom == "trkn" else "disc"] = [f"{n}/{total}" for n, total in values]
        elif atom == "tmpo":
            found["bpm"] = [str(value) for value in values]
        elif atom == "----:com.apple.iTunes:BPM":
            found["exact_bpm"] = [bytes(value).decode() for value in values]
        else:
            texts = [v.decode() if isinstance(v, bytes) else str(v) for v in values]
            found[names.get(atom, atom)] = texts
    return found


def read_id3_bytes(data: bytes) -> id3.ID3:
    """Return the tag that these bytes are."""
    return id3.ID3(io.BytesIO(data))
