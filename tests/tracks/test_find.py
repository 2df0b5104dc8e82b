"""Tracks are found by their records, else by the looks of a folder, and what is broken is told."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemkit.tracks.find import find_tracks
from stemkit.tracks.names import RUN_RECORD, name_original
from stemkit.tracks.record import RunRecord, TrackRecord, read_record
from stemkit.tracks.track import Track
from tests.tracks.making import make_track


def find(folder: Path) -> list[Track]:
    found = list(find_tracks(folder))
    tracks = [one for one in found if isinstance(one, Track)]
    assert len(tracks) == len(found)
    return tracks


def write_noise(path: Path, frames: int = 100, rate: int = 8000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros((frames, 2)), rate)


def test_records_come_in_the_order_of_their_folders(tmp_path: Path) -> None:
    for name in ("b", "a/deep", "c"):
        make_track(tmp_path / name, frames=100)
    (tmp_path / ".hidden").mkdir()
    tracks = find(tmp_path)
    assert [track.folder for track in tracks] == [
        tmp_path / "a/deep",
        tmp_path / "b",
        tmp_path / "c",
    ]
    assert [stem.name for stem in tracks[0].stems] == ["vocals", "accompaniment"]
    assert (tracks[0].original, tracks[0].project) == (tmp_path / "a/deep/original.wav", "deep")


def test_tracks_in_one_folder_have_projects_of_their_own(tmp_path: Path) -> None:
    for name in ("one", "two"):
        make_track(tmp_path / name, frames=100)
        text = (tmp_path / name / "provenance.json").read_text()
        for stem in ("vocals", "accompaniment", "original"):
            (tmp_path / name / f"{stem}.wav").rename(tmp_path / f"{name} ({stem}).wav")
            text = text.replace(f'"{stem}.wav"', f'"{name} ({stem}).wav"')
        (tmp_path / f"{name} (provenance).json").write_text(text)
        (tmp_path / name / "provenance.json").unlink()
        (tmp_path / name).rmdir()
    tracks = find(tmp_path)
    assert [track.project for track in tracks] == ["one", "two"]
    assert [track.original for track in tracks] == [
        tmp_path / "one (original).wav", tmp_path / "two (original).wav",
    ]  # fmt: skip


def test_one_record_for_all(tmp_path: Path) -> None:
    records = []
    for name in ("x", "y"):
        make_track(tmp_path / name, frames=100)
        record = read_record(tmp_path / name / "provenance.json")
        assert isinstance(record, TrackRecord)
        stems = [one.model_copy(update={"file": f"{name}/{one.file}"}) for one in record.stems]
        records.append(record.model_copy(update={"stems": stems}))
        (tmp_path / name / "provenance.json").unlink()
    (tmp_path / RUN_RECORD).write_text(RunRecord(tracks=records).model_dump_json())
    assert [track.folder for track in find(tmp_path)] == [tmp_path / "x", tmp_path / "y"]
    assert all(track.record for track in find(tmp_path))


def test_stems_without_a_record_are_known_by_their_lengths(tmp_path: Path) -> None:
    for name in ("vocals", "drums", "original"):
        write_noise(tmp_path / "song" / f"{name}.wav")
    for name, frames in (("a", 100), ("b", 101)):
        write_noise(tmp_path / "album" / f"{name}.wav", frames)
    write_noise(tmp_path / "alone" / "song.wav")
    write_noise(tmp_path / "song" / "project" / "a.wav")
    write_noise(tmp_path / "song" / "project" / "b.wav")
    (track,) = find(tmp_path)
    assert (track.name, track.record) == ("song", None)
    assert [stem.name for stem in track.stems] == ["drums", "vocals"]
    assert track.original == tmp_path / "song" / "original.wav"
    assert (track.sample_rate, track.channels, track.frames) == (8000, 2, 100)


def test_what_is_broken_is_told_and_the_rest_is_found(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d", "e"):
        make_track(tmp_path / name, frames=100)
    record = tmp_path / "a" / "provenance.json"
    record.write_text(record.read_text()[:-100])
    record = tmp_path / "b" / "provenance.json"
    record.write_text(record.read_text().replace('"version": 1', '"version": 2'))
    for stem in ("vocals", "accompaniment"):
        (tmp_path / "c" / f"{stem}.wav").unlink()
    (tmp_path / "e" / "other.json").write_text(json.dumps({"format": "something else"}))
    found = list(find_tracks(tmp_path))
    faults = [one for one in found if not isinstance(one, Track)]
    assert [place.relative_to(tmp_path).parts[0] for place, _ in faults] == ["a", "b", "c"]
    assert all("\n" not in line for _, line in faults)
    assert [one.name for one in found if isinstance(one, Track)] == ["d", "e"]


def test_a_stem_that_is_gone_leaves_the_others(tmp_path: Path) -> None:
    make_track(tmp_path / "song", frames=100)
    lost = tmp_path / "song" / "vocals.wav"
    lost.unlink()
    track, fault = find_tracks(tmp_path)
    assert isinstance(track, Track)
    assert [stem.name for stem in track.stems] == ["accompaniment"]
    assert fault == (lost, "isn't there any more, a stem of 'song'")


def test_linked_folders_are_followed_where_that_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    for name in ("song", "thief"):
        make_track(tmp_path / "elsewhere" / name, frames=100)
        (root / name).symlink_to(tmp_path / "elsewhere" / name)
    (root / "again").symlink_to(root)
    record = tmp_path / "elsewhere" / "thief" / "provenance.json"
    record.write_text(
        record.read_text().replace('"vocals.wav"', '"../../elsewhere/song/vocals.wav"')
    )
    assert not find(root)
    monkeypatch.chdir(root)
    for folder in (root, Path()):
        track, fault = find_tracks(folder, follow_links=True)
        assert isinstance(track, Track)
        assert (track.folder, track.original) == (folder / "song", folder / "song/original.wav")
        assert "'../../elsewhere/song/vocals.wav', outside of" in str(fault)


def test_names_that_are_too_long_hide_nothing(tmp_path: Path) -> None:
    """No file has that of the original, or that in a record which was edited."""
    longest = "x" * 251
    for name, file in (("long", longest), ("lost", f"{longest}x"), ("song", "vocals")):
        make_track(tmp_path / name, frames=100, original=False)
        if name == "long":
            (tmp_path / name / "vocals.wav").rename(tmp_path / name / f"{file}.wav")
        record = tmp_path / name / "provenance.json"
        record.write_text(record.read_text().replace('"vocals.wav"', f'"{file}.wav"'))
    found = list(find_tracks(tmp_path))
    assert [one.name for one in found if isinstance(one, Track)] == ["long", "lost", "song"]
    (fault,) = (one for one in found if not isinstance(one, Track))
    assert fault == (
        tmp_path / "lost" / f"{longest}x.wav",
        "isn't there any more, a stem of 'lost'",
    )


def test_a_pipe_among_stems_is_passed_by(tmp_path: Path) -> None:
    make_track(tmp_path / "song", frames=100)
    os.mkfifo(tmp_path / "song" / "x.json")
    (tmp_path / "other").mkdir()
    for name in ("a.wav", "b.wav"):
        os.mkfifo(tmp_path / "other" / name)
    assert [track.name for track in find(tmp_path)] == ["song"]


def test_the_original_is_named_as_its_stems_are() -> None:
    for first, name in (
        ("song/vocals.wav", "song/original.wav"),
        ("1 vocals.flac", "1 original.wav"),
        ("vocals of us (vocals).mp3", "vocals of us (original).wav"),
        ("lead.wav", "lead original.wav"),
    ):
        assert name_original(Path(first), "vocals") == Path(name)
