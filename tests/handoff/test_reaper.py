"""REAPER projects, read back by a library that reads REAPER's own."""

import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest
import rpp

from stemkit.errors import HandoffError
from stemkit.handoff import reaper
from stemkit.handoff.reaper import write_reaper_folder, write_reaper_project
from stemkit.tracks.colours import Colour, colour_of
from stemkit.tracks.names import ORIGINAL
from stemkit.tracks.record import MarkerRecord, TagsRecord
from stemkit.tracks.track import Stem, Track
from tests.tracks.making import make_track

NASTY = (
    "it's", 'say "hey"', "back`tick", "it's \"both\"", "`it's`", '`"`', "<TRACK", ">", "|pipe",
    "#1", "; drop", " two  spaces ", "żółć 🎤", "", "-o", "\\", "a&b", "C:\\x", "12", "%s",
)  # fmt: skip
REPLACED = {
    "line\nbreak": "line break", "\ttab": " tab", "\x85\u2028\u2029": "   ",
    "`it's` \"all\"": "'it's' \"all\"", "x" * 501: "x" * 500,
}  # fmt: skip


def read(path: Path) -> rpp.Element:
    project = rpp.loads(path.read_text(encoding="utf-8"))
    assert project.tag == "REAPER_PROJECT"
    return project


def get(chunk: rpp.Element, key: str) -> list[str]:
    """Return the fields of the one line that starts with `key`."""
    (line,) = [entry for entry in chunk if not isinstance(entry, rpp.Element) and entry[0] == key]
    return list(line[1:])


def get_tracks(project: rpp.Element) -> list[rpp.Element]:
    return list(project.findall("TRACK"))


def get_names(project: rpp.Element) -> list[str]:
    return [get(track, "NAME")[0] for track in get_tracks(project)]


def get_marks(project: rpp.Element) -> list[tuple[float, float | None, str]]:
    """Return the markers as (start, end, name); a region has an end."""
    lines = [entry[1:] for entry in project if entry[0] == "MARKER"]
    marks: list[tuple[float, float | None, str]] = []
    while lines:
        number, start, name, is_region, *_ = lines.pop(0)
        end = None
        if is_region == "1":
            ending = lines.pop(0)
            assert (ending[0], ending[2], ending[3]) == (number, "", "1")
            end = float(ending[1])
        assert number == str(len(marks) + 1)
        marks.append((float(start), end, name))
    return marks


def get_files(project: rpp.Element, folder: Path) -> list[Path]:
    """Return what the items play, as REAPER finds it: relative to the project's folder."""
    sources = [source for track in get_tracks(project) for source in track.findall(".//SOURCE")]
    names = [get(source, "FILE")[0] for source in sources]
    assert not any(Path(name).is_absolute() for name in names)
    return [folder / name for name in names]


def get_ids(project: rpp.Element) -> list[str]:
    """Return the ids of tracks, items, takes and markers."""
    tracks = get_tracks(project)
    assert [get(track, "TRACKID")[0] for track in tracks] == [track.attrib[0] for track in tracks]
    items = project.findall("TRACK/ITEM")
    ids = [get(chunk, key)[0] for chunk in items for key in ("IGUID", "GUID")]
    marks = [entry[8] for entry in project if entry[0] == "MARKER" and len(entry) > 8]
    return [*(track.attrib[0] for track in tracks), *ids, *marks]


def decode_colour(value: str, *, is_windows: bool = False) -> Colour:
    number = int(value)
    assert number >> 24 == 1  # else REAPER ignores it
    first, second, third = (number >> shift & 0xFF for shift in (16, 8, 0))
    return Colour(third, second, first) if is_windows else Colour(first, second, third)


def test_each_stem_has_a_track_and_the_muted_original_comes_last(tmp_path: Path) -> None:
    track = make_track(tmp_path / "song", ("vocals", "drums", "zither"), sample_rate=48000)
    path = write_reaper_project(track)
    assert path == tmp_path / "song" / "song.rpp"
    project = read(path)
    names = ["vocals", "drums", "zither", ORIGINAL]
    assert get_names(project) == names
    tracks = get_tracks(project)
    assert [get(one, "MUTESOLO") for one in tracks] == [["0", "0", "0"]] * 3 + [["1", "0", "0"]]
    is_windows = "/win" in project.attrib[1]
    colours = [decode_colour(get(one, "PEAKCOL")[0], is_windows=is_windows) for one in tracks]
    assert colours == [colour_of(name) for name in names]
    assert get(project, "SAMPLERATE") == ["48000", "1", "0"]
    assert get_files(project, path.parent) == [path.parent / f"{name}.wav" for name in names]


