"""What another microphone does: another colour, and nothing else."""

from itertools import pairwise

import numpy as np
import pytest

from stemkit.samples import Samples
from stemkit.training.augment import record
from tests.training.making import RATE, make_noise


def measure_bands_db(audio: Samples) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    power = np.square(np.abs(np.fft.rfft(audio[0])))
    edges = (300, 700, 1500, 3000, 6000, 12000)
    places = [round(edge * audio.shape[1] / RATE) for edge in edges]
    return np.array([10 * np.log10(power[a:b].sum()) for a, b in pairwise(places)])


def test_microphones_differ_by_more_than_ten_decibels_and_keep_time() -> None:
    audio = make_noise(1, 20000)
    heard = [record(audio, RATE, np.random.default_rng(seed)) for seed in range(30)]
    assert all(one.shape == audio.shape and one.dtype == np.float32 for one in heard)
    changes = np.stack([measure_bands_db(one) - measure_bands_db(audio) for one in heard])
    tilts = changes[:, -1] - changes[:, 0]
    assert np.ptp(tilts) > 10
    assert 0 < np.median(tilts) < 6  # more of them thin than dull
    for one in heard:  # the filters have no delay to speak of
        lags = np.correlate(one[0, :4000], audio[0, 100:3900], "valid")
        assert abs(int(np.abs(lags).argmax()) - 100) <= 3


def test_silence_stays_silent() -> None:
    heard = record(np.zeros((2, 1000), np.float32), RATE, np.random.default_rng(0))
    assert not heard.any()


@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_draw_is_the_same_microphone(seed: int) -> None:
    audio = make_noise(0.2, 20000)
    first, second = (record(audio, RATE, np.random.default_rng(seed)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
