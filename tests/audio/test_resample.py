"""Resampling: exact lengths, no lag, the same result in any blocks."""

import math
from fractions import Fraction

import numpy as np
import pytest

from stemkit.audio.resample import Resampler, longest_delay, resampled_frames
from stemkit.errors import OptionError
from stemkit.samples import Samples
from tests.audio.audiofiles import lag, noise

RATES = [8000, 11025, 16000, 22050, 32000, 48000, 88200, 96000, 192000]
PAIRS = [*((rate, 44100) for rate in RATES), *((44100, rate) for rate in RATES), (44100, 44100)]
BLOCK = 1000
EDGES = [0, 1, 2, 3, 100, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 1]
each_pair = pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)


def resample(
    samples: Samples,
    rate_in: int,
    rate_out: int,
    block_frames: int = BLOCK,
    frames_out: int | None = None,
) -> Samples:
    resampler = Resampler(rate_in, rate_out, len(samples))
    starts = range(0, samples.shape[1], block_frames)
    pieces = [resampler.process(samples[:, start : start + block_frames]) for start in starts]
    return np.concatenate([*pieces, resampler.flush(frames_out)], axis=1)


def snr_db(estimate: Samples, reference: Samples) -> float:
    error = np.sum((estimate.astype(float) - reference) ** 2)
    return float(10 * np.log10(np.sum(reference.astype(float) ** 2) / error))


@each_pair
def test_length_is_the_ratio_rounded(rate_in: int, rate_out: int) -> None:
    for frames in EDGES:
        expected = math.floor(Fraction(frames * rate_out, rate_in) + Fraction(1, 2))

        resampled = resample(noise(frames), rate_in, rate_out)

        assert resampled.shape == (2, expected)
        assert resampled.dtype == np.float32
        assert resampled_frames(frames, rate_in, rate_out) == expected


@each_pair
def test_block_size_never_changes_the_result(rate_in: int, rate_out: int) -> None:
    samples = noise(2003)
    whole = resample(samples, rate_in, rate_out, block_frames=2003)

    for block_frames in (1, 7, BLOCK - 1, BLOCK, BLOCK + 1):
        blockwise = resample(samples, rate_in, rate_out, block_frames)
        np.testing.assert_array_equal(blockwise, whole)


@each_pair
@pytest.mark.parametrize("share", [0.02, 0.3, 0.5])
def test_a_sine_stays_that_sine(rate_in: int, rate_out: int, share: float) -> None:
    resampled, expected, _ = resample_sine(rate_in, rate_out, share)

    assert snr_db(resampled, expected) > 100


@each_pair
def test_near_the_limit_a_sine_is_a_little_quieter(rate_in: int, rate_out: int) -> None:
    resampled, expected, quadrature = resample_sine(rate_in, rate_out, share=0.9)

    basis = np.stack([expected, quadrature], axis=1)
    (gain, turned), *_ = np.linalg.lstsq(basis, resampled)
    assert abs(20 * np.log10(gain)) < 0.01
    assert abs(turned) < 1e-6
    assert snr_db(resampled, basis @ (gain, turned)) > 120