def test_without_an_original_there_is_none(tmp_path: Path) -> None:
    track = make_track(tmp_path / "song", original=False)
    assert get_names(read(write_reaper_project(track))) == ["vocals", "accompaniment"]


@pytest.mark.parametrize("sample_rate", [8000, 44100, 96000, 192000])
@pytest.mark.parametrize("frames", [0, 1, 44099, 44101, 2**31 + 1])
def test_items_start_at_0_and_last_to_the_sample(
    tmp_path: Path, sample_rate: int, frames: int
) -> None:
    track = make_track(tmp_path / "song", frames=10)
    track = replace(track, sample_rate=sample_rate, frames=frames)
    items = read(write_reaper_project(track)).findall("TRACK/ITEM")
    assert len(items) == 3
    for item in items:
        assert get(item, "POSITION") == get(item, "SOFFS") == ["0"]
        assert "e" not in get(item, "LENGTH")[0]
        assert float(get(item, "LENGTH")[0]) * sample_rate == pytest.approx(frames, abs=1e-4)
        assert get(item, "PLAYRATE")[0] == "1"
        assert get(item, "LOOP") == ["0"]


@pytest.mark.parametrize(("channels", "expected"), [(1, "2"), (2, "2"), (5, "6"), (6, "6")])
def test_tracks_have_room_for_all_channels(tmp_path: Path, channels: int, expected: str) -> None:
    project = read(write_reaper_project(make_track(tmp_path / "song", channels=channels)))
    assert {get(track, "NCHAN")[0] for track in get_tracks(project)} == {expected}
    assert get(project, "MASTER_NCH")[0] == expected


@pytest.mark.parametrize(("tag", "tempo"), [("128", "128"), ("97.53", "97.53"), ("70,5", "70.5")])
def test_the_tempo_is_stated_and_stretches_nothing(tmp_path: Path, tag: str, tempo: str) -> None:
    track = make_track(tmp_path / "song", tags=TagsRecord(bpm=tag))
    project = read(write_reaper_project(track))
    assert get(project, "TEMPO") == [tempo, "4", "4"]
    assert get(project, "TIMELOCKMODE") == ["0"]  # time


def test_no_tempo_is_made_up(tmp_path: Path) -> None:
    track = make_track(tmp_path / "song", tags=TagsRecord(bpm="fast"))
    assert "TEMPO " not in write_reaper_project(track).read_text()


def test_markers_are_points_and_regions(tmp_path: Path) -> None:
    markers = [
        MarkerRecord(frame=44100, label="b", frames=22050), MarkerRecord(frame=1, label="a"),
        MarkerRecord(frame=88200, label=""),
    ]  # fmt: skip
    project = read(write_reaper_project(make_track(tmp_path / "song", markers=markers)))
    start = pytest.approx(1 / 44100, abs=1e-14)
    assert get_marks(project) == [(start, None, "a"), (1.0, 1.5, "b"), (2.0, None, "")]


@pytest.mark.parametrize("name", [*NASTY, *REPLACED])
def test_any_name_is_read_back(tmp_path: Path, name: str) -> None:
    markers = [MarkerRecord(frame=0, label=name)]
    track = make_track(tmp_path / "song", markers=markers, tags=TagsRecord(title=f"A{name}"))
    track = replace(track, stems=(Stem(name, track.stems[0].path),))
    project = read(write_reaper_project(track))
    expected = REPLACED.get(name, name)
    assert get_names(project) == [expected, ORIGINAL]
    assert get_marks(project) == [(0.0, None, expected)]
    title = get(project.find("TRACK/ITEM"), "NAME")[0]
    assert title == f"A{expected}"[:500]


def test_a_name_that_is_not_utf8_is_replaced(tmp_path: Path) -> None:
    track = make_track(tmp_path / "song")
    stems = (Stem("b\udcff", track.stems[0].path),)
    project = read(write_reaper_project(replace(track, name="a\udcff", stems=stems, record=None)))
    assert get_names(project) == ["b\ufffd", ORIGINAL]
    assert get(project.find("TRACK/ITEM"), "NAME") == ["a\ufffd"]


