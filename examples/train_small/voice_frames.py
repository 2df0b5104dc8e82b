"""Take a voice apart with the WORLD vocoder, change it, and put it together again.

A voice is frames of 5 ms: its pitch, the power spectrum of the vocal tract and the share of
noise at each frequency (M. Morise et al., WORLD, 2016). Needs PyPI's pyworld with setuptools
below 81.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import soxr
from sounds import SAMPLE_RATE

try:
    import pyworld
except ImportError as error:  # pyworld itself needs pkg_resources
    sys.exit(f"can't import pyworld ({error}); run: pip install pyworld 'setuptools<81'")

FRAME_SECONDS = 0.005
TOP_HZ = 9000  # speech sampled at 22.05 kHz is whole up to here
BAND_HZ = 1000
TOP_BAND = TOP_HZ // BAND_HZ
SILENCE = 1e-14  # power that is inaudible, yet has a logarithm

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Frames:
    """One voice; `envelope` and `noise` have shape (frames, bins), bins up to 22.05 kHz."""

    pitch_hz: Floats  # 0 where unvoiced
    envelope: Floats
    noise: Floats

    def take(self, places: Floats) -> "Frames":
        """Return the frames at fractional `places`, the nearer frame's voicing with them."""
        places = np.clip(places, 0, len(self.pitch_hz) - 1)
        below = places.astype(int)
        above = np.minimum(below + 1, len(self.pitch_hz) - 1)
        share = (places - below)[:, None]
        envelope = self.envelope[below] * (1 - share) + self.envelope[above] * share
        noise = self.noise[below] * (1 - share) + self.noise[above] * share
        return Frames(self.pitch_hz[np.rint(places).astype(int)], envelope, noise)


def prepare(audio: Floats, rate: int) -> Floats:
    """Return (frames, channels) as mono at 44.1 kHz, its loudest sample 0.5."""
    mono = soxr.resample(audio.mean(axis=1), rate, SAMPLE_RATE)
    return np.asarray(mono * 0.5 / max(np.abs(mono).max(initial=0), 1e-3))


def analyze(audio: Floats) -> Frames:
    """Return the frames of a mono voice at 44.1 kHz."""
    options = {"frame_period": FRAME_SECONDS * 1000, "f0_floor": 71.0, "f0_ceil": 800.0}
    rough_hz, times = pyworld.dio(audio, SAMPLE_RATE, **options)
    pitch_hz = pyworld.stonemask(audio, rough_hz, times, SAMPLE_RATE)
    envelope = pyworld.cheaptrick(audio, pitch_hz, times, SAMPLE_RATE)
    noise = pyworld.d4c(audio, pitch_hz, times, SAMPLE_RATE)
    return Frames(pitch_hz, np.maximum(envelope, SILENCE), noise)


def join(parts: Sequence[Frames]) -> Frames:
    """Return the parts one after the other."""
    return Frames(
        np.concatenate([part.pitch_hz for part in parts]),
        np.concatenate([part.envelope for part in parts]),
        np.concatenate([part.noise for part in parts]),
    )


def synthesize(frames: Frames) -> Floats:
    """Return the audio of the frames, mono at 44.1 kHz."""
    audio: Floats = pyworld.synthesize(
        frames.pitch_hz,
        np.ascontiguousarray(frames.envelope),
        np.ascontiguousarray(np.clip(frames.noise, 0.001, 0.999)),
        SAMPLE_RATE,
        FRAME_SECONDS * 1000,
    )
    return audio


def shift_formants(frames: Frames, ratio: float) -> Frames:
    """Return the voice of a shorter (ratio above one) or longer vocal tract."""
    bins = np.arange(frames.envelope.shape[1])
    below = np.minimum(bins / ratio, bins[-1])
    first = below.astype(int)
    second = np.minimum(first + 1, bins[-1])
    share = below - first
    envelope = frames.envelope[:, first] * (1 - share) + frames.envelope[:, second] * share
    noise = frames.noise[:, first] * (1 - share) + frames.noise[:, second] * share
    return replace(frames, envelope=envelope, noise=noise)


def learn_top(voices: Sequence[Frames]) -> Floats:
    """Return the linear map from a voice's bands below 9 kHz to those above.

    Fitted to voices that have both, for `add_top`.
    """
    features = np.concatenate([describe_bottom(frames)[0] for frames in voices])
    tops = np.concatenate(
        [measure_bands(frames)[:, TOP_BAND:] - describe_bottom(frames)[1] for frames in voices]
    )
    solution: Floats = np.linalg.lstsq(features, tops, rcond=None)[0]
    return solution


def add_top(frames: Frames, top_map: Floats) -> Frames:
    """Return the voice with what its recording lacks above 9 kHz guessed from what is below."""
    features, level = describe_bottom(frames)
    bottom = measure_bands(frames)[:, :TOP_BAND]
    top = np.minimum(features @ top_map + level, bottom[:, -1:] + 0.4)  # no step up by more
    bands = np.hstack([bottom, top])
    hz = np.linspace(0, SAMPLE_RATE / 2, frames.envelope.shape[1])
    centres = (np.arange(bands.shape[1]) + 0.5) * BAND_HZ
    first = int(np.searchsorted(hz, TOP_HZ))
    envelope, noise = frames.envelope.copy(), frames.noise.copy()
    for row, logs in zip(envelope, bands, strict=True):
        row[first:] = 10 ** np.interp(hz[first:], centres, logs)
    rise = np.clip((hz[first:] - TOP_HZ) / 7000, 0, 1)
    noise[:, first:] = noise[:, first - 1 : first] * (1 - rise) + rise
    return replace(frames, envelope=np.maximum(envelope, SILENCE), noise=noise)


def describe_bottom(frames: Frames) -> tuple[Floats, Floats]:
    """Return what a frame's top depends on, one row a frame, and its mean level."""
    bottom = measure_bands(frames)[:, :TOP_BAND]
    level = bottom.mean(axis=1, keepdims=True)
    voiced = (frames.pitch_hz > 0)[:, None]
    shape = bottom - level
    return np.hstack([shape * voiced, shape * ~voiced, voiced, ~voiced]), level


def measure_bands(frames: Frames) -> Floats:
    """Return the mean log10 power of each band of 1 kHz, one row a frame."""
    bins = frames.envelope.shape[1]
    edges = np.arange(0, SAMPLE_RATE / 2, BAND_HZ) / (SAMPLE_RATE / 2) * (bins - 1)
    counts = np.diff(np.append(edges.astype(int), bins))
    sums = np.add.reduceat(np.log10(frames.envelope), edges.astype(int), axis=1)
    return np.asarray(sums / counts)
