"""Integrated loudness: EBU's own cases, another meter, the same in any blocks."""

import numpy as np
import pytest

from stemkit.audio.loudness import LoudnessMeter, k_weighting
from stemkit.errors import OptionError
from stemkit.samples import Samples
from tests.audio.audiofiles import noise
from tests.audio.meters import ffmpeg_measures, read_clip, sine, speech_like

RATES = [8000, 22050, 44100, 48000, 96000, 192_000]  # FFmpeg rounds 100 ms down at 11025


def loudness(samples: Samples, sample_rate: int, block_frames: int = 65536) -> float:
    meter = LoudnessMeter(sample_rate, len(samples))
    for start in range(0, samples.shape[1], block_frames):
        meter.push(samples[:, start : start + block_frames])
    return meter.integrated_lufs


@pytest.mark.parametrize(
    ("levels_and_seconds", "expected"),
    [
        ([(-23, 20)], -23),
        ([(-33, 20)], -33),
        ([(-36, 10), (-23, 60), (-36, 10)], -23),
        ([(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)], -23),
        ([(-26, 20), (-20, 20.1), (-26, 20)], -23),
    ],
)
@pytest.mark.parametrize("sample_rate", [11025, 48000])
def test_the_cases_of_ebu_tech_3341(
    levels_and_seconds: list[tuple[float, float]], expected: float, sample_rate: int
) -> None:
    parts = [sine(1000, level, seconds, sample_rate) for level, seconds in levels_and_seconds]
    assert loudness(np.concatenate(parts, axis=1), sample_rate) == pytest.approx(expected, abs=0.1)


def test_the_filter_is_the_one_that_the_standard_prints() -> None:
    """ITU-R BS.1770-4, tables 1 and 2: for 48000 Hz."""
    shelf = [1.53512485958697, -2.69169618940638, 1.19839281085285, 1]
    high_pass = [1.0, -2.0, 1.0, 1]
    expected = [
        [*shelf, -1.69065929318241, 0.73248077421585],
        [*high_pass, -1.99004745483398, 0.99007225036621],
    ]
    np.testing.assert_allclose(k_weighting(48000), expected, atol=1e-8)


@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize("channels", [1, 2])
def test_ffmpeg_says_the_same(sample_rate: int, channels: int) -> None:
    samples = np.repeat(speech_like(2, sample_rate), channels, axis=0)
    expected, _ = ffmpeg_measures(samples, sample_rate)
    assert loudness(samples, sample_rate) == pytest.approx(expected, abs=0.02)


def test_ffmpeg_says_the_same_of_a_real_clip() -> None:
    clip, sample_rate = read_clip()
    measured = loudness(clip, sample_rate)
    assert measured == pytest.approx(ffmpeg_measures(clip, sample_rate)[0], abs=0.02)


@pytest.mark.parametrize(
    ("sample_rate", "block_frames"),
    [
        *((8000, block_frames) for block_frames in (1, 17, 799, 800, 801, 4410)),
        *((44100, block_frames) for block_frames in (799, 4409, 4410, 4411)),
    ],
)
def test_blocks_of_any_lengths_give_the_same(sample_rate: int, block_frames: int) -> None:
    samples = noise(4000 if block_frames < 100 else 50_001)
    whole = loudness(samples, sample_rate, samples.shape[1])
    assert loudness(samples, sample_rate, block_frames) == whole
    assert sample_rate > 8000 or np.isfinite(whole)


def test_empty_blocks_change_nothing() -> None:
    samples = noise(44100)
    meter = LoudnessMeter(44100, 2)
    for block in (samples[:, :0], samples[:, :30_000], samples[:, :0], samples[:, 30_000:]):
        meter.push(block)
    assert meter.integrated_lufs == loudness(samples, 44100)


@pytest.mark.parametrize("sample_rate", [8000, 44100, 44101])
def test_nothing_under_400_ms_has_a_loudness(sample_rate: int) -> None:
    block_frames = int(0.4 * sample_rate)
    samples = noise(block_frames)
    for frames in (0, 1, block_frames - 1):
        assert loudness(samples[:, :frames], sample_rate) == -np.inf
    assert np.isfinite(loudness(samples, sample_rate))


def test_silence_and_what_is_below_the_gate_has_none() -> None:
    assert loudness(np.zeros((2, 48000), np.float32), 48000) == -np.inf
    assert loudness(sine(1000, -70.2, 1, 48000), 48000) == -np.inf
    assert loudness(sine(1000, -69.8, 1, 48000), 48000) == pytest.approx(-69.8, abs=0.1)


@pytest.mark.parametrize("channels", [1, 3, 5, 6])
def test_every_channel_weighs_the_same(channels: int) -> None:
    one = noise(48000, channels=1)
    alike = loudness(np.repeat(one, channels, axis=0), 48000)
    assert alike == pytest.approx(loudness(one, 48000) + 10 * np.log10(channels), abs=1e-6)


def test_a_rate_too_low_to_weigh_is_refused() -> None:
    LoudnessMeter(4000, 1)
    with pytest.raises(OptionError, match="at 3999 Hz; give at least 4000 Hz"):
        LoudnessMeter(3999, 1)
