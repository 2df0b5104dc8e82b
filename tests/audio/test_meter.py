"""One pass says what the meters that it is made of say, however the stream is cut."""

import numpy as np
import pytest

from stemkit.audio.loudness import LoudnessMeter
from stemkit.audio.meter import Measured, Meter
from stemkit.audio.true_peak import HighestPeak, TruePeakMeter
from stemkit.samples import Samples
from tests.audio.meters import read_clip

RATE = 44100


def speech_and_silence() -> Samples:
    clip, _ = read_clip(3)
    quiet = clip * np.linspace(0.001, 1, clip.shape[1], dtype=np.float32)
    return np.concatenate([quiet, np.zeros((2, 9999), np.float32), clip[:, :50_000]], axis=1)


@pytest.mark.parametrize("block_frames", [1, 63, 64, 65, 4096, 10**6])
@pytest.mark.parametrize("seed", range(3))
def test_the_highest_peak_is_that_of_the_whole_envelope(block_frames: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    frames = [777, 6400, 20_000][seed] if block_frames > 1 else 700
    samples = random.normal(0, 0.2, (2, frames)).astype(np.float32)
    samples *= random.uniform(0, 1, frames) ** 4
    meter, search = TruePeakMeter(RATE, 2), HighestPeak(2)
    for start in range(0, frames, block_frames):
        meter.push(samples[:, start : start + block_frames])
        search.push(samples[:, start : start + block_frames])
    meter.flush()
    assert 20 * np.log10(search.flush()) == pytest.approx(meter.true_peak_db, abs=1e-5)


def make_signal(kind: str, random: np.random.Generator) -> Samples:
    frames = 30_000
    match kind:
        case "noise":
            signal = random.standard_normal((2, frames))
        case "clipped noise":
            signal = np.clip(random.standard_normal((2, frames)) * 3, -1, 1)
        case "square noise":
            signal = np.sign(random.standard_normal((2, frames)))
        case "high tone":
            rate = random.uniform(0.3, 0.499)  # cycles a sample
            signal = np.sin(2 * np.pi * rate * np.arange(frames) + np.array([[0], [1.3]]))
        case "clicks":
            signal = np.zeros((2, frames))
            signal[:, random.integers(0, frames, 20)] = random.choice([-1, 1], 20)
        case _:
            signal = np.cumsum(random.standard_normal((2, frames)), axis=1)
    scaled: Samples = (signal / np.abs(signal).max()).astype(np.float32)
    return scaled


@pytest.mark.parametrize(
    "kind", ["noise", "clipped noise", "square noise", "high tone", "clicks", "brown noise"]
)
@pytest.mark.parametrize("seed", range(3))
def test_the_highest_peak_hides_nowhere(kind: str, seed: int) -> None:
    samples = make_signal(kind, np.random.default_rng(seed))
    meter, search = TruePeakMeter(RATE, 2), HighestPeak(2)
    meter.push(samples)
    for start in range(0, samples.shape[1], 7000):
        search.push(samples[:, start : start + 7000])
    meter.flush()
    assert 20 * np.log10(search.flush()) == pytest.approx(meter.true_peak_db, abs=1e-5)


def test_a_peak_between_the_last_samples_counts() -> None:
    samples = np.zeros((1, 640), np.float32)
    samples[0, -2:] = 0.5
    meter, search = TruePeakMeter(RATE, 1), HighestPeak(1)
    meter.push(samples)
    search.push(samples)
    meter.flush()
    assert 20 * np.log10(search.flush()) == pytest.approx(meter.true_peak_db, abs=1e-5)
    assert meter.true_peak_db > 20 * np.log10(0.6)


@pytest.mark.parametrize("block_frames", [997, 65536])
def test_a_pass_measures_all(block_frames: int) -> None:
    samples = speech_and_silence()
    meter, loudness = Meter(RATE, 2), LoudnessMeter(RATE, 2)
    for start in range(0, samples.shape[1], block_frames):
        meter.push(samples[:, start : start + block_frames])
    loudness.push(samples)
    found = meter.finish()
    assert found.peak_db == pytest.approx(20 * np.log10(np.abs(samples).max()))
    assert found.loudness_lufs == pytest.approx(loudness.integrated_lufs)
    mean_square = np.mean(np.square(samples, dtype=np.float64))
    assert found.energy_db == pytest.approx(10 * np.log10(mean_square), abs=1e-3)
    louder = found.amplified(-6)
    assert louder.true_peak_db == pytest.approx((found.true_peak_db or 0) - 6)


def test_silence_and_nothing_have_no_level() -> None:
    for samples in (np.zeros((2, 50_000), np.float32), np.zeros((2, 0), np.float32)):
        meter = Meter(RATE, 2)
        meter.push(samples)
        assert meter.finish() == Measured(None, None, None, None)


def test_what_is_short_or_of_a_low_rate_has_no_loudness() -> None:
    meter = Meter(RATE, 1)
    meter.push(np.full((1, 1000), 0.5, np.float32))
    found = meter.finish()
    assert found.loudness_lufs is None
    assert found.true_peak_db is not None
    low = Meter(3999, 1)
    low.push(np.full((1, 9000), 0.5, np.float32))
    assert (low.finish().loudness_lufs, low.finish().true_peak_db) == (None, None)
