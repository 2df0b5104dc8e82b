"""Write what a file says of itself into one that is encoded; WAV files are told before."""

import os
from pathlib import Path

import mutagen
from mutagen.aiff import AIFF
from mutagen.flac import FLAC
from mutagen.mp4 import MP4
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis

from stemkit.audio.tags.id3 import make_tag
from stemkit.audio.tags.markers import make_mark
from stemkit.audio.tags.metadata import Metadata
from stemkit.audio.tags.mp4 import fill_atoms
from stemkit.audio.tags.vorbis import encode_picture, list_comments, to_block

_FLAC_PICTURE_BYTES = 2**24 - 2**16  # of the picture itself, in a block of 16 MiB at most


def write_metadata(
    path: Path, container: str, metadata: Metadata, sample_rate: int, frames: int
) -> None:
    """Write `metadata` into a flac, ogg, opus, mp3, aiff or m4a file of no tags.

    Markers are in samples of `sample_rate`, of which the file has `frames`; those of an m4a are
    written with its samples. A picture above 16 MB, which no flac can hold, is left out there.
    Raises OSError or mutagen.MutagenError.
    """
    try:
        _write(path, container, metadata, sample_rate, frames)
    except mutagen.MutagenError as error:
        if error.args and isinstance(error.args[0], OSError):  # as on a full disk
            raise error.args[0] from error
        raise


def _write(path: Path, container: str, metadata: Metadata, sample_rate: int, frames: int) -> None:
    match container:
        case "flac":
            flac = FLAC(path)
            flac.tags.extend(list_comments(metadata, sample_rate))
            for picture in metadata.tags.pictures:
                if len(picture.data) <= _FLAC_PICTURE_BYTES:
                    flac.add_picture(to_block(picture))
            flac.save()
        case "ogg" | "opus":
            ogg = OggVorbis(path) if container == "ogg" else OggOpus(path)
            ogg.tags.extend(list_comments(metadata, sample_rate))
            ogg.tags.extend(map(encode_picture, metadata.tags.pictures))
            ogg.save()
        case "mp3":
            make_tag(metadata, sample_rate, frames).save(path)
        case "aiff":
            aiff = AIFF(path)
            aiff.add_tags()
            aiff.tags.update(make_tag(metadata, sample_rate, None))
            aiff.save()
            if metadata.markers:
                _append_mark(path, make_mark(metadata.markers))
        case "m4a":
            m4a = MP4(path)
            if m4a.tags is None:
                m4a.add_tags()
            fill_atoms(m4a.tags, metadata)
            m4a.save()


def _append_mark(path: Path, chunk: bytes) -> None:
    """Append a chunk to an AIFF file, and tell its header."""
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        file.write(chunk)
        file.seek(4)
        file.write((end + len(chunk) - 8).to_bytes(4, "big"))
