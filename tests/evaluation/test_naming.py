"""What songs, stems and groups are called in the files of an evaluation."""

import json
import os
import warnings
from pathlib import Path

import pytest

from stemkit.evaluation.compare import compare_evaluations
from stemkit.evaluation.evaluate import Evaluation, EvaluationOptions, evaluate_folders
from stemkit.evaluation.options import ScoreOptions
from stemkit.evaluation.tables import read_rows
from stemkit.evaluation.tasks import name_tracks
from tests.evaluation.making import draw_nothing, needs_ffmpeg, write_song

QUICK = ScoreOptions(("sdr",))


@pytest.fixture(autouse=True)
def _draw_little(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.name != test_names_in_other_scripts_bring_no_warnings.__name__:
        draw_nothing(monkeypatch)


def evaluate(
    folder: Path, *songs: str, groups: str = "", scores: ScoreOptions = QUICK
) -> Evaluation:
    for seed, song in enumerate(songs):
        write_song(folder / "refs" / song, seed)
        write_song(folder / "ests" / song, seed, error=0.1 * (seed + 1))
    table = folder / "groups.csv"
    table.write_text(groups, encoding="utf-8")
    options = EvaluationOptions(scores, table if groups else None, jobs=1)
    return evaluate_folders(folder / "refs", folder / "ests", folder / "out", options)


def test_no_two_songs_have_one_name(tmp_path: Path) -> None:
    keys = [("A", "B"), ("A - B",), ("C", "B"), ("A - B (2)",)]
    assert name_tracks(keys) == ["A - B", "A - B (3)", "C - B", "A - B (2)"]
    assert name_tracks([(os.fsdecode(b"\xe9"),), (os.fsdecode(b"\xe8"),)]) == [
        "\ufffd",
        "\ufffd (2)",
    ]
    result = evaluate(tmp_path, "A - B", "A/B", "C/B")
    assert len({(row.track, row.stem) for row in result.rows}) == 6
    differences = compare_evaluations(tmp_path / "out", tmp_path / "out").differences
    assert [(one.better, one.worse, one.tracks) for one in differences] == [(0, 0, 3)] * 2


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_names_in_no_encoding_are_written_all_the_same(tmp_path: Path) -> None:
    evaluate(tmp_path, os.fsdecode(b"caf\xe9"), "caf\ufffd")
    rows = read_rows(tmp_path / "out" / "scores.csv")
    assert {row.track for row in rows} == {"caf\ufffd", "caf\ufffd (2)"}


@needs_ffmpeg
def test_long_names_are_cut_in_files_alone(tmp_path: Path) -> None:
    album, song = "a" * 130, "s" * 130
    result = evaluate(tmp_path, f"{album}/{song}", f"b/{song}", scores=ScoreOptions(("bsseval",)))
    assert {row.track for row in result.rows} == {f"{album} - {song}", f"b - {song}"}
    assert not result.unscored
    names = sorted(path.name for path in (tmp_path / "out" / "test").iterdir())
    assert [len(name) <= 255 for name in names] == [True, True]


def test_a_group_is_found_by_any_name_of_its_song(tmp_path: Path) -> None:
    songs = ("train/Feelings", "test/Feelings", "test/Metal", "Caf\u00e9")
    groups = "track,genre\ntrain/Feelings,pop\ntest - Feelings,rock\nMetal,jazz\nCafe\u0301,ska\n"
    result = evaluate(tmp_path, *songs, groups=groups)
    found = {row.track: row.groups["genre"] for row in result.rows}
    assert found == {
        "train - Feelings": "pop", "test - Feelings": "rock", "Metal": "jazz", "Caf\u00e9": "ska",
    }  # fmt: skip
    assert not result.gaps


def test_a_group_of_no_song_is_told(tmp_path: Path) -> None:
    result = evaluate(tmp_path, "one", "two", groups="track,genre\none,pop\ntow,rock\n")
    assert [one.track for one in result.gaps] == ["tow"]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["gaps"] == [
        {"track": "tow", "reason": "the groups have it, and no song is called so"}
    ]


def test_groupings_of_alike_names_have_a_plot_each(tmp_path: Path) -> None:
    groups = "track,sub genre,sub_genre\none,a,c\ntwo,b,d\n"
    evaluate(tmp_path, "one", "two", groups=groups)
    plots = {path.name for path in (tmp_path / "out").glob("by_*")}
    assert plots == {"by_stem.png", "by_sub_genre.png", "by_sub_genre_.png"}


def test_a_stem_that_other_songs_have_is_missed(tmp_path: Path) -> None:
    for song in ("one", "two"):
        write_song(tmp_path / "ests" / song)
    (tmp_path / "ests" / "one" / "vocals.wav").unlink()
    write_song(tmp_path / "refs" / "one")
    write_song(tmp_path / "refs" / "two")
    options = EvaluationOptions(QUICK, jobs=1)
    result = evaluate_folders(tmp_path / "refs", tmp_path / "ests", None, options)
    assert [(one.track, one.reason) for one in result.gaps] == [
        ("one", "no score of vocals, which other songs have")
    ]


def test_two_songs_alone_of_other_names_are_told(tmp_path: Path) -> None:
    notes: list[str] = []
    for other, expected in (("other", 1), ("album/song", 0)):
        write_song(tmp_path / "refs" / "song")
        write_song(tmp_path / other / other, error=0.1)
        options = EvaluationOptions(QUICK, jobs=1)
        notes.clear()
        evaluate_folders(
            tmp_path / "refs", tmp_path / other, None, options,
            lambda one: notes.extend(getattr(one, "notes", ())),
        )  # fmt: skip
        assert len(notes) == expected
    assert not notes


def test_names_in_other_scripts_bring_no_warnings(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evaluate(tmp_path, "\u65e5/one", "\u672c/two")


def test_linked_songs_are_songs(tmp_path: Path) -> None:
    write_song(tmp_path / "elsewhere" / "one")
    write_song(tmp_path / "ests" / "one", error=0.1)
    (tmp_path / "refs").mkdir()
    (tmp_path / "refs" / "one").symlink_to(tmp_path / "elsewhere" / "one")
    (tmp_path / "refs" / "round").symlink_to(tmp_path / "refs")
    options = EvaluationOptions(QUICK, jobs=1)
    result = evaluate_folders(tmp_path / "refs", tmp_path / "ests", None, options)
    assert {row.track for row in result.rows} == {"one"}
