"""Other people's meters, and signals to measure."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile
from scipy.signal import resample

from stemkit.samples import Samples

CLIP = Path(__file__).parents[2] / "examples" / "audio" / "word-war-vi.ogg"


def read_clip(seconds: float = 5) -> tuple[Samples, int]:
    """Return loud music with speech, in two channels: 20 s at most."""
    frames = round(seconds * 44100)
    samples, rate = soundfile.read(CLIP, frames, dtype="float32", always_2d=True)
    return np.ascontiguousarray(samples.T), rate


def ffmpeg_measures(samples: Samples, sample_rate: int) -> tuple[float, float]:
    """Return the integrated loudness and the true peak in dBTP, by FFmpeg's ebur128 filter."""
    layout = "mono" if len(samples) == 1 else "stereo"
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=sample_rate, format="flt", layout=layout)
    meter = graph.add("ebur128", "metadata=1:peak=true")
    sink = graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    packed = np.ascontiguousarray(samples.T).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(packed, "flt", layout)
    frame.sample_rate, frame.time_base, frame.pts = sample_rate, Fraction(1, sample_rate), 0
    graph.push(frame)
    graph.push(None)
    measured: dict[str, str] = {}
    try:
        while True:
            measured = dict(graph.pull().metadata) or measured
    except av.EOFError:
        peak = float(measured["lavfi.r128.true_peak"])
        return float(measured["lavfi.r128.I"]), 20 * float(np.log10(peak))


def upsampled_peak_db(samples: Samples, factor: int = 16) -> float:
    """Return the true peak in dBTP by ideal interpolation, of pieces that overlap."""
    margin, piece = 2048, 28_672  # together a length that is quick to transform
    padded = np.pad(samples, ((0, 0), (margin, margin + piece)))
    peak = 0.0
    for start in range(0, samples.shape[1], piece):
        part = padded[:, start : start + piece + 2 * margin]
        fine = resample(part, factor * part.shape[1], axis=1)[:, factor * margin : -factor * margin]
        peak = max(peak, float(np.abs(fine).max()))
    return 20 * float(np.log10(peak))


def sine(
    frequency_hz: float, level_db: float, seconds: float, sample_rate: int, degrees: float = 0
) -> Samples:
    """Return a sine in two equal channels, whose peak is `level_db`."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    wave = np.sin(2 * np.pi * frequency_hz * time + np.deg2rad(degrees))
    return np.tile((10 ** (level_db / 20) * wave).astype(np.float32), (2, 1))


def speech_like(seconds: float, sample_rate: int) -> Samples:
    """Return one channel of filtered noise in syllables, about 20 dB between loudness and peak."""
    random = np.random.default_rng(3)
    frames, syllable = round(seconds * sample_rate), sample_rate // 8
    spectrum = np.fft.rfft(random.standard_normal(frames))
    frequency_hz = np.fft.rfftfreq(frames, 1 / sample_rate)
    spectrum *= frequency_hz / (1 + (frequency_hz / 300) ** 2)
    spectrum[frequency_hz > 0.4 * sample_rate] = 0
    loudness_db = random.normal(-6, 7, frames // syllable + 2)
    places = np.arange(frames) / syllable
    envelope = 10 ** (np.interp(places, np.arange(len(loudness_db)), loudness_db) / 20)
    voice = np.fft.irfft(spectrum, frames) * envelope
    return np.asarray(0.3 * voice / np.abs(voice).max(), np.float32)[np.newaxis]
