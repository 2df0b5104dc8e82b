"""An evaluation that was stopped goes on, with what would be scored the same."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stemkit.errors import OptionError
from stemkit.evaluation.compare import compare_evaluations
from stemkit.evaluation.evaluate import JOURNAL, Evaluation, EvaluationOptions, evaluate_folders
from stemkit.evaluation.options import ScoreOptions
from stemkit.evaluation.tasks import Scored, Unscored
from tests.evaluation.making import (
    draw_nothing,
    make_noise,
    needs_ffmpeg,
    write_song,
    write_sound,
)

QUICK = EvaluationOptions(ScoreOptions(("sdr", "si-sdr")), jobs=1)
SONGS = ("one", "three", "two")


class Stopped(BaseException):
    """What a Ctrl-C raises, of a kind that nothing else does."""


@pytest.fixture(autouse=True)
def _draw_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    draw_nothing(monkeypatch)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with an evaluation in `out` that was stopped after its second song."""
    for seed, song in enumerate(SONGS):
        write_song(tmp_path / "refs" / song, seed)
        write_song(tmp_path / "ests" / song, seed, error=0.1)
    heard: list[str] = []

    def stop(outcome: Scored | Unscored) -> None:
        heard.append(outcome.track)
        if len(heard) == 2:
            raise Stopped

    with pytest.raises(Stopped):
        evaluate(tmp_path, stop)
    assert heard == ["one", "three"]
    assert (tmp_path / "out" / JOURNAL).is_file()
    return tmp_path


def evaluate(
    folder: Path,
    progress: Callable[[Scored | Unscored], object],
    options: EvaluationOptions = QUICK,
) -> Evaluation:
    return evaluate_folders(folder / "refs", folder / "ests", folder / "out", options, progress)


def list_kept(folder: Path, options: EvaluationOptions = QUICK) -> set[str]:
    """Go on, and return the songs that weren't scored anew, which would take another time."""
    before = (folder / "out" / JOURNAL).read_text()
    outcomes: list[Scored | Unscored] = []
    result = evaluate(folder, outcomes.append, options)
    assert {row.track for row in result.rows} == set(SONGS)
    assert not (folder / "out" / JOURNAL).exists()
    scored = [one for one in outcomes if isinstance(one, Scored)]
    return {one.track for one in scored if f'"seconds": {one.seconds!r}' in before}


def test_what_was_scored_is_not_scored_again(folder: Path, tmp_path: Path) -> None:
    assert list_kept(folder) == {"one", "three"}
    table = (folder / "out" / "scores.csv").read_text()
    evaluate(folder, lambda _: None)  # at one go
    assert (folder / "out" / "scores.csv").read_text() == table


def test_what_was_stopped_is_not_compared(folder: Path) -> None:
    out = folder / "out"
    with pytest.raises(OptionError, match=r"the evaluation in .*out isn't finished"):
        compare_evaluations(out, out)
    evaluate(folder, lambda _: None)
    assert compare_evaluations(out, out).differences


@needs_ffmpeg
def test_what_was_finished_stays_until_the_next_is(folder: Path) -> None:
    out = folder / "out"
    evaluate(folder, lambda _: None, EvaluationOptions(jobs=1))
    before = {path: path.read_bytes() for path in list_results(out)}
    assert {path.name for path in before} >= {"scores.csv", "by_stem.png", "one.json"}

    def stop(_: Scored | Unscored) -> None:
        raise Stopped

    for options in (EvaluationOptions(jobs=1), QUICK):
        with pytest.raises(Stopped):
            evaluate(folder, stop, options)
        assert {path: path.read_bytes() for path in list_results(out)} == before
        for place in (out, out / "scores.csv"):  # those aren't the scores of what was stopped
            with pytest.raises(OptionError, match="isn't finished"):
                compare_evaluations(place, place)
    evaluate(folder, lambda _: None, replace(QUICK, plots="svg"))
    assert {path.name for path in list_results(out)} == {"scores.csv", "by_stem.svg"}
    assert compare_evaluations(out / "scores.csv", out).differences


def list_results(out: Path) -> list[Path]:
    return [*out.glob("scores.csv"), *out.glob("by_*"), *out.glob("test/*")]


def test_plots_of_others_stay(folder: Path) -> None:
    (folder / "out" / "by_hand.txt").touch()
    evaluate(folder, lambda _: None)
    assert (folder / "out" / "by_hand.txt").exists()


def test_two_evaluations_into_one_folder_are_refused(folder: Path) -> None:
    def intrude(_: Scored | Unscored) -> None:
        with pytest.raises(OptionError, match="another process writes to"):
            evaluate(folder, lambda _: None)

    assert len(evaluate(folder, intrude).rows) == 2 * len(SONGS)


def test_a_line_that_was_cut_off_is_scored_again(folder: Path) -> None:
    journal = folder / "out" / JOURNAL
    journal.write_bytes(journal.read_bytes()[:-30])
    assert list_kept(folder) == {"one"}


@pytest.mark.parametrize("text", ["", "[]\n", "null\n", '["x", {}]\n', '["x", 1, 2]\n', "\xff{"])
def test_a_journal_of_something_else_is_of_no_use(folder: Path, text: str) -> None:
    (folder / "out" / JOURNAL).write_text(text, encoding="latin-1")
    outcomes: list[Scored | Unscored] = []
    evaluate(folder, outcomes.append)
    assert len(outcomes) == 3


@pytest.mark.parametrize("side", ["refs", "ests"])
def test_a_song_that_has_changed_is_scored_again(folder: Path, side: str) -> None:
    write_song(folder / side / "one", 0, error=0.2)
    assert list_kept(folder) == {"three"}


def test_other_options_start_anew(folder: Path) -> None:
    assert list_kept(folder, EvaluationOptions(ScoreOptions(("sdr",)), jobs=1)) == set()
    table = (folder / "out" / "scores.csv").read_text()
    assert "si_sdr" not in table
    assert table.count("one,") == 2


@needs_ffmpeg
def test_frames_without_scores_are_kept_too(folder: Path) -> None:
    for side in ("refs", "ests"):
        write_sound(folder / side / "one" / "vocals.wav", make_noise(0) * (np.arange(16000) < 8000))
    options = EvaluationOptions(jobs=1)
    heard: list[str] = []

    def stop(outcome: Scored | Unscored) -> None:
        heard.append(outcome.track)
        raise Stopped

    with pytest.raises(Stopped):
        evaluate(folder, stop, options)
    assert list_kept(folder, options) == {"one"}
    track = folder / "out" / "test" / "one.json"
    text = track.read_text()
    assert "NaN" in text
    evaluate(folder, lambda _: None, options)
    assert track.read_text() == text


def test_what_was_stopped_after_its_last_song_has_only_to_be_written(folder: Path) -> None:
    left = len(SONGS)

    def stop(_: Scored | Unscored) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise Stopped

    with pytest.raises(Stopped):
        evaluate(folder, stop)
    assert list_kept(folder) == set(SONGS)
