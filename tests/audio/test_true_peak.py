"""True peaks: EBU's own cases, two other ways to interpolate, the same in any blocks."""

from itertools import pairwise

import numpy as np
import pytest

from stemkit.audio.steps import STEPS_PER_SECOND, Steps
from stemkit.audio.true_peak import PeakEnvelope, TruePeakMeter
from stemkit.errors import OptionError
from stemkit.samples import Samples
from tests.audio.audiofiles import noise
from tests.audio.meters import ffmpeg_measures, read_clip, sine, speech_like, upsampled_peak_db

RATES = [8000, 11025, 22050, 44100, 48000, 96000, 192_000]
PIECE = 4096


def true_peak(samples: Samples, sample_rate: int = 48000, block_frames: int = 65536) -> float:
    meter = TruePeakMeter(sample_rate, len(samples))
    for start in range(0, samples.shape[1], block_frames):
        meter.push(samples[:, start : start + block_frames])
    meter.flush()
    return meter.true_peak_db


def envelope(samples: Samples, sample_rate: int, block_frames: int) -> Steps:
    meter = PeakEnvelope(sample_rate, len(samples))
    starts = range(0, samples.shape[1], block_frames)
    pieces = [meter.push(samples[:, start : start + block_frames]) for start in starts]
    return np.concatenate([*pieces, meter.flush()])


def faded(samples: Samples) -> Samples:
    """Let `samples` begin and end softly: a hard edge rings, which is a peak of its own."""
    return (samples * np.hanning(samples.shape[1])).astype(np.float32)


@pytest.mark.parametrize("sample_rate", RATES)
def test_a_sine_between_its_samples(sample_rate: int) -> None:
    samples = faded(sine(sample_rate / 4, 0, 0.5, sample_rate, degrees=45))
    sample_peak_db = 20 * np.log10(np.abs(samples).max())
    assert true_peak(samples, sample_rate) == pytest.approx(sample_peak_db + 3.01, abs=0.01)


@pytest.mark.parametrize(
    ("divisor", "degrees", "amplitude", "expected"),
    [(4, 0, 0.5, -6), (4, 45, 0.5, -6), (6, 60, 0.5, -6), (8, 67.5, 0.5, -6), (4, 45, 1.41, 3)],
)
def test_cases_15_to_19_of_ebu_tech_3341(
    divisor: int, degrees: float, amplitude: float, expected: float
) -> None:
    samples = sine(48000 / divisor, 20 * np.log10(amplitude), 1, 48000, degrees)
    assert true_peak(faded(samples)) == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_sines_up_to_near_the_nyquist_frequency(share: float) -> None:
    """8 points a sample miss cos(pi * share / 16) of a sine at most."""
    for degrees in range(0, 180, 20):
        samples = sine(share * 24000, 0, 0.2, 48000, degrees)[:1]
        missed_db = 20 * np.log10(np.cos(np.pi * share / 16))
        assert missed_db - 0.02 < true_peak(faded(samples)) < 0.05


@pytest.mark.parametrize("sample_rate", RATES)
def test_ideal_interpolation_and_ffmpeg_say_the_same(sample_rate: int) -> None:
    for samples in (noise(40_000, seed=7), speech_like(40_000 / sample_rate, sample_rate)):
        measured = true_peak(samples, sample_rate)
        assert measured == pytest.approx(upsampled_peak_db(samples), abs=0.03)
        assert measured == pytest.approx(ffmpeg_measures(samples, sample_rate)[1], abs=0.1)


def test_a_real_clip() -> None:
    clip, sample_rate = read_clip()
    loud = np.clip(4 * clip, -1, 1)
    measured = true_peak(loud, sample_rate)
    assert measured > 0.5
    assert measured == pytest.approx(upsampled_peak_db(loud), abs=0.1)
    assert measured == pytest.approx(ffmpeg_measures(loud, sample_rate)[1], abs=0.1)


def test_samples_count_whatever_lies_between_them() -> None:
    samples = np.zeros((2, 999), np.float32)
    samples[1, 500] = -0.8
    assert true_peak(samples) == pytest.approx(20 * np.log10(0.8), abs=1e-6)
    samples[1, 1::2], samples[1, ::2] = 0.8, -0.8
    assert true_peak(samples) >= 20 * np.log10(0.8) - 1e-6


@pytest.mark.parametrize("frames", [0, 1, 2, 31, 32, 33, PIECE - 1, PIECE, PIECE + 1, 20_001])
@pytest.mark.parametrize("sample_rate", [8000, 44100])
def test_every_frame_has_its_step(frames: int, sample_rate: int) -> None:
    samples = noise(20_001)[:, :frames]
    edges = [step * sample_rate // STEPS_PER_SECOND for step in range(5000)]
    expected = [
        np.abs(samples[:, start:end]).max() for start, end in pairwise(edges) if start < frames
    ]
    whole = envelope(samples, sample_rate, max(frames, 1))
    assert whole.shape == (len(expected),)
    assert np.all(whole >= expected)
    assert np.all(whole <= 2 * np.array(expected) + 0.1)
    for block_frames in (17, PIECE - 1, PIECE, PIECE + 1):
        np.testing.assert_array_equal(envelope(samples, sample_rate, block_frames), whole)


@pytest.mark.parametrize("frame", [0, 1, 4095, 4096, 9999])
def test_a_peak_is_found_in_its_own_step(frame: int) -> None:
    samples = np.zeros((1, 10_000), np.float32)
    samples[0, frame] = 1
    edges = np.arange(1000) * 44100 // STEPS_PER_SECOND
    step = int(np.searchsorted(edges, frame, side="right")) - 1
    assert int(np.argmax(envelope(samples, 44100, 1234))) == step


@pytest.mark.parametrize("block_frames", [1, 17, PIECE, PIECE + 63])
def test_blocks_of_any_lengths_give_the_same(block_frames: int) -> None:
    samples = noise(6001, channels=3)
    assert true_peak(samples, block_frames=block_frames) == true_peak(samples)


def test_silence_has_no_peak() -> None:
    assert true_peak(np.zeros((2, 10_000), np.float32)) == -np.inf
    assert true_peak(np.zeros((2, 0), np.float32)) == -np.inf


def test_a_rate_too_low_is_refused() -> None:
    with pytest.raises(OptionError, match="at 3999 Hz; give at least 4000 Hz"):
        TruePeakMeter(3999, 1)
