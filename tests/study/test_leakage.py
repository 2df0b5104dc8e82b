"""Leakage of hand-made estimates, whose shares are known."""

import numpy as np
import pytest

from stemkit.samples import Samples
from stemkit.study.leakage import FLOOR_DB, measure_leakage
from tests.study.making import RATE, make_sound

SECONDS = 3


@pytest.fixture(scope="module")
def parts() -> dict[str, Samples]:
    return {
        kind: np.ascontiguousarray(make_sound(kind, SECONDS, seed).T, np.float32)
        for seed, kind in enumerate(("singing", "band", "horn"))
    }


def test_thirty_percent_of_the_amplitude_reads_ten_and_a_half_decibels(
    parts: dict[str, Samples],
) -> None:
    expected = 20 * np.log10(0.3)
    assert expected == pytest.approx(-10.46, abs=0.01)
    mixed = measure_leakage(parts["singing"] + np.float32(0.3) * parts["horn"], parts)
    assert mixed["horn"] == pytest.approx(expected, abs=0.01)
    assert mixed["singing"] == pytest.approx(0, abs=0.01)
    assert mixed["band"] == FLOOR_DB
    alone = measure_leakage(np.float32(0.3) * parts["horn"], {"horn": parts["horn"]})
    assert alone["horn"] == pytest.approx(expected, abs=0.001)


@pytest.mark.parametrize("gain_db", [-40, -20, -3, 0])
def test_each_part_reads_its_own_gain(gain_db: float, parts: dict[str, Samples]) -> None:
    gain = np.float32(10 ** (gain_db / 20))
    estimate = parts["singing"] * np.float32(0.5) - gain * parts["band"]  # polarity is nothing
    found = measure_leakage(estimate, parts)
    assert found["band"] == pytest.approx(gain_db, abs=0.05)
    assert found["singing"] == pytest.approx(20 * np.log10(0.5), abs=0.01)
    assert found["horn"] == FLOOR_DB


def test_half_of_a_part_reads_three_decibels(parts: dict[str, Samples]) -> None:
    left = parts["horn"] * np.array([[1], [0]], np.float32)
    share_db = 10 * np.log10(np.square(left).sum() / np.square(parts["horn"]).sum())
    assert measure_leakage(left, parts)["horn"] == pytest.approx(share_db, abs=0.05)
    early = parts["horn"].copy()
    early[:, RATE * SECONDS // 2 :] = 0
    share_db = 10 * np.log10(np.square(early).sum() / np.square(parts["horn"]).sum())
    assert measure_leakage(early, parts)["horn"] == pytest.approx(share_db, abs=0.15)


def test_sound_of_nowhere_is_nobodys(parts: dict[str, Samples]) -> None:
    level = np.sqrt(np.square(parts["singing"]).mean())
    other = np.random.default_rng(9).normal(0, level, (2, RATE * SECONDS)).astype(np.float32)
    found = measure_leakage(parts["singing"] + other, parts)
    assert found["singing"] == pytest.approx(0, abs=0.1)
    assert found["band"] < -25
    assert found["horn"] < -25


def test_silence_holds_nothing(parts: dict[str, Samples]) -> None:
    silence = np.zeros_like(parts["horn"])
    assert set(measure_leakage(silence, parts).values()) == {FLOOR_DB}
    assert measure_leakage(silence, {"horn": parts["horn"]}) == {"horn": FLOOR_DB}
