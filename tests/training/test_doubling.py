"""Laws of doubles, harmonies, choirs and echoes."""

import numpy as np
import pytest

from stemkit.samples import Samples
from stemkit.training import doubling
from stemkit.training.doubling import HARMONIES, KIND_SHARES, _shift_pitch, double

RATE = 44100


@pytest.fixture(params=sorted(KIND_SHARES))
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make one kind the only one that `double` chooses."""
    monkeypatch.setattr(doubling, "KIND_SHARES", {request.param: 1.0})
    return str(request.param)


def sing(frames: int, pitch_hz: float = 220.0) -> Samples:
    time = np.arange(frames) / RATE
    wave = sum(np.sin(2 * np.pi * pitch_hz * k * time) / k for k in range(1, 6))
    return np.tile(0.1 * wave, (2, 1)).astype(np.float32)


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("frames", [0, 1, 441, 30000])
def test_length_and_type_stay_and_all_is_finite(frames: int) -> None:
    voice = sing(frames)
    doubled = double(voice, RATE, np.random.default_rng(0))
    assert doubled.shape == voice.shape
    assert doubled.dtype == np.float32
    assert np.isfinite(doubled).all()


@pytest.mark.parametrize("seed", range(3))
def test_something_is_added_later_and_the_voice_is_left_as_it_is(kind: str, seed: int) -> None:
    voice = np.zeros((2, RATE), dtype=np.float32)
    voice[:, 10000:20000] = sing(10000)
    added = double(voice, RATE, np.random.default_rng(seed)) - voice
    assert 0.05 < np.sqrt(np.mean(added**2) / np.mean(voice**2)) < (3 if kind == "choir" else 2)
    early = 2000 if kind in ("harmony", "choir") else -400  # grains may reach ahead, takes are late
    np.testing.assert_allclose(added[:, : 10000 - early], 0, atol=1e-3)


@pytest.mark.usefixtures("kind")
def test_a_seed_gives_the_same_doubling_and_another_another() -> None:
    voice = sing(RATE)
    one, same, other = (double(voice, RATE, np.random.default_rng(seed)) for seed in (7, 7, 8))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)


@pytest.mark.usefixtures("kind")
def test_silence_stays_silent() -> None:
    silence = np.zeros((2, 5000), dtype=np.float32)
    assert not double(silence, RATE, np.random.default_rng(0)).any()


@pytest.mark.parametrize("semitones", HARMONIES)
def test_a_shifted_tone_has_the_pitch_and_length_asked_for(semitones: int) -> None:
    tone = sing(RATE)[0]
    shifted = _shift_pitch(tone, semitones, RATE)
    assert shifted.shape == tone.shape
    pitch_hz = np.abs(np.fft.rfft(shifted * np.hanning(RATE))).argmax()  # a bin is 1 Hz
    assert pitch_hz == pytest.approx(220 * 2 ** (semitones / 12), abs=2)
    assert np.sqrt(np.mean(shifted**2) / np.mean(tone**2)) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("kind", ["echo"], indirect=True)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.usefixtures("kind")
def test_an_echo_repeats_a_click_at_even_times(seed: int) -> None:
    click = np.zeros((2, 3 * RATE), dtype=np.float32)
    click[:, 0] = 1
    heard = np.nonzero(np.abs(double(click, RATE, np.random.default_rng(seed))).max(axis=0) > 1e-2)
    starts = heard[0][np.diff(heard[0], prepend=-1000) > 500]
    assert len(starts) > 1
    np.testing.assert_array_equal(np.diff(starts), starts[1])
