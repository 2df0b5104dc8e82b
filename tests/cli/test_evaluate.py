"""`stemkit evaluate`: what it says, what it writes, and its exit codes."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemkit.cli.main import run
from stemkit.evaluation import models
from stemkit.evaluation.models import ModelOptions
from stemkit.evaluation.tables import Row, write_rows
from stemkit.evaluation.tasks import Plan, Scored, Unscored, run_plan
from stemkit.weights.add import AddOptions, add_model
from stemkit.weights.models import load_network
from tests.evaluation.making import (
    RATE,
    draw_nothing,
    make_noise,
    needs_ffmpeg,
    write_song,
    write_sound,
)
from tests.weights.shelf import save_small

CLIP = Path(__file__).parents[2] / "examples" / "audio" / "word-war-vi.ogg"
FAST = ("--metrics", "sdr,si-sdr", "--jobs", "1")


@pytest.fixture(autouse=True)
def _draw_little(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.name != test_it_tells_and_writes_scores.__name__:
        draw_nothing(monkeypatch)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Return references and estimates of two songs in two folders, and where scores may go."""
    refs, ests = tmp_path / "refs", tmp_path / "ests"
    for seed, song in enumerate(("pop/one", "rock/two")):
        write_song(refs / song, seed)
        write_song(ests / song, seed, error=0.1)
    return refs, ests, tmp_path / "out"


def evaluate(folders: tuple[Path, Path, Path], *more: str) -> int:
    refs, ests, out = map(str, folders)
    return run(["evaluate", "--references", refs, "--estimates", ests, "-o", out, *FAST, *more])


