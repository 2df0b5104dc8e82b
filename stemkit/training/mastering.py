"""What happens to a mix before it reaches a listener: a limiter, then a lossy codec.

A song to separate is a finished master, mostly heard as mp3, aac, vorbis or opus, so the network
learns from mixes that were made the same way.
"""

import io
from dataclasses import dataclass
from typing import Literal

import av
import numpy as np
import numpy.typing as npt
import pedalboard
import soundfile
import soxr
from scipy.ndimage import minimum_filter1d, uniform_filter1d

from stemkit.samples import Samples

SILENCE = 1e-4  # a mix with a lower peak is left as it is
CEILING_DB = (-1.0, -0.1)  # where masters peak
DRIVE_DB = (1.0, 9.0)
LOOK_AHEAD_SECONDS = (0.001, 0.005)
RELEASE_SECONDS = (0.03, 0.4)
BIT_RATES = (64_000, 256_000)
CODEC_SHARES = {"mp3": 0.45, "aac": 0.25, "vorbis": 0.15, "opus": 0.15}
TAIL = 2048  # samples of silence after the mix, without which encoders drop the end
OPUS_RATE = 48_000  # Hz, the only one it takes that keeps the whole band


@dataclass(frozen=True)
class Codec:
    """An encoder of FFmpeg, the container that keeps its delay, and what makes it fast."""

    name: Literal["aac", "libopus"]
    container: str
    options: dict[str, str]


AAC = Codec("aac", "mp4", {"aac_coder": "fast"})
OPUS = Codec("libopus", "ogg", {"compression_level": "2"})
Gains = npt.NDArray[np.float64]


def limit(stems: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
    """Master the stems' sum with a look-ahead limiter, and apply its gain to each stem.

    `stems` has shape (sources, 2, frames), as has what is returned: its sum peaks at the
    drawn ceiling, 1 to 9 dB of its peaks taken off, and the stems still add up to it.
    """
    ceiling, drive = (_to_gain(rng.uniform(*bounds)) for bounds in (CEILING_DB, DRIVE_DB))
    look_ahead = round(rng.uniform(*LOOK_AHEAD_SECONDS) * sample_rate)
    release = np.exp(rng.uniform(*np.log(RELEASE_SECONDS))) * sample_rate
    peaks = np.abs(stems.sum(axis=0)).max(axis=0, initial=0)
    loudest = peaks.max(initial=0)
    if loudest < SILENCE:
        return stems.copy()
    level = ceiling * drive / loudest
    gains = _smooth(ceiling / np.maximum(peaks * level, ceiling), look_ahead, release)
    return np.asarray(stems * (level * gains).astype(np.float32))


def _smooth(gains: Gains, look_ahead: int, release: float) -> Gains:
    """Return gains that nowhere exceed `gains`, gliding down before each peak and back after it.

    The least gain of a window, averaged over that window, can't exceed the gain at its middle.
    """
    window = 2 * look_ahead + 1
    least = minimum_filter1d(gains, window, mode="nearest")
    # The reduction in dB decays by a constant factor a sample; as a logarithm it falls by a
    # constant step, which makes the recursion a running maximum.
    falling = np.arange(len(least)) / release
    reductions = np.log(np.maximum(-np.log(least), 1e-9))
    held = np.exp(-np.exp(np.maximum.accumulate(reductions + falling) - falling))
    return np.asarray(uniform_filter1d(held, window, mode="nearest"))


def encode(mix: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
    """Return (2, frames) after mp3, aac, vorbis or opus at a random bit rate, in its old place."""
    codec = rng.choice(list(CODEC_SHARES), p=list(CODEC_SHARES.values()))
    quality = rng.random()
    frames, peak = mix.shape[1], np.abs(mix).max(initial=0)
    if peak < SILENCE:
        return mix.copy()
    level = max(1.0, peak)  # encoders clip what is louder than full scale
    audio = np.pad(mix / np.float32(level), ((0, 0), (0, TAIL)))
    if codec == "mp3":
        decoded = pedalboard.MP3Compressor(9.5 - 9 * quality)(audio, sample_rate)
    elif codec == "vorbis":
        decoded = _pass_vorbis(audio, sample_rate, 0.95 - 0.85 * quality)
    elif codec == "aac":
        decoded = _pass_av(audio, sample_rate, AAC, quality)
    else:
        resampled = soxr.resample(audio.T, sample_rate, OPUS_RATE).T
        decoded = soxr.resample(
            _pass_av(resampled, OPUS_RATE, OPUS, quality).T, OPUS_RATE, sample_rate
        ).T
    return np.asarray(np.clip(decoded[:, :frames], -1, 1) * np.float32(level))  # players clip


def _pass_vorbis(audio: Samples, sample_rate: int, compression: float) -> Samples:
    memory = io.BytesIO()
    soundfile.write(
        memory, audio.T, sample_rate, "VORBIS", format="OGG", compression_level=compression
    )
    memory.seek(0)
    decoded: Samples = soundfile.read(memory, dtype="float32")[0].T
    return decoded


def _pass_av(audio: Samples, sample_rate: int, codec: Codec, quality: float) -> Samples:
    """Return the audio as FFmpeg's encoder and decoder leave it, their delay trimmed."""
    memory = io.BytesIO()
    with av.open(memory, "w", format=codec.container) as output:
        stream = output.add_stream(codec.name, sample_rate, codec.options, layout="stereo")
        stream.bit_rate = round(BIT_RATES[0] * (BIT_RATES[1] / BIT_RATES[0]) ** quality)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(audio), "fltp", "stereo")
        frame.sample_rate, frame.pts = sample_rate, 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    memory.seek(0)
    with av.open(memory, "r") as encoded:
        return np.concatenate([frame.to_ndarray() for frame in encoded.decode(audio=0)], axis=1)


def _to_gain(gain_db: float) -> float:
    return float(10 ** (gain_db / 20))
