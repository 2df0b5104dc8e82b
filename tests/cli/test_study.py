"""The command with the model in the box, on two short examples of a small material."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemkit.cli.main import run
from stemkit.separation.guard import guard_vocals
from tests.study.making import make_material


@pytest.mark.slow
def test_a_study_runs_from_folders_to_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    material, results = make_material(tmp_path / "in", ("singing", "band")), tmp_path / "out"
    (material / "band" / "0.wav").write_bytes(b"RIFF")
    options = ["--songs", "2", "--seconds", "3", "--save-audio", "--guard"]
    assert run(["study", str(material), "-o", str(results), *options]) == 1
    said = capsys.readouterr()
    assert said.out == f"{results / 'results.md'}\n"
    first, *others = said.err.splitlines()
    assert first.startswith(f"error: {material / 'band' / '0.wav'}: ")
    assert "left out choir, choir-band: no choir in the material" in others
    names = {"results.md", "results.csv", "results.json", "sdr.png", "leakage.png", "audio"}
    assert {path.name for path in results.iterdir()} == names
    rows = list(csv.DictReader((results / "results.csv").read_text().splitlines()))
    models = ["stemkit-small", "stemkit-small, guarded"]
    assert list(dict.fromkeys(row["model"] for row in rows)) == models
    numbers = [row["example"] for row in rows if row["condition"] == "band"]
    assert numbers == ["1", "1", "2", "2"]
    folder = results / "audio" / "band" / "02"
    sounds = {path.stem: soundfile.read(path)[0] for path in folder.iterdir()}
    stems = {f"{model} {stem}" for model in models for stem in ("vocals", "accompaniment")}
    assert sounds.keys() == {"mix", "singing", "band"} | stems
    assert all(sound.shape == (3 * 44100, 2) for sound in sounds.values())
    np.testing.assert_allclose(sounds["singing"] + sounds["band"], sounds["mix"], atol=1e-6)
    for model in models:
        both = sounds[f"{model} vocals"] + sounds[f"{model} accompaniment"]
        np.testing.assert_allclose(both, sounds["mix"], atol=1e-6)
    guarded = guard_vocals(sounds["mix"].T, sounds["stemkit-small vocals"].T, 44100).T
    np.testing.assert_allclose(sounds["stemkit-small, guarded vocals"], guarded, atol=1e-5)


def test_a_folder_without_material_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["study", str(tmp_path), "-o", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith(f"error: no material in {tmp_path}; it needs")
    assert not (tmp_path / "out").exists()


def test_nothing_that_can_be_used_is_nothing_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "horn").mkdir()
    (tmp_path / "horn" / "bad.wav").write_bytes(b"RIFF")
    assert run(["study", str(tmp_path), "-o", str(tmp_path / "out"), "--songs", "1"]) == 3
    assert "bad.wav" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