def test_no_two_things_share_an_id(tmp_path: Path) -> None:
    markers = [MarkerRecord(frame=0, label="a"), MarkerRecord(frame=0, label="a")]
    songs = [make_track(tmp_path / name, markers=markers) for name in "ab"]
    first, second = (get_ids(read(write_reaper_project(song))) for song in songs)
    both = get_ids(read(write_reaper_folder(songs, tmp_path)))
    assert (len(first), len(both)) == (3 + 6 + 2, 3 + 12 + 6)
    assert all(len(ids) == len(set(ids)) for ids in (first, both, first + second))
    assert {str(UUID(one)) for one in first} == {one[1:-1].lower() for one in first}


def test_the_same_song_gives_the_same_bytes(tmp_path: Path) -> None:
    track = make_track(tmp_path / "song", markers=[MarkerRecord(frame=0, label="a")])
    before = write_reaper_project(track).read_bytes()
    shutil.move(tmp_path / "song", tmp_path / "elsewhere" / "song")
    moved = make_track(tmp_path / "elsewhere" / "song", markers=track.markers)
    assert write_reaper_project(moved).read_bytes() == before
    assert b"\r" not in before


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.wav", "WAVE"), ("a.WAV", "WAVE"), ("a.aiff", "WAVE"), ("a.flac", "FLAC"),
        ("a.mp3", "MP3"), ("a.ogg", "VORBIS"), ("a.opus", "OPUS"), ("a.m4a", "VIDEO"),
    ],
)  # fmt: skip
def test_the_source_is_what_reads_the_file(tmp_path: Path, name: str, kind: str) -> None:
    track = make_track(tmp_path / "song")
    track = replace(track, stems=(Stem("vocals", track.folder / name),), original=None)
    (source,) = read(write_reaper_project(track)).findall("TRACK/ITEM/SOURCE")
    assert list(source.attrib) == [kind]
    assert get(source, "FILE") == [name]


@pytest.mark.parametrize("system", ["win64", "macOS-arm64", "linux-x86_64"])
def test_colours_are_those_of_the_system_that_is_named(
    tmp_path: Path, system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In projects saved by REAPER, an orange (255, 144, 62) is 20877567 on Windows, else 33525822.
    monkeypatch.setattr(reaper, "_SYSTEM", system)
    monkeypatch.setattr(reaper, "colour_of", lambda name: Colour(255, 144, 62))
    project = read(write_reaper_project(make_track(tmp_path / "song")))
    assert project.attrib[1].endswith(f"/{system}")
    (colour,) = {get(track, "PEAKCOL")[0] for track in get_tracks(project)}
    assert colour == ("20877567" if system == "win64" else "33525822")


@pytest.mark.parametrize("name", ["it's", 'say "hey"', "`'", "żółć 🎤", "a  b ", "a\tb", "#1;"])
def test_any_file_name_that_can_be_quoted_is(tmp_path: Path, name: str) -> None:
    track = make_track(tmp_path / name)
    assert all(
        path.is_file() for path in get_files(read(write_reaper_project(track)), track.folder)
    )
    project = read(write_reaper_folder([track, make_track(tmp_path / "b")], tmp_path))
    files = get_files(project, tmp_path)
    assert len(files) == 6
    assert all(path.is_file() for path in files)


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "a\udcffb", "\"'`"])
def test_a_file_that_no_project_can_name_is_told(tmp_path: Path, name: str) -> None:
    track = make_track(tmp_path / "song")
    track = replace(track, stems=(Stem("vocals", track.folder / f"{name}.wav"),))
    with pytest.raises(HandoffError, match=r"can't name .*rename it"):
        write_reaper_project(track)
    assert not list(track.folder.glob("*.rpp"))


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    track = make_track(tmp_path / "song")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(HandoffError, match=r"can't write .*song.rpp: Not a directory"):
        write_reaper_project(replace(track, folder=tmp_path / "file" / "folder"))


