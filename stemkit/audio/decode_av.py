"""Decode with FFmpeg's libraries, through PyAV: all that libsndfile can't, and mp3, FLAC and Opus.

Measured with libsndfile 1.2.2 and soundfile 0.14, and why those three come here: of an mp3 whose
bit rate varies and that has no Xing tag less than half is read, of two mp3 files in one the first,
of FLAC with a header that is too short only what that says, of FLAC of unknown length nothing; the
end of an Opus file comes out wrong when it's read in blocks; and libmpg123 writes to stderr.

Only local files are opened, and only by the demuxer that the content calls for, so that no playlist
or address in a file is ever followed.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition

from stemkit.audio.complaints import check_layout, contradiction, damaged
from stemkit.audio.info import ROUNDED_FRAMES, AudioInfo
from stemkit.audio.sniff import Container, Content, claims_audio
from stemkit.errors import DecodeError, NotAudioError
from stemkit.samples import Samples

_DEMUXERS: dict[Container, str] = {
    "aac": "aac",
    "aiff": "aiff",
    "asf": "asf",
    "caf": "caf",
    "flac": "flac",
    "matroska": "matroska",
    "mp3": "mp3",
    "mp4": "mov",
    "ogg": "ogg",
    "ogg-flac": "ogg",
    "ogg-opus": "ogg",
    "wav": "wav",
}
_WITHOUT_END = ("aac", "mp3")  # streams whose last packet may be cut, or be followed by tags

_ITUNES_GAPLESS = re.compile(r"(?:\s*[0-9A-Fa-f]{8}){3}\s+([0-9A-Fa-f]{16})\s")
_MAX_PRIMING = 4096  # samples of delay and padding that a stated length may or may not include


def describe_av(path: Path, content: Content, movie_clock: int = 0) -> AudioInfo:
    """Return the format of the first frame, and the length if an MP4 or Ogg container states it.

    `movie_clock` is the ticks a second in which an MP4 file states lengths, if known.
    Raises NotAudioError for a video without sound, and DecodeError for what can't be decoded.
    """
    with _open_stream(path, content) as (container, stream):
        frame = next(_decode(container, stream, content), None)
        if frame is None:
            raise DecodeError(f"{path.name!r} holds no audio; remove it")
        check_layout(path, frame.sample_rate, frame.layout.nb_channels)
        frames, frames_are_exact = None, True
        if content.container == "mp4":
            frames, frames_are_exact = _mp4_frames(container, stream, movie_clock)
        elif content.container in ("ogg-flac", "ogg-opus"):
            frames = _stated_frames(stream)
        return AudioInfo(
            path=path,
            sample_rate=frame.sample_rate,
            channels=frame.layout.nb_channels,
            frames=frames,
            container=content.container,
            codec=stream.codec_context.codec.canonical_name,
            decoder="av",
            frames_are_exact=frames_are_exact,
            tracks=len(container.streams.audio),
        )


def read_av(path: Path, content: Content, info: AudioInfo) -> Iterator[Samples]:
    """Yield the audio, a codec's frame at a time.

    Raises DecodeError, for damage and for a rate or channel count other than `info` says.
    """
    with _open_stream(path, content) as (container, stream):
        for frame, audible in _trim(_decode(container, stream, content), stream, info):
            if (frame.sample_rate, frame.layout.nb_channels) != (info.sample_rate, info.channels):
                raise DecodeError(
                    f"{path.name!r} changes midway from {info.channels} channels at "
                    f"{info.sample_rate} Hz to {frame.layout.nb_channels} at {frame.sample_rate} "
                    "Hz; split it there"
                )
            yield np.ascontiguousarray(_to_samples(frame)[:, audible])


@contextmanager
def _open_stream(path: Path, content: Content) -> Iterator[tuple[InputContainer, AudioStream]]:
    options = {"protocol_whitelist": "file", "skip_initial_bytes": str(content.offset)}
    demuxer = _DEMUXERS[content.container]
    try:
        # With "file:" no name is taken for an address.
        with av.open(
            f"file:{path}", format=demuxer, options=options, metadata_errors="replace"
        ) as container:
            yield container, _choose_stream(path, container)
    except av.FFmpegError as error:
        raise damaged(path, error.strerror or "no reason given") from error


def _choose_stream(path: Path, container: InputContainer) -> AudioStream:
    """Return the audio stream that is marked as the default, else the first."""
    streams = container.streams.audio
    if not streams and claims_audio(path):
        raise DecodeError(f"{path.name!r} has the name of an audio file, but holds no audio stream")
    if not streams:
        raise NotAudioError(f"{path.name!r} is a picture or a video without sound")
    stream = next((s for s in streams if s.disposition & Disposition.default), streams[0])
    if getattr(stream, "codec_context", None) is None:
        raise DecodeError(
            f"{path.name!r} holds audio in an unknown codec or copy-protected; convert it"
        )
    return stream


def _mp4_frames(
    container: InputContainer, stream: AudioStream, movie_clock: int
) -> tuple[int | None, bool]:
    """Return the stated length, and whether it is exact.

    It is if an iTunSMPB tag says it, or an edit list in a clock that ticks with the samples. Most
    clocks tick each millisecond; and the edit list of a fragmented file (of 0 frames) is empty.
    """
    frames = _stated_frames(stream)
    tag = _ITUNES_GAPLESS.match(container.metadata.get("iTunSMPB", ""))
    if tag and frames and abs(int(tag[1], 16) - frames) <= _MAX_PRIMING:
        return int(tag[1], 16), True
    is_exact = movie_clock > 0 and movie_clock % stream.sample_rate == 0 and stream.frames > 0
    return frames, is_exact


def _stated_frames(stream: AudioStream) -> int | None:
    if not stream.duration or stream.time_base is None:
        return None
    return round(stream.duration * stream.time_base * stream.sample_rate)


def _decode(
    container: InputContainer, stream: AudioStream, content: Content
) -> Iterator[av.AudioFrame]:
    """Yield decoded frames; what can't be decoded after the last of an mp3 or aac isn't damage."""
    damage = None
    for packet in container.demux(stream):
        try:
            frames = stream.codec_context.decode(packet)
        except av.InvalidDataError as error:
            if content.container not in _WITHOUT_END:
                raise
            damage = damage or error
            continue
        if frames and damage:
            raise damage
        yield from frames


def _trim(
    frames: Iterator[av.AudioFrame], stream: AudioStream, info: AudioInfo
) -> Iterator[tuple[av.AudioFrame, slice]]:
    """Say which samples of each frame are audio, where FFmpeg leaves delay or padding.

    Raises DecodeError where more than padding follows the stated end.
    """
    end = info.frames if info.frames_are_exact and info.container in ("mp3", "mp4") else None
    position = 0
    for frame, is_last in _mark_last(frames):
        start = _leftover_delay(frame, stream) if info.container == "mp3" else 0
        stop = _stated_samples(frame) if info.container == "mp4" and is_last else frame.samples
        audible = stop if end is None else min(stop, start + end - position)
        if start < audible:
            yield frame, slice(start, audible)
        position += max(stop - start, 0)
    if end is not None and position > end + ROUNDED_FRAMES:
        raise contradiction(info.path, f"{end} frames, where {position} are there")


def _mark_last(frames: Iterator[av.AudioFrame]) -> Iterator[tuple[av.AudioFrame, bool]]:
    frame = next(frames, None)
    while frame is not None:
        following = next(frames, None)
        yield frame, following is None
        frame = following


def _leftover_delay(frame: av.AudioFrame, stream: AudioStream) -> int:
    """Return how many samples lie before the audio; not 0 in mp3 files of less than a frame."""
    if frame.pts is None or frame.time_base is None or stream.start_time is None:
        return 0
    return max(round((stream.start_time - frame.pts) * frame.time_base * frame.sample_rate), 0)


def _stated_samples(frame: av.AudioFrame) -> int:
    """Return the samples before the padding of a last frame: its packet's duration says so."""
    if not frame.duration or frame.time_base is None:
        return frame.samples
    return min(round(frame.duration * frame.time_base * frame.sample_rate), frame.samples)


def _to_samples(frame: av.AudioFrame) -> Samples:
    # PyAV 18 reads past the pointers to the planes of a frame if there are 8 or more.
    if frame.format.is_planar and frame.layout.nb_channels >= 8:
        frame = av.AudioResampler(frame.format.packed.name).resample(frame)[0]
    array = frame.to_ndarray()
    if not frame.format.is_planar:
        array = array.reshape(frame.samples, -1).T
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    full_scale = 2.0 ** (8 * array.itemsize - 1)
    offset = full_scale if array.dtype.kind == "u" else 0.0
    return ((array - offset) / full_scale).astype(np.float32)
