"""Separators that are known exactly, scored by closed forms."""

import csv
import json
import os
from collections.abc import Mapping
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from PIL import Image

from stemkit.errors import OptionError, UnknownModelError
from stemkit.samples import Samples
from stemkit.study.conditions import Example, StudyOptions
from stemkit.study.leakage import FLOOR_DB
from stemkit.study.material import find_material
from stemkit.study.report import write_report
from stemkit.study.run import (
    HIGHEST_DB,
    Contender,
    Score,
    StemScore,
    Study,
    run_study,
    score_example,
)
from stemkit.study.summary import MEASURES, Leak, summarize, tabulate_leakage
from tests.batch.libraries import save_tiny
from tests.study.making import build_conditions, make_material

OPTIONS = StudyOptions(songs=1, seconds=1)
KINDS = ("singing", "band", "horn", "speech", "noise")


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Example]:
    folder = make_material(tmp_path_factory.mktemp("material"), KINDS)
    found = build_conditions(find_material(folder), OPTIONS)
    return {one.condition.name: one for one in found}


def separate_ideally(example: Example) -> Samples:
    return example.voice


def pass_all(example: Example) -> Samples:
    return example.mix


def leak_horns(example: Example) -> Samples:
    return example.voice + np.float32(0.3) * example.background.get("horn", 0 * example.mix)


SEPARATORS = {"ideal": separate_ideally, "all": pass_all, "horns": leak_horns}


def score(model: str, example: Example) -> Score:
    vocals = SEPARATORS[model](example)
    return score_example(model, example, vocals, example.mix - vocals)


@pytest.fixture(scope="module")
def scores(examples: Mapping[str, Example]) -> list[Score]:
    return [score(model, one) for model in SEPARATORS for one in examples.values()]


def ratio_db(signal: Samples, error: Samples) -> float:
    return float(10 * np.log10(np.square(signal, dtype=float).sum() / np.square(error).sum()))


def test_an_ideal_separator_loses_and_leaks_nothing(scores: list[Score]) -> None:
    for one in (one for one in scores if one.model == "ideal"):
        for stem in (one.vocals, one.accompaniment):
            assert stem.sdr_db is None or stem.sdr_db > 60
            assert stem.si_sdr_db is None or 60 < stem.si_sdr_db <= HIGHEST_DB
        for part, level_db in one.leakage_db.items():
            if part.startswith(("singing", "choir", "speech")):
                assert level_db == pytest.approx(0, abs=0.05)
            else:
                assert level_db < -50


def test_the_mix_itself_gains_nothing_and_leaks_all(scores: list[Score]) -> None:
    for one in (one for one in scores if one.model == "all"):
        assert one.vocals.mix_sdr_db is None or one.vocals.sdr_db == one.vocals.mix_sdr_db
        assert all(abs(level_db) < 0.05 for level_db in one.leakage_db.values())


@pytest.mark.parametrize("level_db", [0, -6, -12])
def test_a_leaking_horn_costs_what_it_must(level_db: int, examples: Mapping[str, Example]) -> None:
    one = examples[f"horn{level_db:+d}db"]
    found = score("horns", one)
    leaked_db = 20 * np.log10(0.3)
    error = one.background["horn"] * np.float32(0.3)
    assert found.vocals.sdr_db == pytest.approx(ratio_db(one.voice, error), abs=0.01)
    assert found.vocals.sdr_db == pytest.approx(-leaked_db - level_db, abs=0.1)
    assert found.accompaniment.sdr_db == pytest.approx(ratio_db(one.accompaniment, error), abs=0.01)
    assert found.leakage_db["horn"] == pytest.approx(leaked_db, abs=0.05)
    assert found.leakage_db["band"] == FLOOR_DB


def test_the_mix_scores_what_is_in_it(examples: Mapping[str, Example]) -> None:
    one = examples["speech-noise-5db"]
    found = score("ideal", one)
    assert found.vocals.mix_sdr_db == pytest.approx(-5, abs=0.1)
    assert found.accompaniment.mix_sdr_db == pytest.approx(5, abs=0.1)


def test_of_a_silent_stem_nothing_is_told(examples: Mapping[str, Example]) -> None:
    assert score("all", examples["no-voice"]).vocals == StemScore(None, None, None)
    a_cappella = score("all", examples["a-cappella"])
    assert a_cappella.accompaniment == StemScore(None, None, None)
    assert a_cappella.vocals.mix_sdr_db is None
    assert score("horns", examples["alone-horn"]).leakage_db == {
        "horn": pytest.approx(20 * np.log10(0.3), abs=0.001)
    }


def test_the_matrix_has_each_instrument_alone_and_mixed(scores: list[Score]) -> None:
    matrix = tabulate_leakage(summarize(scores))
    assert list(matrix)[:2] == ["singing", "speech"]
    assert set(matrix) == set(KINDS)
    horn = matrix["horn"]["horns"]
    assert horn.alone_db == pytest.approx(-10.46, abs=0.01)
    assert horn.mixed_db == pytest.approx(-10.46, abs=0.05)
    assert matrix["noise"]["horns"] == Leak(FLOOR_DB, FLOOR_DB)
    assert matrix["band"]["all"].mixed_db == pytest.approx(0, abs=0.05)


