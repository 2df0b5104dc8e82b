"""What the guard takes, what it leaves, and that nothing is lost on the way."""

import dataclasses
import functools
import pickle
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.signal import butter, sawtooth, sosfiltfilt
from torch import Tensor

from stemkit.audio.encode import OutputFormat
from stemkit.batch.settings import describe_treatment, name_differences, restore_treatment
from stemkit.batch.treatment import Treatment
from stemkit.effects.board import Board
from stemkit.errors import ArgumentTypeError, OptionError
from stemkit.evaluation.metrics import measure_sdr
from stemkit.samples import Samples
from stemkit.separation.engine import Engine
from stemkit.separation.guard import guard_vocals
from stemkit.separation.options import EngineOptions
from stemkit.separation.separator import Separator
from tests.separation.networks import TINY, Identity, make_identity

RATE = 44100
GUARDED = EngineOptions(
    device="cpu", precision="float32", segment_seconds=3, overlap_seconds=1, guard=True
)


def filter_noise(seconds: float, low_hz: float, high_hz: float, seed: int) -> Samples:
    noise = np.random.default_rng(seed).standard_normal((2, round(seconds * RATE)))
    sos = butter(4, (low_hz, high_hz), "bandpass", fs=RATE, output="sos")
    return np.asarray(0.05 * sosfiltfilt(sos, noise), np.float32)


def sing(seconds: float) -> Samples:
    """Return a tone with vibrato, 0.8 s of each second, that begins and ends with an s."""
    time = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * 220 * time + 3 * np.sin(2 * np.pi * 5.5 * time)
    tone = sawtooth(phase) * (np.mod(time, 1) < 0.8)
    hiss = 5 * filter_noise(seconds, 5000, 12000, 1) * (np.abs(np.mod(time, 1) - 0.85) < 0.05)
    return np.asarray(0.1 * tone + hiss, np.float32)


@functools.cache
def make_leak() -> tuple[Samples, Samples, Samples]:
    """Return a mix, what is sung in its first half, and an estimate with some of the rest."""
    voice, band = sing(8), filter_noise(8, 40, 5000, 2) + filter_noise(8, 5000, 16000, 3)
    voice[:, 4 * RATE :] = 0
    return voice + band, voice, voice + np.float32(0.05) * band


def energy_db(audio: Samples) -> float:
    return float(10 * np.log10(np.square(audio, dtype=np.float64).mean()))


def test_what_is_sung_stays_and_what_leaks_beside_it_goes() -> None:
    mix, _, estimate = make_leak()
    guarded = guard_vocals(mix, estimate, RATE)
    first, last = np.s_[:, : 3 * RATE], np.s_[:, 6 * RATE :]
    np.testing.assert_array_equal(guarded[first], estimate[first])
    assert energy_db(guarded[last]) == pytest.approx(energy_db(estimate[last]) - 18, abs=0.5)


@pytest.mark.parametrize("background", [0.0, 1.0])
def test_clean_singing_changes_by_less_than_a_tenth_of_a_decibel(background: float) -> None:
    voice, band = sing(8), np.float32(background) * filter_noise(8, 40, 16000, 2)
    estimate = voice + np.float32(0.02) * filter_noise(8, 40, 16000, 4)
    guarded = guard_vocals(voice + band, estimate, RATE)
    assert measure_sdr(voice, guarded) > measure_sdr(voice, estimate) - 0.1


@pytest.mark.parametrize("seconds_sung", [0, 8])
def test_cymbals_are_lowered_alone_and_beneath_a_voice(seconds_sung: float) -> None:
    cymbals = filter_noise(8, 6000, 15000, 5)
    voice = np.zeros_like(cymbals)
    voice[0] = np.sin(2 * np.pi * 300 * np.arange(8 * RATE) / RATE) / 5
    voice[:, round(seconds_sung * RATE) :] = 0
    estimate = voice + np.float32(0.07) * cymbals
    guarded = guard_vocals(voice + cymbals, estimate, RATE)
    assert energy_db(guarded - voice) < energy_db(estimate - voice) - 6


def test_a_faint_consonant_in_a_break_stays() -> None:
    cymbals, voice = filter_noise(8, 5000, 15000, 5), filter_noise(8, 5000, 12000, 6)
    from_word = np.abs(np.arange(8 * RATE) / RATE - 4)
    cymbals[:, from_word < 0.4] *= 0.1
    voice *= np.float32(0.25) * (from_word < 0.1)
    guarded = guard_vocals(voice + cymbals, voice, RATE)
    assert measure_sdr(voice, guarded) > 20


def test_no_band_gets_louder() -> None:
    mix, _, estimate = make_leak()
    guarded = guard_vocals(mix, estimate, RATE)

    def measure_bands(audio: Samples) -> npt.NDArray[np.float64]:
        cut = audio[:, : 86 * 4096].reshape(2, -1, 4096) * np.hanning(4096)
        power = np.square(np.abs(np.fft.rfft(cut))).sum(axis=0)
        bands: npt.NDArray[np.float64] = np.add.reduceat(power, range(0, 2048, 32), axis=1)
        return bands

    before = measure_bands(estimate)
    assert (measure_bands(guarded) <= 1.001 * before + 1e-6 * before.mean()).all()


@pytest.mark.parametrize("gain", [0.1, 1e-3, 7.0])
def test_louder_in_is_louder_out(gain: float) -> None:
    mix, _, estimate = make_leak()
    scaled = guard_vocals(mix * np.float32(gain), estimate * np.float32(gain), RATE)
    expected = guard_vocals(mix, estimate, RATE)
    np.testing.assert_allclose(scaled / np.float32(gain), expected, atol=1e-6)


