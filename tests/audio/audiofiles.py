"""Audio files to read, written by libsndfile and by FFmpeg's libraries."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
import soundfile
from av.audio.stream import AudioStream

from stemkit.audio.decode import AudioReader
from stemkit.samples import Samples

SNDFILE_FORMATS: Mapping[str, tuple[str, str]] = {
    "wav": ("WAV", "PCM_16"),
    "24.wav": ("WAV", "PCM_24"),
    "32f.wav": ("WAV", "FLOAT"),
    "64f.wav": ("WAV", "DOUBLE"),
    "6.wav": ("WAVEX", "PCM_16"),
    "rf64": ("RF64", "PCM_16"),
    "aiff": ("AIFF", "PCM_16"),
    "24.aiff": ("AIFF", "PCM_24"),
    "32f.aiff": ("AIFF", "FLOAT"),
    "caf": ("CAF", "PCM_24"),
    "alac.caf": ("CAF", "ALAC_16"),
    "flac": ("FLAC", "PCM_16"),
    "24.flac": ("FLAC", "PCM_24"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}
FFMPEG_FORMATS: Mapping[str, tuple[str, str, dict[str, str]]] = {
    "m4a": ("aac", "ipod", {}),
    "clocked.m4a": ("aac", "ipod", {"movie_timescale": "44100"}),
    "fragmented.m4a": (
        "aac",
        "ipod",
        {"movie_timescale": "44100", "movflags": "frag_keyframe+delay_moov"},
    ),
    "alac.m4a": ("alac", "ipod", {}),
    "mp4": ("aac", "mp4", {}),
    "mka": ("aac", "matroska", {}),
    "webm": ("libopus", "webm", {}),
    "wma": ("wmav2", "asf", {}),
    "aac": ("aac", "adts", {}),
    "oga": ("flac", "ogg", {}),
    "lavf.mp3": ("libmp3lame", "mp3", {}),
    "bare.mp3": ("libmp3lame", "mp3", {"write_xing": "0", "id3v2_version": "0"}),
}
FORMATS = [*SNDFILE_FORMATS, *FFMPEG_FORMATS]


def noise(frames: int, channels: int = 2, seed: int = 0) -> Samples:
    """Return noise below 0.16 of the sample rate, in steps of 16-bit audio."""
    if frames == 0:
        return np.zeros((channels, 0), np.float32)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal((channels, frames)))
    spectrum[:, int(0.16 * frames) + 1 :] = 0
    steps = np.round(6000 * np.fft.irfft(spectrum, frames))
    return np.asarray(steps / 32768, np.float32)


def write(path: Path, samples: Samples, sample_rate: int = 44100, kind: str = "") -> Path:
    """Write `path` in the format `kind`, by default what follows the first dot of its name."""
    kind = kind or path.name.partition(".")[2]
    if kind in SNDFILE_FORMATS:
        container, subtype = SNDFILE_FORMATS[kind]
        soundfile.write(path, samples.T, sample_rate, format=container, subtype=subtype)
    else:
        codec, container, options = FFMPEG_FORMATS[kind]
        write_with_ffmpeg(path, [samples], sample_rate, codec, container, options)
    return path


def write_with_ffmpeg(
    path: Path,
    streams: list[Samples],
    sample_rate: int,
    codec: str,
    container: str,
    options: dict[str, str],
) -> None:
    """Write each of `streams` as one stream of the same file."""
    with av.open(path, "w", format=container, options=options) as output:
        encoders = [cast(AudioStream, output.add_stream(codec, rate=sample_rate)) for _ in streams]
        for encoder, samples in zip(encoders, streams, strict=True):
            encoder.layout = "mono" if len(samples) == 1 else "stereo"
            encoder.bit_rate = 96_000 * len(samples)
        for encoder, samples in zip(encoders, streams, strict=True):
            planes = np.ascontiguousarray(samples)
            frame = av.AudioFrame.from_ndarray(planes, "fltp", encoder.layout.name)
            frame.sample_rate, frame.time_base, frame.pts = sample_rate, Fraction(1, sample_rate), 0
            for part in av.AudioResampler(encoder.format.name).resample(frame):
                output.mux(encoder.encode(part))
            output.mux(encoder.encode(None))


def write_film(path: Path, samples: Samples | None) -> None:
    """Write a short Matroska video, silent without `samples`."""
    with av.open(path, "w", format="matroska") as output:
        video = output.add_stream("mpeg4", rate=25, width=32, height=32)
        sound = None if samples is None else output.add_stream("pcm_f32le", 44100, layout="stereo")
        for number in range(10):
            picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))
            picture.pts = number
            output.mux(video.encode(picture))
        output.mux(video.encode(None))
        if samples is not None and sound is not None:
            packed = np.ascontiguousarray(samples.T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(packed, "flt", "stereo")
            frame.sample_rate = 44100
            output.mux([*sound.encode(frame), *sound.encode(None)])


def read(path: Path, block_frames: int = 65536) -> Samples:
    """Return all of `path`."""
    with AudioReader(path) as reader:
        blocks = list(reader.blocks(block_frames))
    return np.concatenate(blocks, axis=1)


def lag(output: Samples, source: Samples) -> int:
    """Return by how many frames `output` is later than `source`, by cross-correlation."""
    size = output.shape[1] + source.shape[1]
    spectrum = np.fft.rfft(output[0], size) * np.fft.rfft(source[0], size).conj()
    latest = int(np.argmax(np.fft.irfft(spectrum, size)))
    return latest if latest < output.shape[1] else latest - size
