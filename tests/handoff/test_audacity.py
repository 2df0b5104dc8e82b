"""Audacity's lists and labels, read back as Audacity reads them."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from stemkit.errors import HandoffError
from stemkit.handoff.audacity import write_audacity
from stemkit.tracks.record import MarkerRecord
from stemkit.tracks.track import Stem
from tests.tracks.making import make_track


def read_list(path: Path) -> list[Path]:
    """Return the files of a list as Audacity finds them (ImportLOF.cpp, lofOpenFiles).

    It cuts a line that starts with `file` at the double quotes and takes the second part.
    """
    found = []
    for line in path.read_text(encoding="utf-8").split("\n")[:-1]:
        word, name, rest = line.split('"')
        assert (word, rest) == ("file ", "")
        assert not Path(name).is_absolute()
        found.append(path.parent / name)
    return found


def read_labels(path: Path) -> list[tuple[float, float, str]]:
    """Return labels as Audacity reads them (LabelTrack.cpp, LabelStruct::Import)."""
    labels = []
    for line in path.read_text(encoding="utf-8").split("\n")[:-1]:
        start, end, label = line.split("\t")
        labels.append((float(start), float(end), label))
    return labels


def test_the_list_holds_the_stems_and_no_original(tmp_path: Path) -> None:
    track = make_track(tmp_path / "song", ("vocals", "drums"))
    (path,) = write_audacity(track)
    assert path == tmp_path / "song" / "song.lof"
    assert read_list(path) == [stem.path for stem in track.stems]


def test_a_list_works_wherever_it_is_moved(tmp_path: Path) -> None:
    write_audacity(make_track(tmp_path / "set" / "it's # żółć 🎤"))
    shutil.move(tmp_path / "set", tmp_path / "far" / "away")
    (path,) = (tmp_path / "far" / "away").glob("*/*.lof")
    files = read_list(path)
    assert len(files) == 2
    assert all(file.is_file() for file in files)


@pytest.mark.parametrize(
    "name", ["a  b ", " #1", "it's", "`", "żółć 🎤", "file", "-o", "a\tb", "%"]
)
def test_any_other_name_is_read_back(tmp_path: Path, name: str) -> None:
    track = make_track(tmp_path / "song")
    track = replace(track, stems=(Stem("vocals", track.folder / f"{name}.wav"),))
    assert read_list(write_audacity(track)[0]) == [track.folder / f"{name}.wav"]


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "a\udcffb", 'a"b'])
def test_a_file_that_no_list_can_name_is_told(tmp_path: Path, name: str) -> None:
    track = make_track(tmp_path / "song", markers=[MarkerRecord(frame=0, label="a")])
    track = replace(track, stems=(*track.stems, Stem("vocals", track.folder / f"{name}.wav")))
    with pytest.raises(HandoffError, match=r"can't name .*rename it"):
        write_audacity(track)
    assert not [*track.folder.glob("*.lof"), *track.folder.glob("*.txt")]


@pytest.mark.parametrize("sample_rate", [8000, 44100, 192000])
def test_labels_are_points_and_regions(tmp_path: Path, sample_rate: int) -> None:
    markers = [
        MarkerRecord(frame=12345, label="chorus 1", frames=678901),
        MarkerRecord(frame=1, label="verse 1"),
    ]
    track = make_track(tmp_path / "song", sample_rate=sample_rate, markers=markers)
    path = write_audacity(track)[1]
    assert path == tmp_path / "song" / "song labels.txt"
    found = [
        (round(start * sample_rate), round((end - start) * sample_rate), label)
        for start, end, label in read_labels(path)
    ]
    assert found == [(1, 0, "verse 1"), (12345, 678901, "chorus 1")]


def test_a_label_stays_on_its_line(tmp_path: Path) -> None:
    labels = ["a\tb", "a\nb", "a\r\nb", "", "\\", '"', "żółć 🎤", " a "]
    markers = [MarkerRecord(frame=frame, label=label) for frame, label in enumerate(labels)]
    path = write_audacity(make_track(tmp_path / "song", markers=markers))[1]
    expected = ["a b", "a b", "a  b", "", "\\", '"', "żółć 🎤", " a "]
    assert [label for _, _, label in read_labels(path)] == expected


def test_the_same_song_gives_the_same_bytes(tmp_path: Path) -> None:
    track = make_track(tmp_path / "song", markers=[MarkerRecord(frame=9, label="a")])
    before = [path.read_bytes() for path in write_audacity(track)]
    assert [path.read_bytes() for path in write_audacity(track)] == before
    assert len(before) == 2
