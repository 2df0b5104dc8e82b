"""Sections over a stream: SciPy says the same, and blocks of any lengths give the same."""

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from stemkit.audio.loudness import k_weighting
from stemkit.audio.sections import Floats, SectionFilter
from stemkit.samples import Samples
from tests.audio.audiofiles import noise

ROW, PIECE = 32, 512 * 32
RATES = [4000, 8000, 22050, 44100, 48000, 96000, 192_000]


def filter_blocks(sections: Floats, samples: Samples, block_frames: int) -> Floats:
    sieve = SectionFilter(sections, len(samples))
    starts = range(0, samples.shape[1], block_frames)
    pieces = [sieve.push(samples[:, start : start + block_frames]) for start in starts]
    return np.concatenate(pieces, axis=1)


def check_against_scipy(sections: Floats, samples: Samples) -> None:
    expected = sosfilt(sections, samples, axis=1)
    found = filter_blocks(sections, samples, 65536)
    assert found.shape == samples.shape
    assert np.abs(found - expected).max() <= 1e-9 * np.abs(expected).max()


@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_scipy_weighs_the_same(sample_rate: int, channels: int) -> None:
    check_against_scipy(k_weighting(sample_rate), noise(200_000, channels))


@pytest.mark.parametrize("sections", [1, 2, 3, 4])
def test_scipy_filters_the_same_with_any_number_of_sections(sections: int) -> None:
    check_against_scipy(butter(2 * sections, 0.1, output="sos"), noise(100_000))


def test_a_constant_and_silence_after_it_end_as_with_scipy() -> None:
    samples = np.zeros((1, 12 * PIECE), np.float32)
    samples[:, : 6 * PIECE + 5] = 1
    check_against_scipy(k_weighting(44100), samples)


@pytest.mark.parametrize("frames", [1, ROW - 1, ROW, ROW + 1, PIECE - 1, PIECE, PIECE + 1])
def test_scipy_weighs_any_length_the_same(frames: int) -> None:
    check_against_scipy(k_weighting(48000), noise(frames))


@pytest.mark.parametrize("block_frames", [1, 17, 997, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE])
def test_blocks_of_any_lengths_give_the_same(block_frames: int) -> None:
    samples = noise(500 if block_frames < 100 else 3 * PIECE + 500)
    whole = filter_blocks(k_weighting(44100), samples, samples.shape[1])
    np.testing.assert_array_equal(filter_blocks(k_weighting(44100), samples, block_frames), whole)


def test_an_empty_block_changes_nothing() -> None:
    samples, sieve = noise(1000), SectionFilter(k_weighting(44100), 2)
    parts = [samples[:, :0], samples[:, :300], samples[:, :0], samples[:, 300:]]
    found = np.concatenate([sieve.push(part) for part in parts], axis=1)
    np.testing.assert_array_equal(found, filter_blocks(k_weighting(44100), samples, 1000))


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_infinity_stays_where_it_is_and_after_it(value: float) -> None:
    samples, at = noise(3 * PIECE), PIECE + 5 * ROW
    samples[:, at] = value
    found = filter_blocks(k_weighting(44100), samples, 65536)
    assert np.isfinite(found[:, :at]).all()
    assert not np.isfinite(found[:, at:]).any()
