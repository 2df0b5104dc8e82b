"""Scores against cases that are worked out by hand."""

import math

import numpy as np
import pytest

from stemkit.evaluation.metrics import measure_sdr, measure_si_sdr
from tests.evaluation.making import make_noise

# Orthogonal, of energies 4 and 1: what is one of the other can be told in the head.
TONE = np.array([[1, 1, 1, 1]], np.float32)
OTHER = np.array([[0.5, -0.5, 0.5, -0.5]], np.float32)


def test_by_hand() -> None:
    ratio_db = 10 * math.log10(4)
    assert measure_sdr(TONE, TONE + OTHER) == pytest.approx(ratio_db, abs=1e-5)
    assert measure_si_sdr(TONE, TONE + OTHER) == pytest.approx(ratio_db)
    assert measure_si_sdr(TONE, 3 * (TONE + OTHER)) == pytest.approx(ratio_db)
    assert measure_sdr(TONE, 0 * TONE) == pytest.approx(0, abs=1e-5)
    assert measure_sdr(TONE, 3 * TONE) == pytest.approx(10 * math.log10(4 / 16), abs=1e-5)
    # The mean isn't removed: it is all that TONE has.
    assert measure_si_sdr(TONE, OTHER + 1) == pytest.approx(ratio_db)


@pytest.mark.parametrize("gain", [-2.0, 1e-3, 1.0, 50.0])
def test_si_sdr_knows_no_gain(gain: float) -> None:
    reference, noise = make_noise(0, channels=2), make_noise(1, channels=2)
    estimate = reference + noise
    scaled = np.float32(gain) * estimate
    assert measure_si_sdr(reference, scaled) == pytest.approx(
        measure_si_sdr(reference, estimate), abs=1e-3
    )


def test_silence_has_no_si_sdr() -> None:
    assert math.isnan(measure_si_sdr(0 * TONE, TONE))
    assert math.isnan(measure_si_sdr(TONE, 0 * TONE))
    assert measure_si_sdr(TONE, TONE) == math.inf
