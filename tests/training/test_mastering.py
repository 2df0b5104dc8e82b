"""Laws of the limiter and of the codecs."""

import numpy as np
import pytest

from stemkit.samples import Samples
from stemkit.training import mastering
from stemkit.training.mastering import CEILING_DB, CODEC_SHARES, encode, limit

RATE = 44100
LENGTHS = (0, 1, 441, 20000)


@pytest.fixture(params=sorted(CODEC_SHARES))
def codec(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make one codec the only one that `encode` chooses."""
    monkeypatch.setattr(mastering, "CODEC_SHARES", {request.param: 1.0})
    return str(request.param)


def play_music(frames: int, seed: int = 0) -> Samples:
    """Return two sources of noise that decays after a hit every 0.2 s."""
    rng = np.random.default_rng(seed)
    decay = np.exp(-(np.arange(frames) % (RATE // 5)) / 2000)
    noise = rng.normal(0, 0.1, (2, 2, frames)) * (0.1 + decay)
    return noise.astype(np.float32)


@pytest.mark.parametrize("frames", LENGTHS)
@pytest.mark.parametrize("seed", range(3))
def test_limited_stems_add_up_to_the_limited_sum(frames: int, seed: int) -> None:
    stems = play_music(frames, seed)
    limited = limit(stems, RATE, np.random.default_rng(seed))
    (alone,) = limit(stems.sum(axis=0)[None], RATE, np.random.default_rng(seed))
    assert limited.shape == stems.shape
    assert limited.dtype == np.float32
    np.testing.assert_allclose(limited.sum(axis=0), alone, atol=1e-6)
    np.testing.assert_allclose(limited[0] * stems[1], limited[1] * stems[0], atol=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_the_sum_reaches_its_ceiling_and_no_further(seed: int) -> None:
    stems = play_music(RATE, seed)
    mix, limited = stems.sum(axis=0), limit(stems, RATE, np.random.default_rng(seed)).sum(axis=0)
    low, high = (10 ** (level_db / 20) for level_db in CEILING_DB)
    assert low * 0.8 < np.abs(limited).max() <= high + 1e-6
    assert measure_crest(limited) < measure_crest(mix)


def test_the_gain_glides_down_before_a_peak_and_back_after_it() -> None:
    quiet = np.full((1, 2, RATE), 0.1, dtype=np.float32)
    quiet[..., RATE // 2] = 1.0
    gain = limit(quiet, RATE, np.random.default_rng(4))[0, 0] / quiet[0, 0]
    assert gain.argmin() <= RATE // 2
    assert gain[RATE // 2 - RATE // 50] == pytest.approx(gain[0], rel=1e-4)
    assert gain[RATE // 2] < gain[RATE // 2 + RATE // 100] < 0.98 * gain[-1]
    assert np.abs(np.diff(gain)).max() < 0.1 * gain[0]


@pytest.mark.usefixtures("codec")
@pytest.mark.parametrize("seed", range(3))
def test_a_codec_damages_the_mix_but_moves_nothing(seed: int) -> None:
    mix = play_music(RATE, seed).sum(axis=0)
    encoded = encode(mix, RATE, np.random.default_rng(seed))
    assert encoded.shape == mix.shape
    assert encoded.dtype == np.float32
    assert find_lag(mix[0], encoded[0]) == 0
    assert 1 < 10 * np.log10(np.sum(mix**2) / np.sum((encoded - mix) ** 2)) < 60


@pytest.mark.usefixtures("codec")
@pytest.mark.parametrize("frames", LENGTHS)
def test_any_length_and_level_comes_back(frames: int) -> None:
    mix = 4 * play_music(frames).sum(axis=0)
    encoded = encode(mix, RATE, np.random.default_rng(0))
    assert encoded.shape == mix.shape
    assert np.isfinite(encoded).all()
    assert np.abs(encoded).max(initial=0) <= max(1.0, np.abs(mix).max(initial=0))


@pytest.mark.usefixtures("codec")
def test_a_mix_beyond_full_scale_is_not_clipped() -> None:
    mix = 4 * play_music(RATE).sum(axis=0)
    encoded = encode(mix, RATE, np.random.default_rng(0))
    assert np.abs(encoded).max() > 0.7 * np.abs(mix).max() > 1


@pytest.mark.usefixtures("codec")
def test_a_seed_gives_the_same_master() -> None:
    stems = play_music(9000)
    for first, second in zip(master(stems, seed=3), master(stems, seed=3), strict=True):
        np.testing.assert_array_equal(first, second)
    assert not np.array_equal(master(stems, seed=3)[0], master(stems, seed=4)[0])


@pytest.mark.usefixtures("codec")
def test_silence_stays_silent() -> None:
    for silent in master(np.zeros((2, 2, 9000), dtype=np.float32), seed=0):
        assert not silent.any()


def master(stems: Samples, seed: int) -> tuple[Samples, Samples]:
    """Return what `limit` and `encode` make of the stems."""
    rng = np.random.default_rng(seed)
    return limit(stems, RATE, rng), encode(stems.sum(axis=0), RATE, rng)


def measure_crest(audio: Samples) -> float:
    return float(np.abs(audio).max() / np.sqrt(np.mean(audio**2)))


def find_lag(one: Samples, other: Samples) -> int:
    size = 2 * len(one)
    both = np.fft.irfft(np.fft.rfft(other, size) * np.conj(np.fft.rfft(one, size)))
    peak = int(both.argmax())
    return peak - size if peak > size // 2 else peak
