"""Tables, their summary and the comparison of two."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap
from scipy.stats import wilcoxon

from stemkit.errors import OptionError
from stemkit.evaluation.compare import (
    _subtract,
    compare_evaluations,
    load_rows,
    measure_difference,
)
from stemkit.evaluation.options import BSS_METRICS
from stemkit.evaluation.summary import bootstrap, summarize
from stemkit.evaluation.tables import Row, read_groups, read_rows, write_rows


def make_rows(count: int, shift: float = 0.0, stem: str = "vocals") -> list[Row]:
    random = np.random.default_rng(1)
    return [
        Row(f"song {n}", stem, {"SDR": float(random.normal(5, 2)) + shift, "uSDR": float(n)},
            {"genre": "pop" if n % 2 else "rock"}, 10, n)
        for n in range(count)
    ]  # fmt: skip


def test_rows_survive_a_file(tmp_path: Path) -> None:
    rows = [*make_rows(3), Row('a, "b"\nc', "bass", {"SDR": float("nan"), "uSDR": 1.0},
                               {"genre": ""}, 0, 0)]  # fmt: skip
    write_rows(tmp_path / "scores.csv", rows)
    found = read_rows(tmp_path / "scores.csv")
    assert [(one.track, one.stem, one.groups, one.silent_frames) for one in found] == [
        (one.track, one.stem, one.groups, one.silent_frames) for one in rows
    ]
    for one, row in zip(found, rows, strict=True):
        for metric, score in row.scores.items():
            assert one.scores[metric] == pytest.approx(score, abs=1e-4, nan_ok=True)


def test_the_summary_is_over_tracks_and_groups() -> None:
    rows = [*make_rows(9), *make_rows(2, stem="bass")]
    rows.append(Row("silent", "vocals", {"SDR": float("nan"), "uSDR": 4.0}, {"genre": "pop"}))
    found = {(one.group, one.stem, one.metric): one for one in summarize(rows)}
    assert len(found) == 3 * 2 * 2
    one = found["", "vocals", "SDR"]
    scores = [row.scores["SDR"] for row in rows[:9]]
    assert (one.tracks, one.unscored) == (9, 1)
    assert one.median.value == np.median(scores)
    assert one.mean.value == pytest.approx(np.mean(scores))
    assert found["rock", "vocals", "uSDR"].median.value == np.median([0, 2, 4, 6, 8])
    assert np.isnan(found["pop", "bass", "uSDR"].median.low)  # of one track


@pytest.mark.parametrize("statistic", [np.median, np.mean])
def test_intervals_are_scipys(statistic: object) -> None:
    values = np.random.default_rng(0).normal(3, 2, 40)
    found = bootstrap(values, statistic)  # type: ignore[arg-type]
    oracle = scipy_bootstrap((values,), statistic, n_resamples=9999, method="percentile")
    assert found.low == pytest.approx(oracle.confidence_interval.low, abs=0.15)
    assert found.high == pytest.approx(oracle.confidence_interval.high, abs=0.15)
    assert found.low < found.value < found.high
    assert bootstrap(values, statistic) == found  # type: ignore[arg-type]


def test_differences_are_paired(tmp_path: Path) -> None:
    """A shift that is small beside what songs differ by is found, and the rest is told."""
    ours, theirs = make_rows(12), make_rows(14, shift=0.1)[1:]
    write_rows(tmp_path / "a" / "scores.csv", ours)
    write_rows(tmp_path / "b.csv", theirs)
    result = compare_evaluations(tmp_path / "a", tmp_path / "b.csv", tmp_path / "out")
    found = {one.metric: one for one in result.differences}
    assert found["SDR"].median.value == pytest.approx(0.1, abs=1e-4)
    assert (found["SDR"].better, found["SDR"].worse, found["SDR"].tracks) == (11, 0, 11)
    assert found["SDR"].p_value == pytest.approx(2 / 2**11)  # all 11 signs alike, both sides
    assert (found["uSDR"].better, found["uSDR"].worse) == (0, 0)
    assert found["uSDR"].p_value == 1
    assert (result.only_in_a, result.only_in_b) == (["song 0"], ["song 12", "song 13"])
    assert (tmp_path / "out" / "comparison.png").read_bytes().startswith(b"\x89PNG")
    lines = (tmp_path / "out" / "comparison.csv").read_text().splitlines()
    assert lines[1].startswith("vocals,SDR,11,11,0,0.000977,0.1000")
    values = np.random.default_rng(0).normal(0.3, 1, 20)
    wanted = wilcoxon(values).pvalue
    assert measure_difference(values, "bass", "SDR").p_value == pytest.approx(wanted)


def write_evaluation(folder: Path, rows: list[Row], **options: object) -> None:
    write_rows(folder / "scores.csv", rows)
    about = {"format": "stemkit evaluation", "finished": True, "options": options}
    (folder / "summary.json").write_text(json.dumps(about))


def test_what_two_evaluations_do_not_share_is_told(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    ours, theirs = [*make_rows(3), *make_rows(3, stem="bass")], make_rows(3)
    theirs = [replace(row, scores={"SDR": row.scores["SDR"], "SIR": 1.0}) for row in theirs]
    methods = ["bsseval", "sdr"]
    write_evaluation(a, ours, methods=methods, window_seconds=1.0, hop_seconds=1.0)
    write_evaluation(b, theirs, methods=methods, window_seconds=2.0, hop_seconds=1.0)
    result = compare_evaluations(a / "scores.csv", b)
    assert result.notes == [
        f"window_seconds is 1.0 in {a / 'scores.csv'} and 2.0 in {b}; "
        "BSS Eval's scores of these can't be compared",
        f"the stem bass: only in {a / 'scores.csv'}; left out",
        f"the metric uSDR: only in {a / 'scores.csv'}; left out",
        f"the metric SIR: only in {b}; left out",
    ]
    assert [(one.stem, one.metric) for one in result.differences] == [("vocals", "SDR")]
    write_evaluation(b, ours, methods=["sdr"], window_seconds=2.0)
    assert not compare_evaluations(a, b).notes


def test_several_evaluations_are_not_taken_for_one(tmp_path: Path) -> None:
    for model in ("x", "y"):
        write_evaluation(tmp_path / "out" / model, make_rows(2))
        write_museval(tmp_path / "out" / model / "test" / "song.json")
    with pytest.raises(OptionError, match=r"out is no evaluation; choose one of those in it: x, y"):
        compare_evaluations(tmp_path / "out", tmp_path / "out" / "x")
    assert compare_evaluations(tmp_path / "out" / "x", tmp_path / "out" / "y").differences
    for part in ("train", "test"):
        write_museval(tmp_path / "museval" / part / f"{part} song.json")
    assert len(load_rows(tmp_path / "museval")) == 2
    write_museval(tmp_path / "museval" / "train" / "test song.json")
    with pytest.raises(OptionError, match=r"has the vocals of 'test song' twice; give one"):
        load_rows(tmp_path / "museval")


def write_museval(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = {"time": 0.0, "duration": 1.0, "metrics": dict.fromkeys(BSS_METRICS, 1.0)}
    path.write_text(json.dumps({"targets": [{"name": "vocals", "frames": [frame]}]}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs a header with track"),
        ("track\na\n", "needs a header with track"),
        ("song,genre\na,pop\n", "needs a header with track"),
        ("track,genre\na,pop\na,rock\n", "has the track 'a' twice"),
        ("stem,track\npop,a\n", "no grouping can be called 'stem'"),
        ("track,stem\na,pop\n", "no grouping can be called 'stem'"),
        ("track,genre\na,pop,rock\n", "line 2 has more fields"),
        (",track,genre\n0,a,pop\n", "column 1 has no name"),
        ("track,\na,pop\n", "column 2 has no name"),
        ("track,genre,genre\na,pop,rock\n", "two columns 'genre'"),
        ("track,genre\na,\xff\n", "isn't a CSV file in UTF-8"),
    ],
)
def test_bad_groups_are_told(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "groups.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(OptionError, match=message):
        read_groups(path)


def test_what_rounding_does_is_no_difference() -> None:
    found = [Row("a", "vocals", {"SDR": 1.23456}), Row("b", "vocals", {"SDR": 2.0})]
    near = [Row("a", "vocals", {"SDR": 1.2346}), Row("b", "vocals", {"SDR": 2.001})]
    values = _subtract(found, near)["SDR"]["vocals"]
    assert values.tolist() == [0, 0.001]


def test_a_table_without_rows_is_told(tmp_path: Path) -> None:
    write_rows(tmp_path / "scores.csv", [])
    with pytest.raises(OptionError, match="has no scores of any track"):
        compare_evaluations(tmp_path, tmp_path)


def test_no_evaluation_is_told(tmp_path: Path) -> None:
    write_rows(tmp_path / "scores.csv", make_rows(2))
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(OptionError, match=r"has no scores\.csv and no JSON"):
        compare_evaluations(tmp_path, tmp_path / "empty")
    with pytest.raises(OptionError, match="isn't a table of scores"):
        compare_evaluations(tmp_path, tmp_path / "x.csv")
    write_rows(tmp_path / "y.csv", make_rows(2, stem="bass"))
    with pytest.raises(OptionError, match="share no score"):
        compare_evaluations(tmp_path, tmp_path / "y.csv")