def test_it_tells_and_writes_scores(
    folders: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(folders) == 0
    out, err = capsys.readouterr()
    assert not err
    assert out.startswith("one: accompaniment uSDR 19.99, vocals uSDR 20.01 (")
    assert "all    vocals         uSDR    20.0" in out
    assert {path.name for path in folders[2].iterdir()} == {
        ".evaluate.lock", "by_folder.png", "by_stem.png", "scores.csv", "summary.json",
    }  # fmt: skip
    assert evaluate(folders, "--json", "--plots", "svg", "--jobs", "2") == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary == json.loads((folders[2] / "summary.json").read_text())
    assert summary["tracks"] == 2
    first = summary["scores"][0]
    assert (first["stem"], first["metric"], first["group"]) == ("accompaniment", "uSDR", "")
    assert first["median"]["value"] == pytest.approx(20, abs=0.2)
    assert {path.name for path in folders[2].glob("by_*")} == {"by_folder.svg", "by_stem.svg"}


def test_bad_songs_are_a_line_each(
    folders: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    refs, ests, out = folders
    sounds = {
        "cut": None,
        "long": make_noise(0, 4 * RATE),
        "missing": None,
        "nan": make_noise(0) * np.float32(np.nan),
        "short": make_noise(0)[:, :-5],
        "silent": make_noise(0),
        "stereo": make_noise(0, channels=2),
    }
    for song, sound in sounds.items():
        write_song(refs / song)
        if sound is not None:
            write_sound(ests / song / "vocals.wav", sound)
    write_sound(refs / "silent" / "vocals.wav", 0 * make_noise(0))
    (ests / "cut").mkdir()
    whole = (refs / "cut" / "vocals.wav").read_bytes()
    (ests / "cut" / "vocals.wav").write_bytes(whole[:-4000])
    write_song(ests / "unknown")
    assert evaluate(folders, "-q") == 1
    text, err = capsys.readouterr()
    assert not text
    lines = sorted(err.splitlines())
    assert lines[0].startswith("error: cut: 'vocals.wav' is cut off")
    assert lines[1:] == [
        "error: long: vocals lasts 4.00 s, and its reference 2.00 s; they can't be of one song",
        "error: nan: 'vocals.wav' has NaN or infinity at frame 0",
        "error: stereo: vocals has 2 channels, not 1 as its reference",
        "warning: missing: no estimate has its name; left out",
        "warning: short: no score of accompaniment, which other songs have",
        "warning: short: vocals: 5 samples of silence added at its end",
        "warning: silent: no score of accompaniment, which other songs have",
        "warning: silent: the reference of vocals is silent, so that it has no scores",
        "warning: unknown: no reference has its name; left out",
    ]
    summary = json.loads((out / "summary.json").read_text())
    assert {one["track"] for one in summary["unscored"]} == {
        "cut", "long", "nan", "stereo", "missing", "unknown",
    }  # fmt: skip
    row = next(one for one in (out / "scores.csv").read_text().splitlines() if "silent," in one)
    assert row == "silent,vocals,,,,0,0"


def test_groups_come_from_a_table(
    folders: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "groups.csv"
    table.write_text("track,take,kind of song\none,a,loud\nrock/two,a,quiet\n")
    assert evaluate(folders, "--groups", str(table)) == 0
    assert "quiet  vocals" in capsys.readouterr().out
    assert (folders[2] / "by_kind_of_song.png").is_file()
    assert not (folders[2] / "by_take.png").exists()
    assert (
        (folders[2] / "scores.csv").read_text().startswith("track,stem,take,kind of song,usdr_db")
    )


def test_a_process_loads_a_model_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = []

    def count(name: str) -> object:
        loaded.append(name)
        return load_network(name)

    models._load_engine.cache_clear()
    monkeypatch.setattr("stemkit.weights.models.load_network", count)
    for seed, song in enumerate(("one", "two")):
        write_song(tmp_path / "refs" / song, seed)
    args = ["--references", str(tmp_path / "refs"), "--model", "stemkit-small"]
    args += ["-o", str(tmp_path / "out"), "--metrics", "sdr", "--jobs", "1", "-q"]
    assert run(["evaluate", *args]) == 0
    assert not capsys.readouterr().err
    assert loaded == ["stemkit-small"]


def test_a_model_is_separated_and_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In memory it has the scores of the files that `separate` writes of the same mix."""
    clip, rate = soundfile.read(CLIP, dtype="float32", frames=3 * 44100)
    mix = np.atleast_2d(clip.T)
    band = make_noise(0, mix.shape[1], len(mix))
    for name, sound in (("mixture", mix), ("vocals", mix - band), ("accompaniment", band)):
        write_sound(tmp_path / "refs" / "song" / f"{name}.wav", sound, rate)
    refs, out = tmp_path / "refs", tmp_path / "out"
    made = tmp_path / "refs" / "song" / "mixture.wav"
    separate = ["separate", str(made), "-o", str(tmp_path / "ests"), "--bit-depth", "32f", "-q"]
    assert run([*separate, "--precision", "float32", "--guard"]) == 0
    assert evaluate((refs, tmp_path / "ests", tmp_path / "files")) == 0
    model = ["--model", "stemkit-small", "--precision", "float32", "--guard"]
    assert run(["evaluate", "--references", str(refs), *model, "-o", str(out), *FAST]) == 0
    assert (out / "scores.csv").read_text() == (tmp_path / "files" / "scores.csv").read_text()
    assert json.loads((out / "summary.json").read_text())["guard"] is True


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no-such", "error: no model 'no-such'"),
        ("broken.safetensors", "error: can't read the checkpoint broken.safetensors"),
    ],
)
def test_a_model_that_cannot_be_run_leaves_what_was_measured(
    name: str,
    reason: str,
    folders: tuple[Path, Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    refs, _, out = folders
    monkeypatch.chdir(refs.parent)
    Path("broken.safetensors").write_bytes(b"no weights")
    assert evaluate(folders) == 0
    (out / "test").mkdir()
    (out / "test" / "one.json").write_text("{}")  # as BSS Eval leaves one a track
    before = {path: path.read_bytes() for path in out.rglob("*.*")}
    capsys.readouterr()
    args = ["--references", str(refs), "--model", name, "-o", str(out), *FAST]
    assert run(["evaluate", *args]) == 1
    error = capsys.readouterr().err
    assert error.startswith(reason)
    assert error.count("\n") == 1
    assert {path: path.read_bytes() for path in out.rglob("*.*")} == before


def test_models_are_all_asked_for_before_the_first_is_run(
    folders: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    refs, _, out = map(str, folders)
    models = ["--model", "stemkit-small", "--model", "no-such"]
    assert run(["evaluate", "--references", refs, *models, "-o", out, *FAST]) == 1
    assert capsys.readouterr().err.startswith("error: no model 'no-such'")
    assert not folders[2].exists()


def test_each_model_has_a_folder_of_its_own(
    folders: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refs, _, out = folders
    given = []
    for seed, name in enumerate(("mine-1.0", "mine-1.1")):
        save_small(tmp_path / f"{name}.safetensors", "vocals", seed=seed)
        add_model(tmp_path / f"{name}.safetensors", AddOptions())
        given.append(name)
    for name in ("first/average", "second/average", "second/other.1"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        save_small(tmp_path / f"{name}.safetensors", "vocals")
        given.append(str(tmp_path / f"{name}.safetensors"))
    models = [part for name in given for part in ("--model", name)]
    args = ["--references", str(refs), *models, "-o", str(out), "--metrics", "sdr", "--jobs", "1"]
    assert run(["evaluate", *args, "-q"]) == 0
    found = {
        path.parent.name: json.loads(path.read_text())["model"]
        for path in out.glob("*/summary.json")
    }
    assert found == dict(
        zip(("mine-1.0", "mine-1.1", "first - average", "second - average", "other.1"), given,
            strict=True)
    )  # fmt: skip
    assert run(["evaluate", "--compare", str(out), str(out / "mine-1.0")]) == 2
    assert "choose one of those in it: first - average, mine-1.0," in capsys.readouterr().err


@pytest.mark.slow
def test_a_model_that_was_done_when_the_next_was_stopped_is_not_run_again(
    folders: tuple[Path, Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    refs, _, out = map(str, folders)
    models = ["--model", "stemkit-small", "--model", "stemkit-small-4"]
    command = ["evaluate", "--references", refs, *models, "-o", out, *FAST]

    class Stopped(BaseException):
        pass

    run_of: list[object] = []

    def record(plan: Plan, jobs: int | None = None) -> Iterator[Scored | Unscored]:
        for task in plan.tasks:
            assert isinstance(task.estimate, ModelOptions)
            run_of.append(task.estimate.model)
        if "stemkit-small-4" in run_of[:3]:
            raise Stopped
        return run_plan(plan, jobs)

    monkeypatch.setattr("stemkit.evaluation.evaluate.run_plan", record)
    with pytest.raises(Stopped):
        run(command)
    assert run_of == ["stemkit-small"] * 2 + ["stemkit-small-4"] * 2
    run_of[:] = [None] * 3
    before = capsys.readouterr().out.splitlines()[1:3]
    assert run(command) == 0
    assert run_of[3:] == ["stemkit-small-4"] * 2
    assert capsys.readouterr().out.splitlines()[1:3] == before
    assert not list(folders[2].rglob("unfinished.jsonl"))
    assert run(command) == 0
    assert len(run_of) == 3 + 2 + 4  # what is finished is scored anew


def test_two_evaluations_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, shift in (("a", 0.0), ("b", 6.0)):
        rows = [Row(f"song {n}", "vocals", {"SDR": n + shift}) for n in range(2)]
        write_rows(tmp_path / name / "scores.csv", rows)
    args = ["evaluate", "--compare", str(tmp_path / "a"), str(tmp_path / "b")]
    assert run([*args, "-o", str(tmp_path / "comparison")]) == 0
    text = capsys.readouterr().out
    assert " ".join(text.splitlines()[1].split()) == "vocals SDR 6.00 [6.00, 6.00] 2 0 2 0.5"
    assert (tmp_path / "comparison" / "comparison.csv").is_file()
    assert run([*args, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["differences"][0]["better"] == 2
    write_rows(tmp_path / "a" / "scores.csv", [Row("song 0", "vocals", {"SDR": 0.0, "SIR": 1.0})])
    assert run([*args, "-q"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        f"warning: song 1: only in {tmp_path / 'b'}; left out",
        f"warning: the metric SIR: only in {tmp_path / 'a'}; left out",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give --references and -o, and one of --estimates and --model"),
        (("--references", "refs", "-o", "out"), "one of --estimates and --model"),
        (("--compare", "refs", "ests", "--model", "x"), "--compare takes two evaluations"),
        (("--compare", "refs", "ests", "--guard"), "--guard means nothing with --compare"),
        (
            ("--references", "refs", "--estimates", "ests", "-o", "out", "--guard"),
            "--guard means nothing with --estimates",
        ),
        (("--compare", "refs", "ests"), "has no scores.csv and no JSON files"),
        (("--references", "refs", "--estimates", "ests", "-o", "refs"), "holds files of others"),
        (
            ("--references", "refs", "--estimates", "ests", "-o", "out", "--metrics", "sdr,x"),
            "no metric 'x'; choose of: bsseval, sdr, si-sdr",
        ),
        (
            ("--references", "refs", "--estimates", "ests", "-o", "out", "--hop-seconds", "0"),
            "a hop of 0 s can't be; give 0.001 to 3600",
        ),
        (
            ("--references", "refs", "--model", "a/x.pth", "--model", "a/x.pth", "-o", "out"),
            "--model gives a/x.pth twice",
        ),
    ],
)
def test_wrong_usage_is_told(
    arguments: tuple[str, ...],
    message: str,
    folders: tuple[Path, Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folders[0].parent)
    metrics = () if "--compare" in arguments else ("--metrics", "sdr")
    assert run(["evaluate", *metrics, *arguments]) == 2
    assert message in capsys.readouterr().err


def test_nothing_to_do(
    folders: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert evaluate((folders[0], tmp_path / "empty", folders[2])) == 3
    assert "nothing to score" in capsys.readouterr().err
    assert not folders[2].exists()


def test_ffmpeg_is_asked_for(
    folders: tuple[Path, Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PATH", "")
    (folders[0] / "x.stem.mp4").touch()
    (folders[1] / "x").mkdir()
    write_song(folders[1] / "x")
    assert evaluate(folders, "--metrics", "bsseval") == 2
    assert capsys.readouterr().err == (
        "error: BSS Eval is museval's, which needs ffmpeg and ffprobe, not found on the PATH; "
        "install ffmpeg\n"
    )
    assert evaluate(folders) == 2
    assert capsys.readouterr().err.startswith("error: reading .stem.mp4 needs ffmpeg")


@needs_ffmpeg
def test_a_damaged_musdb_file_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import stempeg

    example = Path(stempeg.example_stem_path())
    refs = tmp_path / "refs"
    refs.mkdir()
    data = example.read_bytes()
    (refs / "cut.stem.mp4").write_bytes(data[: len(data) // 2])
    (refs / "text.stem.mp4").write_text("hello")
    write_sound(refs / "one.wav", make_noise(0))
    shutil.move(refs / "one.wav", refs / "one.stem.mp4")
    for name in ("cut", "text", "one"):
        write_song(tmp_path / "ests" / name)
    assert evaluate((refs, tmp_path / "ests", tmp_path / "out")) == 1
    lines = sorted(capsys.readouterr().err.splitlines())
    assert lines[0] == "error: cut: 'cut.stem.mp4' ends after 2.9 s of 6.1 s; get a whole copy"
    assert lines[1].startswith("error: one: 'one.stem.mp4' has 1 audio streams, and files of MUSDB")
    assert lines[2].startswith("error: text: 'text.stem.mp4' can't be read:")
