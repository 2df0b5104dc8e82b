"""Which file is which stem of which song, and which songs belong together."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from stemkit.evaluation.matching import match_songs
from stemkit.evaluation.songs import MIX, Song, find_songs, make_key
from stemkit.handoff.folder import hand_off_folder
from tests.tracks.making import make_track

LAYOUTS = (
    "{track}/{stem}.wav",
    "a/{track}/{stem}.flac",
    "{track}/{number} {stem}.wav",
    "{track}/{number}_{stem}.mp3",
    "{track} ({stem}).wav",
    "{track} - {stem}.wav",
    "{track}_{stem}.wav",
    "{stem}/{track}.wav",
    "a/{stem}/b/{track}.wav",
    "{stem} - {track}.wav",
    "{number} {stem} - {track}.wav",
    "{track}.stem/{stem}.wav",
    "{track}/mixture/{stem}.wav",
    "Music/{track} ({stem}).wav",
)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("title", ["Falcon 69", "All About That Bass", "Übergröße (live)", "a.b"])
def test_names_tell_song_and_stem(layout: str, title: str, tmp_path: Path) -> None:
    stems = ("vocals", "drums", "bass", "other", "accompaniment")
    for track in (title, "another"):
        for number, stem in enumerate(stems, 1):
            path = tmp_path / layout.format(track=track, stem=stem, number=number)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    (tmp_path / "notes.txt").touch()
    songs, faults = find_songs(tmp_path)
    assert not faults
    assert {song.key[-1] for song in songs} == {"another", *make_key([title])}
    assert all(sorted(song.stems) == sorted(stems) for song in songs)


@pytest.mark.parametrize("title", ["My Song (Original)", "Song - Mix", "Sonata - Piano"])
def test_a_folder_for_each_stem_goes_before_words_of_a_title(title: str, tmp_path: Path) -> None:
    for stem in ("vocals", "accompaniment"):
        (tmp_path / "set" / stem).mkdir(parents=True)
        for track in (title, "Plain"):
            (tmp_path / "set" / stem / f"{track}.wav").touch()
    songs, faults = find_songs(tmp_path)
    assert not faults
    assert sorted(song.key for song in songs) == sorted([("set", "Plain"), ("set", title)])
    assert all(sorted(song.stems) == ["accompaniment", "vocals"] for song in songs)


def test_musdb_in_both_forms(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "A - B.stem.mp4").touch()
    for stem in ("mixture", "vocals", "drums", "bass", "other"):
        path = tmp_path / "train" / "C - D" / f"{stem}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    songs, faults = find_songs(tmp_path, with_musdb=True)
    assert [song.key for song in songs] == [("test", "A - B"), ("train", "C - D")]
    assert not faults
    for song in songs:
        assert set(song.stems) == {"vocals", "drums", "bass", "other"}
        assert song.mix is not None
    assert [find.key for find in find_songs(tmp_path)[0]] == [("train", "C - D")]


def test_records_say_what_names_do_not(tmp_path: Path) -> None:
    """Stems of any names, the gain that they were written with, and the song they are of."""
    track = make_track(tmp_path / "x" / "take 1", ("lead", "choir"), frames=100)
    path = tmp_path / "x" / "take 1" / "provenance.json"
    text = path.read_text(encoding="utf-8").replace('"gain_db": 0.0', '"gain_db": -6.0')
    path.write_text(text.replace("/music/take 1.flac", "/m/test/A - B/mixture.wav"), "utf-8")
    (tmp_path / "x" / "take 1" / "bwf").mkdir()
    (tmp_path / "x" / "take 1" / "bwf" / "lead.wav").touch()
    (song,) = find_songs(tmp_path / "x" / "..")[0]
    assert song.key == ("x", "take 1")
    assert {name: sound.path for name, sound in song.stems.items()} == {
        stem.name: stem.path for stem in track.stems
    }
    assert {sound.gain_db for sound in (*song.stems.values(), song.mix) if sound} == {-6.0}
    reference = Song(("test", "A - B"), {})
    assert match_songs([reference, Song(("other",), {})], [song]).pairs == [(reference, song)]


def test_records_are_read_in_linked_folders(tmp_path: Path) -> None:
    make_track(tmp_path / "made" / "song", frames=100)
    path = tmp_path / "made" / "song" / "provenance.json"
    path.write_text(path.read_text().replace('"gain_db": 0.0', '"gain_db": -6.0'))
    (tmp_path / "ests").mkdir()
    (tmp_path / "ests" / "take").symlink_to(tmp_path / "made" / "song")
    (tmp_path / "ests" / "round").symlink_to(tmp_path / "ests")
    (song,), faults = find_songs(tmp_path / "ests")
    assert (song.key, faults) == (("take",), [])
    assert {sound.gain_db for sound in (*song.stems.values(), song.mix) if sound} == {-6.0}


def test_recorded_files_hide_no_other_song(tmp_path: Path) -> None:
    """Songs and stems of any origin lie in one folder, with what was made of those with records."""
    stems = ("vocals", "accompaniment", "original")
    text = make_track(tmp_path / "t0", frames=100).folder.joinpath("provenance.json").read_text()
    for stem in stems:
        (tmp_path / "t0" / f"{stem}.wav").rename(tmp_path / f"t0 ({stem}).wav")
        text = text.replace(f'"{stem}.wav"', f'"t0 ({stem}).wav"')
    shutil.rmtree(tmp_path / "t0")
    (tmp_path / "t0 (provenance).json").write_text(text)
    assert len(list(hand_off_folder(tmp_path, ("ardour", "bwf")))) == 1
    others = ("t1 (vocals).flac", "t1 (drums).wav", "album/t2/vocals.wav", "vocals/t3.wav")
    for name in (*others, "t0.flac", "t1.flac", "t0 (drums).flac", "t0.stem.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    songs, faults = find_songs(tmp_path, with_musdb=True)
    assert {song.title: set(song.stems) for song in songs} == {
        "t0": {"vocals", "accompaniment"},
        "t1": {"vocals", "drums"},
        "album/t2": {"vocals"},
        "t3": {"vocals"},
    }
    why = "left out, since the record of 't0' doesn't name it"
    assert faults == [(tmp_path / "t0 (drums).flac", why)]


def test_other_names_are_stems_of_their_folder(tmp_path: Path) -> None:
    names = {"lead vocals", "bass guitar", "Strings", "vocals", "mixture"}
    for name in names:
        (tmp_path / f"{name}.wav").touch()
    (song,), _ = find_songs(tmp_path)
    assert set(song.stems) == names - {"mixture"}


def test_two_files_of_one_stem_are_told(tmp_path: Path) -> None:
    for name in ("vocals.wav", "vocals.mp3", "drums.wav"):
        (tmp_path / name).touch()
    (song,), faults = find_songs(tmp_path)
    assert song.stems["vocals"].path.name == "vocals.mp3"
    assert song.key == (tmp_path.name,)
    ((path, why),) = faults
    assert path.name == "vocals.wav"
    assert "is the vocals of" in why


def test_matches() -> None:
    def make(*names: str) -> list[Song]:
        return [Song(tuple(name.split("/")), {}) for name in names]

    def match(references: list[Song], estimates: list[Song]) -> tuple[list[str], list[str]]:
        found = match_songs(references, estimates)
        pairs = [f"{one.title}={other.title}" for one, other in found.pairs]
        return pairs, [f"{name}: {why}" for name, why in found.unmatched]

    assert match(make("x"), make("y")) == (["x=y"], [])
    assert match(make("test/a", "test/b"), make("b", "a")) == (["test/a=a", "test/b=b"], [])
    assert match(make("a", "b"), make("deep/b", "deep/a")) == (["a=deep/a", "b=deep/b"], [])
    assert match(make("x/a", "y/a"), make("y/a", "x/a")) == (["x/a=x/a", "y/a=y/a"], [])
    assert match(make("a", "x/a"), make("x/a", "a")) == (["a=a", "x/a=x/a"], [])
    assert match(make("a", "b"), make("a", "c")) == (
        ["a=a"],
        ["b: no estimate has its name; left out", "c: no reference has its name; left out"],
    )
    pairs, faults = match(make("a", "b"), make("x/a", "y/a", "b"))
    assert pairs == ["b=b"]
    assert faults == ["a: 'x/a', 'y/a' could be its estimates; left out"]
    pairs, faults = match(make("x/a", "y/a"), make("a", "b"))
    assert not pairs
    assert faults[0] == "x/a: its estimate could be that of 'y/a'; left out"
    assert np.shape(faults) == (3,)


def test_the_mix_has_several_names(tmp_path: Path) -> None:
    for name in ("mix", "mixture", "original", "song (original)"):
        folder = tmp_path / name
        folder.mkdir()
        for part in (name, name.replace("mixture", "vocals").replace("original", "vocals")):
            (folder / f"{part}.wav").touch()
        (folder / "drums.wav").touch()
    for song in find_songs(tmp_path / "mix")[0]:
        assert song.mix is not None
        assert MIX not in song.stems