@pytest.mark.parametrize("frames", [0, 1, 1023, 1024, 1025, 4410, 2 * RATE - 1])
def test_what_is_short_stays_as_it_is(frames: int) -> None:
    mix, _, estimate = (audio[:, -max(1, frames) :][:, :frames] for audio in make_leak())
    np.testing.assert_array_equal(guard_vocals(mix, estimate, RATE), estimate)


@pytest.mark.parametrize("frames", [2 * RATE, 3 * RATE + 1, 3 * RATE + 1023])
def test_lengths_are_kept_and_edges_are_guarded(frames: int) -> None:
    mix, _, estimate = (audio[:, -frames:] for audio in make_leak())
    guarded = guard_vocals(mix, estimate, RATE)
    assert guarded.shape == estimate.shape
    assert guarded.dtype == np.float32
    for edge in (np.s_[:, :100], np.s_[:, -100:]):
        assert energy_db(guarded[edge]) < energy_db(estimate[edge]) - 15


@pytest.mark.parametrize("rate", [8000, 11025, 192000])
def test_silence_stays_silent_at_any_rate(rate: int) -> None:
    silence = np.zeros((2, 3 * rate), np.float32)
    noise = np.random.default_rng(0).standard_normal(silence.shape).astype(np.float32)
    assert not guard_vocals(silence, silence, rate).any()
    assert not guard_vocals(noise, silence, rate).any()
    np.testing.assert_array_equal(guard_vocals(silence, noise, rate), noise)


class Faint(Identity):
    """Each source is a little of the mix."""

    def forward(self, mix: Tensor) -> Tensor:
        faint: Tensor = 0.05 * super().forward(mix)
        return faint


def make_faint(*sources: str) -> Faint:
    return Faint(dataclasses.replace(TINY, sources=sources or ("vocals",)))


@pytest.fixture(scope="module")
def song() -> Samples:
    return filter_noise(10, 40, 15000, 7)


@pytest.mark.parametrize("other", ["accompaniment", "residual"])
def test_what_is_taken_goes_to_the_rest(song: Samples, other: str) -> None:
    options = dataclasses.replace(GUARDED, stems=("vocals", other))
    found = Engine(make_faint(), options).separate(song, RATE)
    np.testing.assert_allclose(found["vocals"] + found[other], song, atol=1e-6)
    assert energy_db(found["vocals"]) == pytest.approx(energy_db(song) - 26 - 18, abs=0.5)


def test_only_vocals_are_guarded_and_only_if_asked(song: Samples) -> None:
    network = make_faint("drums", "vocals")
    guarded = Engine(network, GUARDED).separate(song, RATE)
    engine = Engine(network, dataclasses.replace(GUARDED, guard=False))
    unguarded = engine.separate(song, RATE)
    np.testing.assert_allclose(unguarded["vocals"], 0.05 * song, atol=1e-7)
    np.testing.assert_array_equal(guarded["drums"], unguarded["drums"])
    again = engine.with_options(GUARDED).separate(song, RATE)
    np.testing.assert_array_equal(again["vocals"], guarded["vocals"])
    assert energy_db(guarded["vocals"]) < energy_db(unguarded["vocals"]) - 17


@pytest.mark.parametrize("block", [4410, 100_000])
@pytest.mark.parametrize("rate", [RATE, 48000])
def test_blocks_of_any_size_give_the_same(song: Samples, block: int, rate: int) -> None:
    separator = Separator(
        "vocals", make_faint(), "cpu", "float32", segment_seconds=3, overlap_seconds=1, guard=True
    )
    expected = separator(song, rate)
    parts = [
        separator.process(song[:, start : start + block], rate, reset=False)
        for start in range(0, song.shape[1], block)
    ]
    streamed = np.concatenate([*parts, separator.flush()], axis=1)
    np.testing.assert_allclose(streamed, expected, atol=1e-6)


def test_a_separator_is_guarded_when_told(song: Samples) -> None:
    separator = Separator(model=make_faint(), device="cpu", precision="float32")
    assert separator.guard is False
    unguarded = separator(song, RATE)
    separator.guard = True
    assert pickle.loads(pickle.dumps(separator)).guard is True
    assert energy_db(separator(song, RATE)) < energy_db(unguarded) - 17
    with pytest.raises(ArgumentTypeError, match="guard must be True or False, not 'yes'"):
        separator.guard = "yes"  # type: ignore[assignment]


def test_a_preset_keeps_it() -> None:
    board: Any = Board([Separator(guard=True)])
    preset = board.to_preset()
    assert "guard = true" in preset.to_toml()
    again: Any = Board.from_preset(preset)
    assert again[0].guard is True


def test_a_model_without_vocals_has_nothing_to_guard() -> None:
    for network in (make_identity("accompaniment"), make_identity("drums", "bass")):
        with pytest.raises(OptionError, match="no vocals to guard, only"):
            Engine(network, GUARDED)


def test_stems_that_no_vocals_are_part_of_have_nothing_to_guard() -> None:
    network = make_identity("vocals", "drums")
    with pytest.raises(OptionError, match="no vocals to guard, only drums"):
        Engine(network, dataclasses.replace(GUARDED, stems=("drums",)))
    for stems in (("accompaniment",), ("residual",), ("drums", "vocals")):
        assert Engine(network, dataclasses.replace(GUARDED, stems=stems)).stems == stems


def test_settings_name_it_only_where_it_is_on() -> None:
    """So that what was separated before there was a guard counts as done without one."""
    before = Treatment(OutputFormat("wav"), "stemkit-small")
    now = dataclasses.replace(before, engine_options=EngineOptions(guard=True))
    old, new = describe_treatment(before), describe_treatment(now)
    assert '"guard"' not in old.effective
    assert restore_treatment(old).engine_options.guard is False
    assert restore_treatment(new).engine_options.guard is True
    assert name_differences(old, new) == ("guard",)