def make_songs(tmp_path: Path) -> Sequence[Track]:
    markers = [MarkerRecord(frame=4800, label="verse"), MarkerRecord(frame=0, label="", frames=480)]
    return [
        make_track(tmp_path / "set" / "one", frames=44100 * 2 + 1, tags=TagsRecord(bpm="120")),
        make_track(
            tmp_path / "set" / "disc 1" / "two", ("vocals", "drums"), sample_rate=48000,
            frames=48000, channels=1, tags=TagsRecord(title="The 'Two'"), markers=markers,
        ),
        make_track(tmp_path / "set" / "three", sample_rate=22050, frames=10, original=False),
    ]  # fmt: skip


def test_songs_of_a_folder_follow_each_other(tmp_path: Path) -> None:
    songs = make_songs(tmp_path)
    path = write_reaper_folder(songs, tmp_path / "set")
    assert path == tmp_path / "set" / "set.rpp"
    project = read(path)
    assert get_names(project) == ["vocals", "accompaniment", "drums", ORIGINAL]
    assert [get(track, "MUTESOLO")[0] for track in get_tracks(project)] == ["0", "0", "0", "1"]
    assert get(project, "SAMPLERATE")[0] == "48000"
    assert "TEMPO " not in path.read_text()
    regions = get_marks(project)[:3]
    assert [name for _, _, name in regions] == ["one", "The 'Two'", "three"]
    for song, (start, end, _) in zip(songs, regions, strict=True):
        assert start == math.floor(start)
        assert end == pytest.approx(start + song.seconds, abs=1e-12)
    for (_, end, _), (start, _, _) in pairwise(regions):
        assert end is not None
        assert 1 <= start - end < 2
    second = regions[1][0]
    ending, verse = (pytest.approx(second + seconds, abs=1e-12) for seconds in (0.01, 0.1))
    assert get_marks(project)[3:] == [(second, ending, ""), (verse, None, "verse")]


def test_stems_of_a_folder_lie_on_their_songs(tmp_path: Path) -> None:
    songs = make_songs(tmp_path)
    path = write_reaper_folder(songs, tmp_path / "set")
    project = read(path)
    starts = [start for start, _, _ in get_marks(project)[:3]]
    present = {"vocals": [0, 1, 2], "accompaniment": [0, 2], "drums": [1], ORIGINAL: [0, 1]}
    for track in get_tracks(project):
        (name,) = get(track, "NAME")
        items = track.findall("ITEM")
        files = [path.parent / get(item.find("SOURCE"), "FILE")[0] for item in items]
        assert files == [songs[song].folder / f"{name}.wav" for song in present[name]]
        for item, song in zip(items, present[name], strict=True):
            assert float(get(item, "POSITION")[0]) == starts[song]
            length = float(get(item, "LENGTH")[0]) * songs[song].sample_rate
            assert length == pytest.approx(songs[song].frames, abs=1e-6)
            assert get(item, "NAME") == [songs[song].title]


def test_a_folder_works_wherever_it_is_moved(tmp_path: Path) -> None:
    songs = make_songs(tmp_path)
    projects = [write_reaper_folder(songs, tmp_path / "set"), *map(write_reaper_project, songs)]
    shutil.move(tmp_path / "set", tmp_path / "far" / "away")
    for path in projects:
        moved = tmp_path / "far" / "away" / path.relative_to(tmp_path / "set")
        files = get_files(read(moved), moved.parent)
        assert len(files) >= 2
        assert all(file.is_file() for file in files)


def test_stems_in_other_folders_are_found(tmp_path: Path) -> None:
    track = make_track(tmp_path / "vocals")
    other = tmp_path / "drums" / "song.wav"
    other.parent.mkdir()
    other.touch()
    track = replace(track, stems=(*track.stems, Stem("drums", other)))
    files = get_files(read(write_reaper_project(track)), track.folder)
    assert tmp_path / "vocals" / "../drums/song.wav" in files


def test_the_project_of_a_folder_spares_that_of_a_song(tmp_path: Path) -> None:
    songs = [make_track(tmp_path / "set"), make_track(tmp_path / "set" / "b")]
    own, shared = write_reaper_project(songs[0]), write_reaper_folder(songs, tmp_path / "set")
    assert (own.name, shared.name) == ("set.rpp", "set (all songs).rpp")


def test_no_songs_are_told(tmp_path: Path) -> None:
    with pytest.raises(HandoffError, match="no stems for a REAPER project"):
        write_reaper_folder([], tmp_path)
