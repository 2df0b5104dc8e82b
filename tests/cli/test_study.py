"""The command with the model in the box, on two short examples of a small material."""

import csv
import json
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemkit.cli.main import run
from stemkit.separation.guard import guard_vocals
from tests.batch.libraries import save_tiny
from tests.study.making import make_material

SHORT = ("--songs", "1", "--seconds", "1")
MODELS = (("a", 1.0), ("b", 0.25))


def refuse_to_work(*arguments: object) -> None:
    raise AssertionError("an example was made")


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
    material, results = tmp_path / "in", tmp_path / "out"
    (material / "horn").mkdir(parents=True)
    (material / "horn" / "bad.wav").write_bytes(b"RIFF")
    assert run(["study", str(material), "-o", str(results), *SHORT]) == 3
    assert "bad.wav" in capsys.readouterr().err
    assert not results.exists()


@pytest.mark.parametrize(
    ("taken", "said"),
    [
        ("", "can't write {0}: Not a directory"),
        ("results.md/", "can't write {0}/results.md: Is a directory"),
        ("leakage.png/", "can't write {0}/leakage.png: Is a directory"),
        ("audio", "can't write {0}/audio: File exists"),
    ],
)
def test_results_that_cannot_be_written_are_told_before_the_first_example(
    taken: str,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stemkit.study.run._run_number", refuse_to_work)
    material, results = make_material(tmp_path / "in", ("horn",)), tmp_path / "out"
    if not taken:
        results.write_text("")
        results = results / "x"
    elif taken.endswith("/"):
        (results / taken).mkdir(parents=True)
    else:
        results.mkdir()
        (results / taken).write_text("")
    before = sorted(tmp_path.rglob("*"))
    assert run(["study", str(material), "-o", str(results), *SHORT, "--save-audio"]) == 2
    assert capsys.readouterr().err == f"error: {said.format(results)}; choose another place\n"
    assert sorted(tmp_path.rglob("*")) == before


def test_audio_that_cannot_be_written_is_told_in_the_same_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    material, audio = make_material(tmp_path / "in", ("horn",)), tmp_path / "out" / "audio"
    audio.mkdir(parents=True)
    (audio / "alone-horn").write_text("")
    options = ["-o", str(tmp_path / "out"), *SHORT, "--save-audio"]
    assert run(["study", str(material), *options]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: can't write {audio / 'alone-horn'}/01/")
    assert said.endswith(": Not a directory; choose another place\n")


@pytest.mark.parametrize("place", ["in", "in/out", "in/horn/out", "link/out", "more/out"])
def test_results_in_the_material_are_refused(
    place: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stemkit.study.run._run_number", refuse_to_work)
    material, results = make_material(tmp_path / "in", ("horn",)), tmp_path / place
    (tmp_path / "link").symlink_to(material)
    make_material(tmp_path / "more", ("band",))
    (material / "horn" / "more").symlink_to(tmp_path / "more")
    before = sorted(tmp_path.rglob("*"))
    assert run(["study", str(material), "-o", str(results), *SHORT]) == 2
    assert capsys.readouterr().err.startswith(f"error: {results} is in the material, {material}")
    assert sorted(tmp_path.rglob("*")) == before


def test_audio_in_the_material_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    material = make_material(tmp_path / "out" / "audio", ("horn",))
    options = ["-o", str(tmp_path / "out"), *SHORT, "--save-audio"]
    assert run(["study", str(material), *options]) == 2
    assert f"{material} is in the material" in capsys.readouterr().err


def test_models_of_one_name_keep_the_sounds_of_each(tmp_path: Path) -> None:
    material = make_material(tmp_path / "in", ("horn",))
    models = [save_tiny(tmp_path / folder / "it.safetensors", gain) for folder, gain in MODELS]
    chosen = [option for model in models for option in ("--model", str(model))]
    options = ["-o", str(tmp_path / "out"), *SHORT, "--save-audio", *chosen]
    assert run(["study", str(material), *options]) == 0
    kept = sorted((tmp_path / "out" / "audio").rglob("*vocals*"))
    sounds = [soundfile.read(path)[0] for path in kept]
    assert len(sounds) == 2
    assert not np.allclose(*sounds)
    assert run(["study", str(material), *options[:-2], "--seed", "1"]) == 0
    (left,) = (tmp_path / "out" / "audio").rglob("*vocals*")
    assert left.name == "it.safetensors vocals.wav"


def test_one_speaker_is_not_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    material = make_material(tmp_path / "in", ("speech", "noise"))
    (material / "speech" / "1.wav").rename(material / "speech" / "LICENSE")
    (material / "speech" / "LICENSE").write_text("free")
    assert run(["study", str(material), "-o", str(tmp_path / "out"), *SHORT]) == 0
    said = capsys.readouterr().err.splitlines()
    assert "left out two-speakers: only one file of speech could be used" in said
    page = (tmp_path / "out" / "results.md").read_text()
    assert "- two-speakers: only one file of speech could be used" in page


def test_only_what_cannot_be_used_is_blamed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    material = make_material(tmp_path / "in", ("singing", "band"))
    (material / "docs").mkdir()
    (material / "docs" / "LICENSE").write_text("free")
    assert run(["study", str(material), "-o", str(tmp_path / "out"), *SHORT]) == 0
    said = capsys.readouterr().err.splitlines()
    assert "left out alone-docs, with-docs: no file of docs could be used" in said


def test_a_click_costs_no_other_sound_its_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    material, results = make_material(tmp_path / "in", ("singing",)), tmp_path / "out"
    (material / "click").mkdir()
    soundfile.write(material / "click" / "click.wav", [0.9, 0.0], 44100)
    assert run(["study", str(material), "-o", str(results), *SHORT]) == 1
    fault = f"{material / 'click' / 'click.wav'}: 'click.wav' holds too little sound; remove it"
    assert f"error: {fault}" in capsys.readouterr().err.splitlines()
    assert f"- {fault}" in (results / "results.md").read_text()


def test_examples_that_are_too_short_to_be_guarded_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    material, results = make_material(tmp_path / "in", ("horn",)), tmp_path / "out"
    options = ["-o", str(results), "--guard", "--songs", "1"]
    assert run(["study", str(material), *options, "--seconds", "1.9"]) == 2
    said = "error: examples of 1.9 s are too short to be guarded; take 2 s or more\n"
    assert capsys.readouterr().err == said
    assert not results.exists()
    assert run(["study", str(material), *options, "--seconds", "2"]) == 0


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="names of files are UTF-16 there")
def test_names_of_any_code_and_script_can_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    material, results = (
        make_material(tmp_path / "in", ("singing", "band", "horn")),
        tmp_path / "out",
    )
    (material / "horn").rename(material / os.fsdecode(b"fl\xfbte"))
    for kind in ("日本", "a\nb|c", "$x$ $\\frac$"):
        make_material(tmp_path / "more", ("drums",)).joinpath("drums").rename(material / kind)
    (material / "band" / "0.wav").rename(material / "band" / os.fsdecode(b"b\xe4nd.wav"))
    (material / "band" / os.fsdecode(b"caf\xe9.wav")).write_bytes(b"RIFF")
    (material / "band" / os.fsdecode(b"caf\xe8.wav")).write_bytes(b"RIFF")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        arguments = ["study", str(material), "-o", str(results), *SHORT, "--save-audio"]
        assert run([*arguments, "--songs", "4"]) == 1
    assert not [one for one in caught if "font" in str(one.message)]
    page = (results / "results.md").read_text()
    table = [line.split(" | ")[0] for line in page.splitlines() if line.startswith("| ")]
    assert {"| fl\\xfbte", "| 日本", "| a\\nb\\|c", "| $x$ $\\frac$"} <= set(table)
    assert f"- {material}/band/caf\\xe9.wav: " in page
    everything = json.loads((results / "results.json").read_text())
    kinds = {"singing", "band", "fl\\xfbte", "日本", "a\\nb|c", "$x$ $\\frac$"}
    assert everything["leakage"].keys() == everything["files"].keys() == kinds
    names = {Path(path).name for path in everything["faults"]}
    assert names == {"caf\\xe9.wav", "caf\\xe8.wav"}
    rows = list(csv.DictReader((results / "results.csv").read_text().splitlines()))
    assert "fl\\xfbte_in_vocals_db" in rows[0]
    assert (results / "audio" / "with-fl\\xfbte" / "01" / "fl\\xfbte.wav").is_file()


@pytest.mark.parametrize("name", ["mix", "speech-2"])
def test_a_kind_of_a_name_that_is_taken_is_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    material = make_material(tmp_path / "in", ("speech", "horn"))
    (material / "horn").rename(material / name)
    assert run(["study", str(material), "-o", str(tmp_path / "out"), *SHORT]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {name!r} is not a kind's name")
    assert said.endswith(f"; rename {material / name}\n")
