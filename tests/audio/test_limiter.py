"""The limiter: low enough at every peak, never quieter when driven harder."""

import itertools

import numpy as np
import pytest

from stemkit.audio.limiter import Limiter, limit_blocks
from stemkit.audio.steps import STEPS_PER_SECOND, Steps
from stemkit.audio.true_peak import PeakEnvelope
from stemkit.samples import Samples
from tests.audio.audiofiles import noise

EDGES = [0, 1, 8, 9, 10, 18, 19, 4095, 4096, 4097]


def peaks(steps: int, seed: int = 0) -> Steps:
    return np.asarray(np.random.default_rng(seed).exponential(0.3, steps))


def reductions(of: Steps, gain_db: float, ceiling_db: float, block_steps: int = 1000) -> Steps:
    limiter = Limiter(gain_db, ceiling_db)
    starts = range(0, len(of), block_steps)
    pieces = [limiter.push(of[start : start + block_steps]) for start in starts]
    return np.concatenate([*pieces, limiter.flush()])


def envelope(samples: Samples, sample_rate: int) -> Steps:
    meter = PeakEnvelope(sample_rate, len(samples))
    return np.concatenate([meter.push(samples), meter.flush()])


@pytest.mark.parametrize("steps", EDGES)
@pytest.mark.parametrize("gain_db", [0, 6, 30])
def test_no_step_is_above_the_ceiling(steps: int, gain_db: float) -> None:
    before = peaks(steps)
    turned_db = reductions(before, gain_db, -1)
    assert turned_db.shape == (steps + 1,)
    assert np.all(turned_db >= 0)
    for begins_db in (turned_db[:-1], turned_db[1:]):
        after_db = 20 * np.log10(before) + gain_db - begins_db
        assert np.all(after_db <= -1 + 1e-9)


@pytest.mark.parametrize("gain_db", [0, 1, 5, 20])
def test_more_gain_makes_nothing_quieter(gain_db: float) -> None:
    before = peaks(10_000)
    louder = gain_db + 1 - reductions(before, gain_db + 1, -3)
    assert np.all(louder >= gain_db - reductions(before, gain_db, -3) - 1e-9)


@pytest.mark.parametrize("block_steps", [1, 7, 18, 19, 4096, 5000])
def test_where_blocks_are_cut_does_not_show(block_steps: int) -> None:
    before = peaks(5000)
    whole = reductions(before, 10, -1, block_steps=5000)
    np.testing.assert_allclose(reductions(before, 10, -1, block_steps), whole, atol=1e-9)


def test_minutes_at_once() -> None:
    before = peaks(120_000)
    whole = reductions(before, 10, -1, block_steps=120_000)
    np.testing.assert_allclose(whole, reductions(before, 10, -1), atol=1e-9)


def test_it_acts_only_around_a_peak_and_lets_go() -> None:
    before = np.full(1000, 0.1)
    before[500] = 2
    turned_db = reductions(before, 0, 0)
    needed_db = 20 * np.log10(2)
    assert np.all(turned_db[:490] == 0)
    assert turned_db[500] == pytest.approx(needed_db)
    assert np.all(np.diff(turned_db[490:500]) >= 0)
    assert np.all(np.diff(turned_db[505:]) <= 0)
    after_100_ms = 505 + STEPS_PER_SECOND // 10
    assert turned_db[after_100_ms] == pytest.approx(needed_db / np.e, rel=0.02)


@pytest.mark.parametrize("sample_rate", [8000, 11025, 44100, 192_000])
@pytest.mark.parametrize("frames", [0, 1, 2, 29, 30, 5000])
def test_audio_keeps_its_place_and_stays_under_the_ceiling(sample_rate: int, frames: int) -> None:
    samples = noise(5000)[:, :frames]
    known = [envelope(samples, sample_rate)]
    whole = np.concatenate([*limit_blocks([samples], known, sample_rate, 20, -6)], axis=1)
    assert whole.shape == samples.shape
    assert whole.dtype == np.float32
    assert np.abs(whole).max(initial=0) <= 10 ** (-6 / 20) + 1e-6
    gains = np.divide(whole, samples, out=np.full_like(whole, 5), where=np.abs(samples) > 1e-3)
    assert np.all((gains > 0) & (gains < 10.001))


@pytest.mark.parametrize("sample_rate", [8000, 44100])
@pytest.mark.parametrize("block_frames", [1, 29, 30, 31, 4096])
def test_audio_in_any_blocks(sample_rate: int, block_frames: int) -> None:
    samples = noise(5000)
    known = envelope(samples, sample_rate)
    whole = next(limit_blocks([samples], [known], sample_rate, 20, -6))
    blocks = [samples[:, at : at + block_frames] for at in range(0, 5000, block_frames)]
    pieces = [
        np.concatenate([*limit_blocks(blocks, cut, sample_rate, 20, -6)], axis=1)
        for cut in ([known], np.array_split(known, 17))
    ]
    for piece in pieces:
        np.testing.assert_allclose(piece, whole, atol=1e-6)


def test_without_a_ceiling_there_is_only_gain() -> None:
    samples = noise(5000)
    known = envelope(samples, 44100)
    blocks = itertools.chain(limit_blocks([samples], [known], 44100, 40, np.inf))
    np.testing.assert_allclose(next(blocks), 100 * samples, rtol=1e-6)