def test_the_matrix_takes_each_number_from_its_condition() -> None:
    none = StemScore(None, None, None)
    found = {
        "alone-horn": {"horn": -1.0},
        "with-horn": {"singing": -9.0, "band": -9.0, "horn": -2.0},
        "alone-band": {"band": -3.0},
        "band": {"singing": -9.0, "band": -4.0},
        "alone-drums": {"drums": -5.0},
    }
    scores = [Score("m", name, 0, none, none, levels) for name, levels in found.items()]
    assert tabulate_leakage(summarize(scores)) == {
        "horn": {"m": Leak(-1.0, -2.0)},
        "band": {"m": Leak(-3.0, -4.0)},
        "drums": {"m": Leak(-5.0, None)},
    }


def test_a_summary_has_the_quartiles() -> None:
    levels = [3.0, 1.0, 4.0, 1.5, 9.0]
    scores = [
        Score("m", "band", n, StemScore(x, x, 0.5), StemScore(None, None, None), {"band": -x})
        for n, x in enumerate(levels)
    ]
    (one,) = summarize(scores)
    assert one.examples == 5
    sdr = one.measures["vocals_sdr_db"]
    assert (sdr.low, sdr.median, sdr.high) == (1.5, median(levels), 4.0)
    assert one.measures["vocals_gain_db"].median == median(levels) - 0.5
    assert not any(name.startswith("accompaniment") for name in one.measures)
    assert one.leakage_db["band"].median == -3


def test_the_report_has_all_tables_and_pictures(scores: list[Score], tmp_path: Path) -> None:
    left_out, faults = {"choir": "no choir in the material"}, {Path("a/b.wav"): "is cut off"}
    study = Study(OPTIONS, {"horn": 2}, scores, left_out, faults)
    written = write_report(study, tmp_path / "new")
    assert {path.name for path in written} == {path.name for path in (tmp_path / "new").iterdir()}
    page = (tmp_path / "new/results.md").read_text()
    assert "voice + band + horn at -6 dB" in page
    assert "| horn | -60.0 | -60.0 | 0.0 | 0.0 | -10.5 | -10.5 |" in page
    assert "-0.0" not in page
    assert "- choir: no choir in the material" in page
    assert "b.wav: is cut off" in page
    rows = list(csv.DictReader((tmp_path / "new/results.csv").read_text().splitlines()))
    assert len(rows) == len(scores)
    assert set(MEASURES) < rows[0].keys()
    horns = next(row for row in rows if (row["model"], row["condition"]) == ("horns", "horn+0db"))
    assert float(horns["horn_in_vocals_db"]) == pytest.approx(-10.46, abs=0.05)
    everything = json.loads((tmp_path / "new/results.json").read_text())
    assert len(everything["examples"]) == len(scores)
    assert everything["leakage"]["horn"]["horns"]["alone_db"] == pytest.approx(-10.46, abs=0.01)
    for name in ("sdr.png", "leakage.png"):
        with Image.open(tmp_path / "new" / name) as image:
            assert min(image.size) > 500


def test_a_report_that_cannot_be_written_says_so(scores: list[Score], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    study = Study(OPTIONS, {}, scores, {}, {})
    with pytest.raises(OptionError, match="can't write"):
        write_report(study, tmp_path / "file")


def test_a_model_that_is_not_there_stops_the_study_at_once(tmp_path: Path) -> None:
    material = find_material(make_material(tmp_path, ("horn",)))
    with pytest.raises(UnknownModelError):
        run_study(material, [Contender("no-such-model")], OPTIONS)


@pytest.mark.skipif(os.name == "nt", reason="names of files are UTF-16 there")
def test_sounds_are_kept_however_long_names_are(tmp_path: Path) -> None:
    material = make_material(tmp_path / "in", ("horn",))
    long = "h" * 255
    (material / "horn").rename(material / long)
    ends = (".safetensors", "\x01.safetensors")  # the latter is shown as four letters
    models = [save_tiny(tmp_path / f"{'m' * (254 - len(end))}{end}") for end in ends]
    save_tiny(tmp_path / "other" / models[0].name)
    paths = [*models, tmp_path / "other" / models[0].name]
    contenders = [Contender(str(path)) for path in paths]
    audio = tmp_path / "audio"
    for _ in range(2):  # the second replaces what the first wrote
        study = run_study(find_material(material), contenders, OPTIONS, audio_folder=audio)
        assert {one.condition for one in study.scores} == {f"alone-{long}"}
        (folder,) = audio.iterdir()
        names = [path.name for path in (folder / "01").iterdir()]
        assert len(names) == 2 + 2 * len(paths)
        assert sum(" vocals" in name for name in names) == len(paths)
        assert sum(name.startswith("hhh") for name in names) == 1
