"""`--handoff` and `stemkit handoff`: projects beside the stems, whenever these were made."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from wavinfo import WavInfoReader

from stemkit.cli.main import run
from tests.batch.libraries import read_tree, save_tiny, write_song

FILES = {
    "reaper": "{}.rpp",
    "ardour": "{} (Ardour)",
    "dawproject": "{}.dawproject",
    "audacity": "{}.lof",
    "ni-stems": "{}.stem.mp4",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny(tmp_path_factory.mktemp("model") / "tiny.safetensors"))


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    for number, name in enumerate(("one.wav", "deep/two.wav")):
        write_song(tmp_path / "songs" / name, 0.6, seed=number)
    return tmp_path / "songs"


def separate(songs: Path, out: Path, model: str, *options: str) -> int:
    return run(["separate", str(songs), "-o", str(out), "-m", model, "-q", *options])


def test_every_hand_off_is_there_with_the_stems_and_after(
    songs: Path, model: str, tmp_path: Path
) -> None:
    """The same bytes, whether they are made with the stems, by a later run or by `handoff`."""
    every = ",".join([*FILES, "bwf"])
    with_stems, later, after = (tmp_path / name / "out" for name in ("with", "later", "after"))
    assert separate(songs, with_stems, model, "--handoff", every) == 0
    assert separate(songs, later, model) == 0
    assert separate(songs, later, model, "--handoff", every) == 0
    assert separate(songs, later, model, "--handoff", every) == 3
    assert separate(songs, after, model) == 0
    assert run(["handoff", str(after), "--to", every, "-q"]) == 0
    for track in ("one", "deep/two"):
        for name in FILES.values():
            assert (with_stems / track / name.format(Path(track).name)).exists()
        assert (with_stems / track / "original.wav").exists()
        assert not (with_stems / track / "bwf").exists()  # they are Broadcast Wave files already
    assert (with_stems / "out.rpp").is_file()
    expected = read_tree(with_stems)
    assert read_tree(later) == expected
    assert read_tree(after) == expected


def test_the_original_is_the_song_at_the_gain_of_the_stems(model: str, tmp_path: Path) -> None:
    loud = np.random.default_rng(0).uniform(-0.99, 0.99, (30000, 2)).astype(np.float32)
    soundfile.write(tmp_path / "loud.wav", loud, 44100, "FLOAT")
    assert separate(tmp_path / "loud.wav", tmp_path / "out", model, "--handoff", "reaper") == 0
    folder = tmp_path / "out" / "loud"
    original, _ = soundfile.read(folder / "original.wav", dtype="float32")
    stems = [soundfile.read(folder / f"{s}.wav")[0] for s in ("vocals", "accompaniment")]
    np.testing.assert_allclose(np.sum(stems, axis=0), original, atol=2**-21)
    gain = 10 ** (json.loads((folder / "provenance.json").read_text())["stems"][0]["gain_db"] / 20)
    assert gain < 1
    np.testing.assert_allclose(original, loud * np.float32(gain), atol=1e-6)


def test_a_song_that_is_gone_is_told_and_the_projects_are_made(
    songs: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert separate(songs, out, model) == 0
    (songs / "one.wav").unlink()
    write_song(songs / "deep" / "two.wav", 0.6, seed=9)
    assert run(["handoff", str(out), "--to", "reaper", "-q"]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert "isn't the song that was separated any more" in errors[0]
    assert "can't be read" in errors[1]
    assert (out / "one" / "one.rpp").is_file()
    assert not (out / "one" / "original.wav").exists()


def test_flac_stems_get_broadcast_wave_copies(songs: Path, model: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert separate(songs, out, model, "--format", "flac") == 0
    assert run(["handoff", str(out), "--to", "bwf", "-q"]) == 0
    info = WavInfoReader(out / "one" / "bwf" / "vocals.wav")
    assert info.bext is not None
    assert info.bext.description == "one (vocals)"
    assert "model tiny" in info.bext.coding_history
    copy, stem = (
        soundfile.read(out / "one" / name)[0] for name in ("bwf/vocals.wav", "vocals.flac")
    )
    np.testing.assert_array_equal(copy, stem)


def test_a_time_reference_comes_through(model: str, tmp_path: Path) -> None:
    """From a Broadcast Wave source, which stemkit wrote itself and another program moved."""
    song = write_song(tmp_path / "song.wav", 0.6)
    assert separate(song, tmp_path / "a", model) == 0
    stem = tmp_path / "a" / "song" / "vocals.wav"
    data = bytearray(stem.read_bytes())
    at = data.index(b"bext") + 8 + 338
    data[at : at + 8] = (123_456_789_012).to_bytes(8, "little")
    moved = tmp_path / "moved.wav"
    moved.write_bytes(data)
    assert separate(moved, tmp_path / "b", model) == 0
    bext = WavInfoReader(tmp_path / "b" / "moved" / "vocals.wav").bext
    assert bext is not None
    assert bext.time_reference == 123_456_789_012
    assert len(bext.coding_history.splitlines()) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--handoff", "reper"], "no hand-off 'reper'; choose from: reaper, ardour"),
        (["--handoff", "bwf", "--format", "flac"], "Broadcast Wave is wav"),
        (["--handoff", "bwf", "--no-tags"], "leave out --no-tags, or bwf"),
    ],
)
def test_what_cannot_be_handed_off_is_refused_before_any_work(
    options: list[str], message: str, songs: Path, model: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert separate(songs, tmp_path / "out", model, *options) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_without_stems_has_nothing_to_hand_off(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert run(["handoff", str(tmp_path / "empty"), "--to", "reaper"]) == 3
    assert run(["handoff", str(tmp_path / "none"), "--to", "reaper"]) == 2
    assert run(["handoff", str(tmp_path), "--to", "nothing"]) == 2
    assert "no hand-off 'nothing'" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_that_cannot_be_written_is_one_line_a_project(
    songs: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert separate(songs, out, model) == 0
    (out / "one").chmod(0o500)
    assert run(["handoff", str(out), "--to", "reaper", "-q"]) == 1
    assert "Permission denied" in capsys.readouterr().err
    (out / "one").chmod(0o700)


def test_a_moved_folder_is_handed_off_where_it_is(songs: Path, model: str, tmp_path: Path) -> None:
    assert separate(songs, tmp_path / "out", model) == 0
    shutil.move(tmp_path / "out", tmp_path / "moved")
    assert run(["handoff", str(tmp_path / "moved"), "--to", "reaper,audacity", "-q"]) == 0
    text = (tmp_path / "moved" / "one" / "one.rpp").read_text()
    assert str(tmp_path) not in text