def resample_sine(rate_in: int, rate_out: int, share: float) -> tuple[Samples, Samples, Samples]:
    """Return a resampled sine, as it should be, and a quarter later, all without their edges.

    Its frequency is `share` of the lower Nyquist frequency.
    """
    turns_a_second = 2 * np.pi * share * min(rate_in, rate_out) / 2
    sine = np.sin(turns_a_second * np.arange(rate_in) / rate_in)
    resampled = resample(sine[np.newaxis].astype(np.float32), rate_in, rate_out)[0]
    angle = turns_a_second * np.arange(rate_out) / rate_out
    middle = slice(rate_out // 4, -rate_out // 4)
    return resampled[middle], np.sin(angle)[middle], np.cos(angle)[middle]


@pytest.mark.parametrize(("rate_in", "rate_out"), [(rate, 44100) for rate in RATES])
def test_what_lies_above_is_removed(rate_in: int, rate_out: int) -> None:
    rate_in, rate_out = max(rate_in, rate_out), min(rate_in, rate_out)
    frequency_hz = rate_out / 2 + 0.5 * (rate_in - rate_out) / 2
    sine = np.sin(2 * np.pi * frequency_hz * np.arange(rate_in) / rate_in)[np.newaxis]

    resampled = resample(sine.astype(np.float32), rate_in, rate_out)

    middle = resampled[0, rate_out // 4 : -rate_out // 4]
    assert np.abs(middle).max() < 10 ** (-100 / 20)


@each_pair
def test_an_impulse_stays_in_its_place(rate_in: int, rate_out: int) -> None:
    divisor = math.gcd(rate_in, rate_out)
    at_in, at_out = 20 * rate_in // divisor, 20 * rate_out // divisor
    impulse = np.zeros((1, 2 * at_in), np.float32)
    impulse[0, at_in] = 1

    response = resample(impulse, rate_in, rate_out)[0]

    assert np.argmax(np.abs(response)) == at_out
    around = min(at_out, len(response) - at_out - 1)
    before, after = response[at_out - around : at_out], response[at_out + 1 :][:around]
    np.testing.assert_allclose(before, after[::-1], atol=1e-5)


@pytest.mark.parametrize("rate", RATES)
def test_there_and_back_gives_the_same_frames(rate: int) -> None:
    for frames in (0, 1, 2, 3, 100, 999, 1000, 1001, 20011):
        samples = noise(frames)

        there = resample(samples, rate, 44100)
        back = resample(there, 44100, rate, frames_out=frames)

        assert back.shape == samples.shape


@pytest.mark.parametrize("rate", RATES)
def test_there_and_back_keeps_the_audio(rate: int) -> None:
    """Of noise up to 0.65 of both Nyquist frequencies, that fades at its ends."""
    frames = rate // 2 + 11
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal((2, frames)))
    spectrum[:, int(0.65 * min(rate, 44100) / rate * frames / 2) :] = 0
    samples = (0.1 * np.fft.irfft(spectrum, frames) * np.hanning(frames)).astype(np.float32)

    back = resample(resample(samples, rate, 44100), 44100, rate, frames_out=frames)

    assert back.shape == samples.shape
    assert lag(back, samples) == 0
    assert snr_db(back, samples) > 90


def test_equal_rates_pass_at_once() -> None:
    resampler = Resampler(44100, 44100, 2)

    for samples in (noise(1), noise(1000)):
        np.testing.assert_array_equal(resampler.process(samples), samples)
    assert resampler.flush().shape == (2, 0)


def test_channels_do_not_meet() -> None:
    samples = noise(3000, channels=5)

    together = resample(samples, 48000, 44100)

    for number in range(5):
        alone = resample(samples[number : number + 1], 48000, 44100)
        np.testing.assert_array_equal(together[number : number + 1], alone)


@pytest.mark.parametrize("frames_out", [0, 1, 500, 2205, 2300, 4000])
def test_flush_gives_the_length_that_it_is_asked_for(frames_out: int) -> None:
    resampled = resample(noise(2400), 48000, 44100, frames_out=frames_out)
    natural = resample(noise(2400), 48000, 44100)

    assert resampled.shape[1] >= frames_out
    common = min(natural.shape[1], resampled.shape[1])
    np.testing.assert_array_equal(resampled[:, :common], natural[:, :common])


@pytest.mark.parametrize(("rate_in", "rate_out", "channels"), [(0, 1, 1), (1, -1, 1), (1, 1, 0)])
def test_nothing_below_one(rate_in: int, rate_out: int, channels: int) -> None:
    with pytest.raises(OptionError, match=f"{channels} channels from {rate_in} Hz to {rate_out}"):
        Resampler(rate_in, rate_out, channels)


@pytest.mark.parametrize("rate_in", RATES)
@pytest.mark.parametrize("rate_out", [8000, 44100])
@pytest.mark.parametrize("block", [17, 1000, 4096])
def test_no_more_is_held_back_than_the_longest_delay(
    rate_in: int, rate_out: int, block: int
) -> None:
    longest = longest_delay(rate_in, rate_out)
    resampler, samples = Resampler(rate_in, rate_out, 1), noise(block, channels=1)
    frames_out, behind = 0, 0.0
    for frames_in in range(block, 3 * longest + 100_000, block):
        frames_out += resampler.process(samples).shape[1]
        behind = max(behind, frames_in - frames_out * rate_in / rate_out)
    assert behind <= longest
    if block == 17:
        assert behind > 0.95 * longest - 20


@pytest.mark.parametrize("rates", [(1, 44100), (44100, 44), (10**9, 44100)])
def test_rates_too_far_apart_are_refused(rates: tuple[int, int]) -> None:
    with pytest.raises(OptionError, match="at most 1000 times the other"):
        Resampler(*rates, 1)
