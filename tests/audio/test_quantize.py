"""Dither and rounding: what the theory of dither promises, measured."""

import numpy as np
import numpy.typing as npt
import pytest

from stemkit.audio.quantize import to_int16, to_int24
from stemkit.samples import Samples

STEP_16 = 2.0**-15


def error_in_steps(block: Samples, seed: int = 0) -> npt.NDArray[np.float64]:
    quantized = to_int16(block, np.random.default_rng(seed)).T
    return quantized - block.astype(np.float64) / STEP_16


def noise(frames: int, channels: int = 2, amplitude: float = 0.5) -> Samples:
    random = np.random.default_rng(1)
    return random.uniform(-amplitude, amplitude, (channels, frames)).astype(np.float32)


def test_error_has_no_mean_and_a_quarter_of_a_step_squared() -> None:
    error = error_in_steps(noise(500_000))
    assert abs(error.mean()) < 4 * 0.5 / np.sqrt(error.size)
    assert error.var() == pytest.approx(0.25, rel=0.01)
    assert np.abs(error).max() <= 1.5


@pytest.mark.parametrize("offset", [0.1, 0.25, 0.5, 0.9])
def test_mean_and_variance_do_not_depend_on_the_signal(offset: float) -> None:
    error = error_in_steps(np.full((1, 400_000), (7 + offset) * STEP_16, np.float32))
    assert abs(error.mean()) < 0.004
    assert error.var() == pytest.approx(0.25, rel=0.02)


def test_channels_and_neighbours_have_independent_errors() -> None:
    left, right = error_in_steps(noise(400_000))
    assert abs(np.corrcoef(left, right)[0, 1]) < 0.01
    assert abs(np.corrcoef(left[1:], left[:-1])[0, 1]) < 0.01


def test_a_faint_sine_keeps_its_level_and_gets_no_harmonics() -> None:
    frames, cycles = 2**18, 1001
    phase = 2 * np.pi * cycles * np.arange(frames) / frames
    sine = (0.8 * STEP_16 * np.sin(phase))[None].astype(np.float32)

    def harmonic(steps: npt.NDArray[np.float64], number: int) -> float:
        return float(np.abs(np.fft.rfft(steps)[number * cycles]) * 2 / frames)

    dithered = to_int16(sine, np.random.default_rng(0))[:, 0].astype(np.float64)
    rounded = np.rint(sine[0].astype(np.float64) / STEP_16)
    noise_floor = 0.5 * 2 / np.sqrt(frames)
    assert harmonic(dithered, 1) == pytest.approx(0.8, abs=4 * noise_floor)
    for number in (3, 5, 9):
        assert harmonic(rounded, number) > 20 * noise_floor
        assert harmonic(dithered, number) < 4 * noise_floor


def test_what_16_bits_hold_is_kept_to_the_bit() -> None:
    every_step = np.arange(-(2**15), 2**15, dtype=np.int16)
    block = (every_step / 2**15).astype(np.float32)[None]
    assert np.array_equal(to_int16(block, np.random.default_rng(0))[:, 0], every_step)


@pytest.mark.parametrize("cut", [0, 1, 499, 500, 501, 1000])
def test_cutting_into_blocks_makes_no_difference(cut: int) -> None:
    block = noise(1000, channels=3)
    random = np.random.default_rng(5)
    parts = [to_int16(block[:, :cut], random), to_int16(block[:, cut:], random)]
    assert np.array_equal(np.concatenate(parts), to_int16(block, np.random.default_rng(5)))


def test_beyond_full_scale_saturates_and_never_wraps() -> None:
    block = np.array([[-40.0, -1.0001, -1.0, 1.0 - 2**-24, 1.0, 1.0001, 40.0]], np.float32)
    assert to_int24(block)[:, 0].tolist() == [-(2**23)] * 3 + [2**23 - 1] * 4
    sixteen = to_int16(block, np.random.default_rng(0))[:, 0].astype(int)
    assert sixteen[0] == -(2**15)
    assert sixteen[-1] == 2**15 - 1
    assert np.array_equal(np.sign(sixteen), np.sign(block[0]))


def test_24_bits_are_rounded_to_the_nearest() -> None:
    block = noise(10_000, amplitude=1.0)
    assert np.abs(to_int24(block).T / 2**23 - block.astype(np.float64)).max() <= 2**-24
