"""What examples/study makes of sounds, and that none of them was heard in training."""

import sys
from pathlib import Path
from runpy import run_path
from typing import Any

import numpy as np
import pytest
import soundfile

from stemkit.study.conditions import GRADED, VOICES

EXAMPLES = Path(__file__).parents[2] / "examples"
RATE = 44100


def load(script: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    folders = [str((EXAMPLES / script).parent), str(EXAMPLES / "train_small")]
    monkeypatch.setattr(sys, "path", folders + sys.path)
    return run_path(str(EXAMPLES / script))


@pytest.fixture
def layers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    return load("study/layer_sounds.py", monkeypatch)


@pytest.fixture
def gather(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    return load("study/gather_material.py", monkeypatch)


def test_it_makes_every_kind_that_a_condition_needs(gather: dict[str, Any]) -> None:
    packages = {name: Path("nowhere") for name in gather["PACKAGES"]}
    kinds = gather["list_kinds"](packages, []).keys()
    assert {kind for condition in GRADED for kind in condition.kinds} <= kinds
    assert set(VOICES) <= kinds


def test_nothing_of_it_was_heard_in_training(
    gather: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = load("train_small/gather_audio.py", monkeypatch)
    assert not set(gather["PACKAGES"]) & {package.name for package in trained["PACKAGES"]}
    bands = load("train_small/render_bands.py", monkeypatch)
    ours = load("study/render_instruments.py", monkeypatch)
    fonts = {Path(path).name for path in ours["SAMPLES"].values()}
    for script in (EXAMPLES / "train_small").glob("*.py"):
        assert not [font for font in fonts if font in script.read_text()], script
    grooves = {groove for style in ours["STYLES"] for groove in style.grooves}
    assert not grooves & {groove for style in bands["STYLES"] for groove in style.grooves}
    configs = [path.read_text() for path in (EXAMPLES / "train_small").glob("*.toml")]
    assert len(configs) == 5
    for config in configs:
        assert all(f'"{pattern.removesuffix(".mp3")}"' in config for pattern in gather["READINGS"])


def test_what_is_there_is_left_alone(
    gather: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in gather["list_kinds"](dict.fromkeys(gather["PACKAGES"], tmp_path), []):
        (tmp_path / kind).mkdir()
    monkeypatch.setenv("PATH", "")  # it can start nothing
    before = sorted(tmp_path.rglob("*"))
    gather["gather_material"](tmp_path, [])
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(("slope", "expected_db"), [(0.0, 0.0), (0.5, -3.01), (1.0, -6.02)])
def test_noise_falls_as_it_should(slope: float, expected_db: float, layers: dict[str, Any]) -> None:
    sound = layers["make_noise"](3, slope, np.random.default_rng(0))
    power = np.square(np.abs(np.fft.rfft(sound))).mean(axis=0)
    edges = 3 * np.array([200, 400, 800, 1600, 3200, 6400])  # bins of a third of a hertz
    means = np.add.reduceat(power, edges)[:-1] / np.diff(edges)
    assert np.diff(10 * np.log10(means)) == pytest.approx(expected_db, abs=0.5)


def test_a_choir_sings_in_parallel(layers: dict[str, Any]) -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE, dtype=np.float32)
    choir = layers["layer_choir"](np.stack([tone, tone]), np.random.default_rng(0))
    spectrum = np.abs(np.fft.rfft(choir.sum(axis=0) * np.hanning(2 * RATE)))
    for semitones in set(layers["CHOIR_SEMITONES"]):
        middle = 2 * 440 * 2 ** (semitones / 12)
        near = spectrum[round(middle * 0.98) : round(middle * 1.02)].max()
        assert near > 0.05 * spectrum.max(), semitones


def test_a_crowd_never_falls_silent(layers: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    people = [np.zeros((2, RATE), np.float32) for _ in range(3)]
    for person in people:
        person[:, :4000] = rng.normal(0, 0.1, (2, 4000))
    cheers = [rng.normal(0, 0.1, (2, RATE // 3)).astype(np.float32)]
    crowd = layers["layer_crowd"](people, cheers, rng)
    levels = np.square(crowd[0, : RATE // 441 * 441]).reshape(-1, 441).mean(axis=1)
    assert (levels > 0).all()


def test_words_are_strung_at_one_level(layers: dict[str, Any], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number, level in enumerate((0.01, 0.2)):
        word = np.zeros(RATE // 2)
        word[5000:15000] = rng.normal(0, level, 10000)
        soundfile.write(tmp_path / f"{number}.wav", word, RATE, "FLOAT")
    speech = layers["string_clips"](sorted(tmp_path.iterdir()), 5, rng)
    assert speech.shape == (2, 5 * RATE)
    heard = speech[0][speech[0] != 0]
    assert np.sqrt(np.square(heard).mean()) == pytest.approx(layers["LEVEL"], rel=0.02)
    assert 0.3 < len(heard) / speech.shape[1] < 0.85


def test_a_kit_is_hit_when_and_as_hard_as_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drums = load("study/render_instruments.py", monkeypatch)
    for layer, peak in enumerate((0.125, 0.5)):
        soundfile.write(tmp_path / f"Snare-{layer}.wav", np.full(10, peak), RATE, "FLOAT")
    note = drums["Note"]
    hits = [note(0, 1, drums["SNARE"], 30), note(1, 1, drums["SNARE"], 120), note(3, 1, 38, 1)]
    played = drums["play_kit"](hits, 0.5, tmp_path)
    assert played.shape == (2, round(1.5 * RATE))
    expected = np.zeros(played.shape, np.float32)
    expected[:, :10], expected[:, RATE // 2 : RATE // 2 + 10] = 0.125, 0.5
    np.testing.assert_allclose(played, expected, atol=1e-6)
