"""A library in a store: the same commands, the same bytes, and nothing lost when a line is cut."""

import json
from pathlib import Path

import pytest

from stemkit.cli.main import run
from tests.batch.libraries import read_tree, save_tiny, write_song
from tests.storage.conftest import ALWAYS
from tests.storage.cutter import Cutter
from tests.storage.stores import count_unfinished_uploads, put, read, remote

SONGS = ("one.wav", "deep/two #?%20.wav")


@pytest.fixture
def model(tmp_path: Path) -> str:
    return str(save_tiny(tmp_path / "tiny.safetensors"))


@pytest.fixture
def local(line: Cutter, tmp_path: Path) -> Path:
    """Return a folder of songs that are in the store too, beside what is no song."""
    for seed, name in enumerate(SONGS):
        write_song(tmp_path / "in" / name, seed=seed)
    songs = {f"in/{name}": (tmp_path / "in" / name).read_bytes() for name in SONGS}
    put(songs | {"in/cover.jpg": b"\xff\xd8\xff", "in/.hidden/x.wav": b"", "in/bad.wav": b"RIFF?"})
    return tmp_path / "in"


def separate(*arguments: str) -> int:
    return run(["separate", *arguments, "-q"])


@pytest.mark.parametrize("output", ["s3://songs/out", "{folder}/out"], ids=["store", "folder"])
def test_a_store_gives_the_bytes_of_a_folder(
    output: str, local: Path, model: str, tmp_path: Path
) -> None:
    options = ["-m", model, "--provenance", "off"]  # which tells where a song was
    assert separate(str(local), "-o", str(tmp_path / "expected"), *options) == 0
    out = output.format(folder=tmp_path)
    assert separate("s3://songs/in", "-o", out, *options) == 1  # bad.wav
    expected = read_tree(tmp_path / "expected")
    assert len(expected) == 4
    if out.startswith("s3"):
        for name in expected:
            assert read(remote(f"{out}/{name}")) == (tmp_path / "expected" / name).read_bytes()
    else:
        assert read_tree(Path(out)) == expected


def test_what_is_done_is_skipped_without_reading_it(
    local: Path, line: Cutter, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["s3://songs/in", "-o", "s3://songs/out", "-m", model]
    assert separate(*command) == 1
    assert run(["status", "s3://songs/out", "--json"]) == 1
    status = json.loads(capsys.readouterr().out)
    assert status["counts"] == {"done": 2, "failed": 1}
    put({"in/bad.wav": (local / "one.wav").read_bytes()})
    assert run(["retry", "s3://songs/out", "-q"]) == 0
    line.requests.clear()
    assert separate(*command) == 3
    assert not [request for request in line.requests if ".wav" in request]
    put({"in/one.wav": (local / SONGS[1]).read_bytes() + bytes(100)})
    assert run(["separate", *command, "--dry-run", "-v"]) == 0
    said = capsys.readouterr().out
    assert "to do: 1 changed since" in said
    assert "skipped s3://songs/in/cover.jpg: not audio" in said


@pytest.mark.slow
def test_a_line_that_is_cut_costs_that_song_only_and_leaves_nothing_of_it(
    line: Cutter, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = write_song(tmp_path / "in" / "long.wav", 100)  # 26 MB a stem: sent in parts
    short = write_song(tmp_path / "in" / "short.wav")
    line.cut_after, line.cuts = 4_000_000, ALWAYS
    command = [str(tmp_path / "in"), "-o", "s3://songs/out", "-m", model, "--workers", "1"]
    assert separate(*command) == 1
    (error,) = capsys.readouterr().err.splitlines()
    assert str(long) in error
    assert "could not be written whole" in error
    assert read(remote("s3://songs/out/short/vocals.wav")) is not None
    assert read(remote("s3://songs/out/long/vocals.wav")) is None
    assert count_unfinished_uploads() == 0
    line.cuts = 0
    assert separate(*command) == 0
    assert separate(str(long), str(short), "-o", str(tmp_path / "out"), "-m", model) == 0
    for name in read_tree(tmp_path / "out"):
        assert read(remote(f"s3://songs/out/{name}")) == (tmp_path / "out" / name).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["s3://nowhere/in", "-o", "{out}"], 2, "s3://nowhere/in"),
        (["s3://songs/nothing", "-o", "{out}"], 2, "no file or folder s3://songs/nothing"),
        (["{song}", "-o", "s3://nowhere/out"], 2, "s3://nowhere/out"),
        (["ftp://host/in", "-o", "{out}"], 2, "ftp:// isn't known"),
        (["s3://songs/in", "-o", "{out}", "--watch"], 2, "--watch"),
    ],
)
def test_what_is_not_there_is_one_line(
    arguments: list[str],
    code: int,
    message: str,
    line: Cutter,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    places = {"song": write_song(tmp_path / "song.wav"), "out": tmp_path / "out"}
    assert run(["separate", *(a.format(**places) for a in arguments)]) == code
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()
