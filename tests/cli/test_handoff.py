"""`--handoff` and `stemkit handoff`: projects beside the stems, whenever these were made."""

import json
import os
import shutil
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile
from wavinfo import WavInfoReader

from stemkit.cli.main import run
from tests.batch.libraries import read_tree, save_tiny, write_song
from tests.handoff.test_ni_stems import decode

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


def hash_all(folder: Path) -> dict[str, str]:
    """Return the hash of every file that isn't hidden."""
    return {
        name: value
        for name, value in read_tree(folder).items()
        if not Path(name).name.startswith(".")
    }


def test_no_input_and_no_stem_is_replaced_by_the_original(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither a song that is called so, nor a stem of another, nor what a preset calls so."""
    songs = tmp_path / "songs"
    write_song(songs / "original.wav", 0.3)
    before = (songs / "original.wav").read_bytes()
    options = ["--name-template", "{stem}", "--handoff", "reaper"]
    assert separate(songs / "original.wav", songs, model, *options) == 2
    assert "would replace the input" in capsys.readouterr().err
    assert (songs / "original.wav").read_bytes() == before
    for name in ("01 vocals", "01 original"):
        write_song(tmp_path / "two" / f"{name}.wav", 0.3)
    options = ["--name-template", "{number} {stem} {track}", "--handoff", "reaper"]
    assert separate(tmp_path / "two", tmp_path / "out", model, *options) == 2
    assert "would share an output" in capsys.readouterr().err
    preset = tmp_path / "p.toml"
    preset.write_text(
        'version = 1\nsummary = "t"\n[stems.vocals]\n[mix]\nname = "original"\nstem_files = true'
    )
    options = ["-p", str(preset), "--handoff", "reaper"]
    assert separate(songs, tmp_path / "out2", model, *options) == 2
    assert "would share an output" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["one.rpp", "original.wav", "one.dawproject", "one.lof"])
def test_what_another_wrote_or_edited_stays(
    name: str, songs: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, every = tmp_path / "out", "reaper,dawproject,audacity"
    (out / "one").mkdir(parents=True)
    (out / "one" / name).write_text("mine")
    assert separate(songs, out, model, "--handoff", every) == 0
    (warning,) = capsys.readouterr().err.splitlines()
    assert f"{name} isn't what stemkit wrote" in warning
    assert (out / "one" / name).read_text() == "mine"
    assert (out / "deep" / "two" / "two.rpp").is_file()
    (out / "one" / name).unlink()
    assert run(["handoff", str(out), "--to", every, "-q"]) == 0
    with (out / "one" / name).open("ab") as file:
        file.write(b"\n")
    edited = (out / "one" / name).read_bytes()
    capsys.readouterr()
    code = run(["handoff", str(out), "--to", every, "-q"])
    errors = capsys.readouterr().err.splitlines()
    assert (out / "one" / name).read_bytes() == edited
    # An original that is as long as the song is taken as it is.
    assert (code, len(errors)) == ((0, 0) if name == "original.wav" else (1, 1))


def test_projects_of_other_stems_are_made_anew(songs: Path, model: str, tmp_path: Path) -> None:
    out, every = tmp_path / "out", "reaper,ardour,dawproject,audacity,ni-stems"
    assert separate(songs, out, model, "--handoff", every) == 0
    assert separate(songs, out, model, "--stems", "vocals,residual") == 0
    assert separate(songs, out, model, "--stems", "vocals,residual", "--handoff", every) == 0
    fresh = tmp_path / "fresh" / "out"
    assert separate(songs, fresh, model, "--stems", "vocals,residual", "--handoff", every) == 0
    now, expected = hash_all(out), hash_all(fresh)
    left = {name for name in now if name not in expected}
    assert all("accompaniment" in name or name.endswith(".bak") for name in left)
    assert {name: now[name] for name in expected} == expected


def test_an_original_has_no_presets_loudness(songs: Path, model: str, tmp_path: Path) -> None:
    preset = tmp_path / "loud.toml"
    preset.write_text('version = 1\nsummary = "t"\n[stems.vocals]\nloudness_lufs = -6\n')
    out = tmp_path / "out"
    assert separate(songs, out, model, "-p", str(preset), "--handoff", "reaper") == 0
    original, _ = soundfile.read(out / "one" / "original.wav", dtype="float32")
    song, _ = soundfile.read(songs / "one.wav", dtype="float32")
    np.testing.assert_array_equal(original, song)


def test_a_stem_that_is_gone_is_told_and_the_project_made_anew_with_it(
    songs: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, kept = tmp_path / "out", tmp_path / "kept.wav"
    assert separate(songs / "one.wav", out, model) == 0
    vocals = out / "one" / "vocals.wav"
    shutil.move(vocals, kept)
    assert run(["handoff", str(out), "--to", "reaper"]) == 1
    assert f"{vocals}: isn't there any more, a stem of 'one'" in capsys.readouterr().err
    assert "vocals.wav" not in (out / "one" / "one.rpp").read_text()
    shutil.move(kept, vocals)
    assert separate(songs / "one.wav", out, model, "--handoff", "reaper") == 0
    assert "vocals.wav" in (out / "one" / "one.rpp").read_text()


@pytest.fixture
def both(tmp_path: Path) -> Path:
    """Return a preset of two stems and their mix."""
    preset = tmp_path / "both.toml"
    preset.write_text(
        'version = 1\nsummary = "t"\n[stems.vocals]\n[stems.accompaniment]\n'
        '[mix]\nname = "sum"\nstem_files = true\n'
    )
    return preset


def is_muted(route: ElementTree.Element) -> bool:
    return any(one.get("muted") == "1" for one in route.iter("MuteMaster"))


def test_the_mix_of_a_preset_is_not_heard_on_top_of_its_stems(
    songs: Path, model: str, tmp_path: Path, both: Path
) -> None:
    out = tmp_path / "out"
    every = ",".join(FILES)
    assert separate(songs / "one.wav", out, model, "-p", str(both), "--handoff", every) == 0
    lines = (out / "one" / "one.rpp").read_text().split()
    muted = [int(lines[at + 1]) for at, word in enumerate(lines) if word == "MUTESOLO"]
    assert muted == [0, 0, 1, 1]
    assert "sum.wav" not in (out / "one" / "one.lof").read_text()
    with zipfile.ZipFile(out / "one" / "one.dawproject") as archive:
        project = ElementTree.fromstring(archive.read("project.xml"))
    mutes = [one.get("value") for one in project.iter("Mute")]
    assert mutes == ["false", "false", "true", "true", "false"]  # the last is the master's
    session = next((out / "one").rglob("*.ardour"))
    routes = {one.get("name"): one for one in ElementTree.parse(session).iter("Route")}
    assert {name for name, one in routes.items() if is_muted(one)} == {"sum", "original"}
    whole, *slots = decode(out / "one" / "one.stem.mp4")
    assert 0.9 < np.std(sum(slots)) / np.std(whole) < 1.1
    record = json.loads((out / "one" / "provenance.json").read_text())
    assert [one["is_mix"] for one in record["stems"]] == [False, False, True]


@pytest.mark.parametrize("template", ["{folder}/{track}/{stem}", "{track} ({stem})"])
def test_songs_without_a_record_are_handed_off_as_their_files_are(
    template: str, songs: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, kept = tmp_path / "out", ["--name-template", template, "--provenance", "off"]
    assert separate(songs, out, model, *kept) == 0
    assert not list(out.rglob("*.rpp"))
    assert separate(songs, out, model, *kept, "--handoff", "reaper,audacity") == 0
    made = {path.name: path for path in out.rglob("*.*") if path.suffix in (".rpp", ".lof")}
    assert made.keys() == {"one.rpp", "two.rpp", "one.lof", "two.lof", "out.rpp"}
    for name in ("one", "two"):
        for stem in ("vocals", "accompaniment"):
            assert f'NAME "{stem}"' in made[f"{name}.rpp"].read_text()
    (made["two.lof"]).unlink()
    made["one.lof"].write_text("edited")
    before = hash_all(out)
    assert separate(songs, out, model, *kept, "--handoff", "reaper,audacity") == 0
    now = hash_all(out)
    assert now.keys() - before.keys() == {made["two.lof"].relative_to(out).as_posix()}
    assert {name: now[name] for name in before} == before
    assert separate(songs, out, model, *kept, "--handoff", "reaper,audacity") == 3
    assert capsys.readouterr().err == ""


def test_songs_without_a_record_that_can_not_be_handed_off_are_told(
    songs: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert separate(songs, out, model, "--provenance", "off") == 0
    stem = out / "one" / "vocals.wav"
    write_song(stem, 0.5)
    assert separate(songs, out, model, "--provenance", "off", "--handoff", "audacity") == 0
    told = capsys.readouterr().err.splitlines()
    (line,) = (one for one in told if "no record" in one)
    assert str(out / "one") in line
    assert (out / "deep" / "two" / "two.lof").is_file()
    shutil.rmtree(out / "one")  # nobody asks for that song any more
    options = ["--provenance", "off", "--handoff", "audacity"]
    assert separate(songs / "deep", out, model, *options) == 0
    assert capsys.readouterr().err == ""


def test_twins_without_a_record_are_handed_off(songs: Path, model: str, tmp_path: Path) -> None:
    shutil.copy(songs / "one.wav", songs / "twin.wav")
    out = tmp_path / "out"
    options = ["--dedupe", "--provenance", "off", "--handoff", "audacity"]
    assert separate(songs, out, model, *options) == 0
    assert {path.name for path in out.rglob("*.lof")} == {"one.lof", "two.lof", "twin.lof"}


def test_the_mix_of_a_preset_is_muted_without_a_record_too(
    songs: Path, model: str, tmp_path: Path, both: Path
) -> None:
    out = tmp_path / "out"
    options = ["-p", str(both), "--provenance", "off"]
    assert separate(songs, out, model, *options) == 0
    assert separate(songs, out, model, *options, "--handoff", "audacity") == 0
    said = (out / "one" / "one.lof").read_text()
    assert "vocals.wav" in said
    assert "sum.wav" not in said


def test_stems_in_folders_of_their_own_are_one_track_each(
    songs: Path, model: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    options = ["--name-template", "{stem}/{track}", "--handoff", "reaper"]
    assert separate(songs, out, model, *options) == 0
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.rpp")) == [
        "out.rpp", "vocals/one.rpp", "vocals/two.rpp",
    ]  # fmt: skip
    assert (out / "out.rpp").read_text().count("<ITEM") == 2 * 3


def test_songs_whose_names_hold_a_stems_have_projects_of_their_own(
    model: str, tmp_path: Path
) -> None:
    for name in ("a", "vocals a"):
        write_song(tmp_path / "songs" / f"{name}.wav", 0.3)
    out = tmp_path / "out"
    options = ["--name-template", "{track} ({stem})", "--handoff", "audacity"]
    assert separate(tmp_path / "songs", out, model, *options) == 0
    assert sorted(path.name for path in out.glob("*.lof")) == ["a.lof", "vocals a.lof"]
    assert '"a (vocals).wav"' in (out / "a.lof").read_text()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"sample_rate": 44100', '"sample_rate": 0'),
        ('"frames": 26460', '"frames": -1'),
        ('"file": "vocals.wav"', '"file": "../../../songs/one.wav"'),
        ('"version": 1', '"version": 9'),
    ],
)
def test_a_record_that_lies_costs_its_own_track_alone(
    old: str, new: str, songs: Path, model: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "out"
    assert separate(songs, out, model) == 0
    record = out / "one" / "provenance.json"
    assert old in record.read_text()
    record.write_text(record.read_text().replace(old, new))
    before = hash_all(tmp_path)
    assert run(["handoff", str(out), "--to", "audacity", "-q"]) == 1
    (error,) = capsys.readouterr().err.splitlines()
    assert str(out / "one") in error
    new_files = hash_all(tmp_path).keys() - before.keys()
    assert {Path(name).suffix for name in new_files} == {".lof"}
    assert all(name.startswith("out/deep/") for name in new_files)


def test_a_damaged_record_ends_no_run_that_dedupes(
    songs: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert separate(songs / "one.wav", out, model) == 0
    (out / "one" / "provenance.json").write_text('{"format": "stemkit track", broken')
    (songs / "twin.wav").write_bytes((songs / "one.wav").read_bytes())
    assert separate(songs, out, model, "--dedupe") == 0
    assert "has no record" in capsys.readouterr().err
    assert (out / "twin" / "vocals.wav").is_file()
    assert (out / "deep" / "two" / "vocals.wav").is_file()


def test_a_damaged_original_is_made_anew(songs: Path, model: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert separate(songs, out, model, "--handoff", "reaper") == 0
    whole = (out / "one" / "original.wav").read_bytes()
    (out / "one" / "original.wav").unlink()
    assert run(["handoff", str(out), "--to", "dawproject", "-q"]) == 0
    assert (out / "one" / "original.wav").read_bytes() == whole


def test_one_song_that_no_project_can_name_leaves_the_others_theirs(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    songs, out = tmp_path / "songs", tmp_path / "out"
    for name in ("a", "b", "new\nline"):
        write_song(songs / f"{name}.wav", 0.3)
    assert separate(songs, out, model, "--handoff", "reaper") == 0
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert (out / "out.rpp").read_text().count("<ITEM") == 2 * 3


def test_a_pipe_takes_no_hand_off(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["separate", "-", "-o", "-", "-m", model, "--stems", "vocals", "--handoff", "reaper"]
    assert run(command) == 2
    assert "a pipe takes no" in capsys.readouterr().err
