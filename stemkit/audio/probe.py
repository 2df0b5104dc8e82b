"""Tell what an audio file holds without decoding it."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from stemkit.audio.complaints import reading
from stemkit.audio.container_ends import check_asf, check_matroska, check_mp4
from stemkit.audio.decode_av import describe_av
from stemkit.audio.decode_sndfile import describe_sndfile
from stemkit.audio.headers import check_flac_header, check_pcm_header, without_opus_delay
from stemkit.audio.info import AudioInfo
from stemkit.audio.mpeg import read_promised_frames
from stemkit.audio.sniff import Content, identify
from stemkit.errors import DecodeError, NotAudioError

__all__ = ["AudioInfo", "describe", "probe_audio"]


def probe_audio(path: Path) -> AudioInfo:
    """Return what the audio file `path` holds, going by its content and not by its name.

    Reads the head, and the sizes of what follows it. Raises NotAudioError for what a folder of
    music holds besides (metadata, pictures, texts, archives, videos without sound), and DecodeError
    for what is audio or is named so but is empty, cut off, unreadable or lies in its header. Where
    no header tells of a cut, only reading to the end does: see `AudioReader`.
    """
    return describe(path, identify(path))


def describe(path: Path, content: Content) -> AudioInfo:
    """Return `probe_audio` of a file whose `content` is known."""
    with reading(path):
        info = _describe(path, content)
    if info.frames == 0:
        raise DecodeError(f"{path.name!r} holds no audio; remove it")
    return info


def _describe(path: Path, content: Content) -> AudioInfo:
    match content.container:
        case "wav" | "aiff" | "caf":
            check_pcm_header(path, content.container, content.offset)
            return _describe_either(path, content)
        case "ogg":
            return _describe_either(path, content)
        case "ogg-opus":
            return without_opus_delay(path, content.offset, describe_av(path, content))
        case "flac":
            return check_flac_header(path, content.offset, describe_av(path, content))
        case "mp3":
            frames = read_promised_frames(path, content.offset)
            return replace(describe_av(path, content), frames=frames)
        case "mp4":
            return describe_av(path, content, movie_clock=check_mp4(path))
        case "matroska":
            check_matroska(path)
        case "asf":
            check_asf(path)
    return describe_av(path, content)


def _describe_either(path: Path, content: Content) -> AudioInfo:
    """Return what libsndfile makes of a file, or FFmpeg of a codec that it doesn't know."""
    try:
        return describe_sndfile(path, content)
    except DecodeError:
        with suppress(DecodeError, NotAudioError):
            return describe_av(path, content)
        raise
