"""The loop learns, keeps what it has learned, and goes on from there."""

import csv
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from stemkit.errors import OptionError, TrainingError
from stemkit.evaluation.metrics import measure_sdr
from stemkit.nn.checkpoints import load_checkpoint
from stemkit.nn.config import ARCHITECTURES
from stemkit.nn.resunet import ResUNet
from stemkit.training.config import TrainingConfig, load_config
from stemkit.training.loop import learning_rate, train
from stemkit.training.loss import spectral_l1

RATE = 44100
CONFIG = """
architecture = "tiny"
output = "{output}"
validation = "songs"
hours = 1
segment_seconds = 0.5
batch_size = 2
warmup_steps = 5
learning_rate = 1e-2
ema_decay = 0.8
precision = "float32"
[[vocals]]
folders = ["voice"]
[[accompaniment]]
folders = ["band"]
"""


@pytest.fixture(autouse=True)
def _tiny_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = dataclasses.replace(
        ARCHITECTURES["stemkit-small"], n_fft=512, hop=128, stage_channels=(4, 6, 8)
    )
    monkeypatch.setitem(ARCHITECTURES, "tiny", tiny)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a voice (a low tone) and a band (a high one), which a tiny network can tell apart."""
    time = np.arange(RATE * 2) / RATE
    tones = {"voice": 0.3 * np.sin(2 * np.pi * 400 * time), "band": 0.3 * np.sin(2e4 * time)}
    song = tmp_path / "songs" / "one"
    song.mkdir(parents=True)
    for (kind, tone), stem in zip(tones.items(), ("vocals", "accompaniment"), strict=True):
        (tmp_path / kind).mkdir()
        stereo = np.stack((tone, tone), axis=1)
        soundfile.write(tmp_path / kind / "tone.wav", stereo, RATE)
        soundfile.write(song / f"{stem}.wav", stereo, RATE)
    return tmp_path


def write_config(folder: Path, max_steps: int, output: str = "out") -> TrainingConfig:
    path = folder / "config.toml"
    path.write_text(f"max_steps = {max_steps}\n" + CONFIG.format(output=output))
    return load_config(path)


def read_state(folder: Path, output: str = "out") -> dict[str, Any]:
    state: dict[str, Any] = torch.load(folder / output / "state.pt", weights_only=True)
    return state


def test_training_learns(folder: Path) -> None:
    (early,) = train(write_config(folder, max_steps=10))
    (late,) = train(write_config(folder, max_steps=60))
    assert (early.step, late.step) == (10, 60)
    assert late.hours > early.hours > 0
    assert late.loss < 0.5 * early.loss
    assert late.medians()[2] == pytest.approx(0, abs=0.1)  # two tones, equally loud
    with (folder / "out" / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [10, 60]
    assert float(rows[1]["vocals_db"]) == pytest.approx(late.medians()[0])
    network = load_checkpoint(folder / "out" / "average.safetensors")
    average = read_state(folder)["average"]
    assert all(torch.equal(value, average[name]) for name, value in network.named_parameters())


def test_a_run_that_was_stopped_ends_where_an_undisturbed_one_does(folder: Path) -> None:
    list(train(write_config(folder, 6, "whole")))
    list(train(write_config(folder, 3, "parts")))
    list(train(write_config(folder, 6, "parts")))
    whole, parts = read_state(folder, "whole"), read_state(folder, "parts")
    assert whole["step"] == parts["step"] == 6
    for part in ("network", "average"):
        assert all(torch.equal(whole[part][name], parts[part][name]) for name in whole[part])
    start = ResUNet(ARCHITECTURES["tiny"]).state_dict()
    assert not torch.equal(start["unet.head.weight"], whole["network"]["unet.head.weight"])


def test_a_broken_state_is_an_error_that_names_it(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "state.pt").write_bytes(b"not a state")
    with pytest.raises(TrainingError, match=r"state\.pt"):
        list(train(write_config(folder, max_steps=1)))


def test_the_learning_rate_rises_stays_and_falls(folder: Path) -> None:
    config = write_config(folder, max_steps=1)
    assert learning_rate(config, 0, 0) == pytest.approx(1e-2 / 5)
    assert learning_rate(config, 100, 0) == learning_rate(config, 100, 2500) == 1e-2
    assert 0 < learning_rate(config, 100, 3200) < learning_rate(config, 100, 2900) < 1e-2
    assert learning_rate(config, 100, 3600) == pytest.approx(0)


def test_bins_above_the_bandwidth_of_the_voice_do_not_count() -> None:
    torch.manual_seed(0)
    network = ResUNet(ARCHITECTURES["tiny"]).eval()
    mix, vocals = torch.randn(1, 2, 8192), torch.randn(1, 2, 8192)
    above = torch.fft.rfft(torch.randn(1, 2, 8192))
    above[..., : int(8192 * 12000 / RATE)] = 0
    other = vocals + torch.fft.irfft(above)
    limit, no_limit = torch.tensor([8000.0]), torch.tensor([30000.0])
    narrow = [spectral_l1(network, mix, target, limit).item() for target in (vocals, other)]
    broad = [spectral_l1(network, mix, target, no_limit).item() for target in (vocals, other)]
    assert narrow[0] == pytest.approx(narrow[1], rel=1e-2)
    assert broad[1] > broad[0] * 1.1


def test_sdr_is_the_ratio_of_energies() -> None:
    reference = np.ones((2, 100), dtype=np.float32)
    assert measure_sdr(reference, reference * 0.9) == pytest.approx(20, abs=1e-3)
    assert measure_sdr(reference, reference * 0) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("hours = -1", "hours"),
        ("hour = 1", "hour"),
        ("hours = 'long'", "hours"),
        ("architecture = 'x'", "architecture"),
        ("not toml", "config.toml"),
    ],
)
def test_a_config_that_is_wrong_is_one_line_with_its_place(
    tmp_path: Path, line: str, place: str
) -> None:
    wanted = {"architecture": 'architecture = "tiny"', "hours": "hours = 1"}
    wanted.pop(line.split(" ")[0], None)
    tables = '[[vocals]]\nfolders=["a"]\n[[accompaniment]]\nfolders=["b"]\n'
    path = tmp_path / "config.toml"
    path.write_text("\n".join([*wanted.values(), 'output = "o"', line, tables]))
    with pytest.raises(OptionError, match=place) as caught:
        load_config(path)
    assert str(path) in str(caught.value)
