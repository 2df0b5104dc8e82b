"""`stemkit review`: what it says, and its exit codes."""

from pathlib import Path

import pytest

from stemkit.cli.main import run
from tests.tracks.making import make_track


@pytest.fixture
def library(tmp_path: Path) -> Path:
    for name in ("one", "two"):
        make_track(tmp_path / "library" / name, frames=11025)
    return tmp_path / "library"


def test_it_says_where_the_pages_are(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["review", str(library), "--no-audio", "--workers", "2"]) == 0
    index = library / "review" / "index.html"
    assert capsys.readouterr().out.splitlines() == [
        "2 tracks, 2 drawn anew, 2 with warnings",
        str(index),
    ]
    assert index.is_file()
    assert run(["review", str(library), "--no-audio", "-q"]) == 0
    assert capsys.readouterr() == ("", "")


def test_pages_go_where_they_shall(library: Path, tmp_path: Path) -> None:
    output = tmp_path / "new" / "pages"
    assert run(["review", str(library), "-o", str(output), "--workers", "1"]) == 0
    assert (output / "index.html").is_file()
    assert [*output.glob("tracks/*/1.js")]
    assert not (library / "review").exists()


def test_a_url_is_a_folder_here_or_told_to_be_none(
    library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["review", library.as_uri(), "--no-audio", "--workers", "1"]) == 0
    assert (library / "review" / "index.html").is_file()
    for command in (["review"], ["handoff", "--to", "reaper"], ["plot", "-o", "x.png"]):
        assert run([*command, "memory://stems"]) == 2
        assert "isn't on this machine; copy it here first" in capsys.readouterr().err


def test_a_broken_track_is_one_line(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (library / "two" / "vocals.wav").write_bytes(b"")
    assert run(["review", str(library), "--no-audio", "--workers", "1"]) == 1
    out, err = capsys.readouterr()
    assert err == "error: two: 'vocals.wav' is empty: 0 bytes; get a whole copy\n"
    assert out.startswith("1 track, 1 drawn anew")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "."], "holds files of others; choose an empty folder with -o"),
        (["--workers", "0"], "--workers must be a number from 1 up, or auto"),
    ],
)
def test_wrong_usage_is_told(
    arguments: list[str],
    message: str,
    library: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(library)
    assert run(["review", str(library), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (library / "review").exists()


def test_nothing_to_review_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["review", str(tmp_path)]) == 3
    assert capsys.readouterr().err == f"nothing to review: no stems below {tmp_path}\n"
    assert not [*tmp_path.iterdir()]
    assert run(["review", str(tmp_path / "none")]) == 2
