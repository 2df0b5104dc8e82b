"""What a .dawproject file holds, read with zipfile, ElementTree, lxml and soundfile."""

import io
import os
import re
import shutil
import tracemalloc
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemkit import __version__
from stemkit.audio.decode import AudioReader
from stemkit.audio.encode import Container, OutputFormat, encode_file
from stemkit.errors import AudioError, HandoffError
from stemkit.handoff.dawproject import write_dawproject
from stemkit.samples import Samples
from stemkit.tracks.colours import colour_of
from stemkit.tracks.find import find_tracks
from stemkit.tracks.record import MarkerRecord, TagsRecord
from stemkit.tracks.track import Stem, Track
from tests.handoff.dawproject_schema import list_metadata_faults, list_project_faults
from tests.tracks.making import make_track, write_track

TAGS = TagsRecord(
    title="Rhythm & <Blues>", artist='"A" \'B\'', album="Ça", date="1987-05-01", genre="Pop",
    bpm="123,45",
)  # fmt: skip
MARKERS = (MarkerRecord(frame=11025, label="Intro"), MarkerRecord(frame=1, label="", frames=9))
ODD = "`rm -rf` $x \"q\" 'q' &amp;<>|?*\n\t\x01\\ é\u202e\uffff😀"


def read_xml(path: Path, name: str = "project.xml") -> ET.Element:
    with zipfile.ZipFile(path) as archive:
        return ET.fromstring(archive.read(name))


def list_faults(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        project, metadata = archive.read("project.xml"), archive.read("metadata.xml")
    return list_project_faults(project) + list_metadata_faults(metadata)


def find_one(root: ET.Element, path: str) -> ET.Element:
    (found,) = root.findall(path)
    return found


def get_clips(project: ET.Element) -> dict[str, ET.Element]:
    """Return the clip of each track, by the track's name."""
    names = {e.attrib["id"]: e.attrib["name"] for e in project.findall("Structure/Track")}
    lanes = project.findall("Arrangement/Lanes/Lanes")
    return {names[lane.attrib["track"]]: find_one(lane, "Clips/Clip") for lane in lanes}


def hear(path: Path) -> dict[str, tuple[Samples, int]]:
    """Return the audio that each track of a project plays, and its rate."""
    sounds = {}
    for name, clip in get_clips(read_xml(path)).items():
        audio = find_one(clip, "Audio")
        file = find_one(audio, "File")
        if file.attrib["external"] == "true":
            content = (path.parent / file.attrib["path"]).read_bytes()
        else:
            content = zipfile.ZipFile(path).read(file.attrib["path"])
        sound, rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
        seconds = float(audio.attrib["duration"])
        assert (sound.shape, rate) == (
            (round(seconds * rate), int(audio.attrib["channels"])),
            int(audio.attrib["sampleRate"]),
        )
        sounds[name] = sound.T, rate
    return sounds


def read_file(path: Path) -> Samples:
    with AudioReader(path) as reader:
        return np.concatenate(list(reader.blocks()), axis=1)


def encode(path: Path, container: Container, sound: Samples, rate: int = 44100) -> Stem:
    encode_file(path, [sound], rate, len(sound), OutputFormat(container))
    return Stem(path.stem, path)


@pytest.fixture
def track(tmp_path: Path) -> Track:
    return make_track(tmp_path / "a song", tags=TAGS, markers=MARKERS, frames=12345)


@pytest.mark.parametrize("embed", [True, False])
@pytest.mark.parametrize("stems", [("vocals",), ("vocals", "accompaniment"), tuple("abcdefg")])
@pytest.mark.parametrize(("channels", "original"), [(1, True), (2, False), (2, True), (6, True)])
def test_follows_the_rules_of_the_format(
    tmp_path: Path, embed: bool, stems: tuple[str, ...], channels: int, original: bool
) -> None:
    plain = make_track(
        tmp_path / "song", stems, channels=channels, original=original, frames=100, sample_rate=8000
    )
    path = write_dawproject(plain, embed=embed)
    assert path == tmp_path / "song" / "song.dawproject"
    assert list_faults(path) == []
    assert len(get_clips(read_xml(path))) == len(stems) + original


def test_follows_the_rules_with_all_that_is_known(track: Track) -> None:
    assert list_faults(write_dawproject(track)) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda root: root.remove(root.find("Application")),
        lambda root: root.find("Application").attrib.pop("version"),
        lambda root: root.find(".//Channel").set("role", "main"),
        lambda root: root.find(".//Channel").set("destination", "id99"),
        lambda root: root.find(".//Arrangement/Lanes/Lanes").set("track", "id3"),
        lambda root: root.find(".//Mute").set("id", "id3"),
        lambda root: root.find(".//Clip").attrib.pop("time"),
        lambda root: root.find(".//Markers").clear(),
        lambda root: root.find(".//File").attrib.pop("path"),
        lambda root: root.find(".//Channel").insert(0, root.find(".//Volume")),
        lambda root: root.find("Arrangement").append(root.find("Arrangement/Lanes")),
    ],
)
def test_the_rules_refuse_what_breaks_them(
    track: Track, spoil: Callable[[ET.Element], object]
) -> None:
    project = read_xml(write_dawproject(track))
    spoil(project)
    assert list_project_faults(ET.tostring(project))


def test_says_which_program_made_it(track: Track) -> None:
    project = read_xml(write_dawproject(track))
    assert project.attrib["version"] == "1.0"
    assert find_one(project, "Application").attrib == {"name": "stemkit", "version": __version__}


def test_each_stem_has_a_channel_into_the_master_and_the_original_is_muted(track: Track) -> None:
    project = read_xml(write_dawproject(track))
    *stems, master = project.findall("Structure/Track")
    assert [stem.attrib["name"] for stem in stems] == ["vocals", "accompaniment", "original"]
    main = find_one(master, "Channel")
    assert (main.attrib["role"], main.get("destination")) == ("master", None)
    for stem in stems:
        assert stem.attrib["contentType"] == "audio"
        assert stem.attrib["color"] == colour_of(stem.attrib["name"]).hex
        channel = find_one(stem, "Channel")
        assert channel.attrib["destination"] == main.attrib["id"]
        assert (channel.attrib["role"], channel.attrib["audioChannels"]) == ("regular", "2")
        is_muted = find_one(channel, "Mute").attrib["value"] == "true"
        assert is_muted == (stem.attrib["name"] == "original")
    for channel in project.iterfind(".//Channel"):
        volume, pan = find_one(channel, "Volume"), find_one(channel, "Pan")
        assert (volume.attrib["unit"], float(volume.attrib["value"])) == ("linear", 1)
        assert (pan.attrib["unit"], float(pan.attrib["value"])) == ("normalized", 0.5)


@pytest.mark.parametrize("embed", [True, False])
@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (48000, 1), (96000, 2), (44100, 3)])
def test_plays_each_stem_whole_from_0(
    tmp_path: Path, embed: bool, rate: int, channels: int
) -> None:
    track = make_track(tmp_path / "song", sample_rate=rate, channels=channels, frames=4567)
    path = write_dawproject(track, embed=embed)
    for clip in get_clips(read_xml(path)).values():
        assert {float(clip.attrib[name]) for name in ("time", "playStart")} == {0}
        ends = {round(float(clip.attrib[name]) * rate, 6) for name in ("duration", "playStop")}
        assert ends == {4567}
    files = {stem.name: stem.path for stem in track.stems}
    assert track.original is not None
    for name, (sound, own_rate) in hear(path).items():
        assert own_rate == rate
        assert np.array_equal(sound, read_file(files.get(name, track.original)))


def test_times_are_in_seconds_so_that_no_tempo_stretches_them(track: Track) -> None:
    project = read_xml(write_dawproject(track))
    assert find_one(project, "Arrangement/Lanes").attrib["timeUnit"] == "seconds"
    assert find_one(project, "Arrangement/Markers").attrib["timeUnit"] == "seconds"
    assert {e.attrib["contentTimeUnit"] for e in project.iter("Clip")} == {"seconds"}
    assert {e.get("timeUnit", "seconds") for e in project.iter()} == {"seconds"}
    assert not list(project.iter("Warps"))


def test_states_the_tempo_if_the_tags_do(track: Track) -> None:
    tempo = find_one(read_xml(write_dawproject(track)), "Transport/Tempo")
    assert (tempo.attrib["unit"], float(tempo.attrib["value"])) == ("bpm", 123.45)
    unknown = write_dawproject(replace(track, record=None))
    assert read_xml(unknown).find("Transport") is None


def test_keeps_the_starts_of_markers(track: Track) -> None:
    markers = read_xml(write_dawproject(track)).findall("Arrangement/Markers/Marker")
    times = [float(marker.attrib["time"]) for marker in markers]
    assert times == pytest.approx([1 / 44100, 0.25], rel=1e-15)
    assert [marker.attrib["name"] for marker in markers] == ["", "Intro"]


def test_says_what_the_song_is(track: Track) -> None:
    metadata = read_xml(write_dawproject(track), "metadata.xml")
    assert {e.tag: e.text for e in metadata} == {
        "Title": TAGS.title, "Artist": TAGS.artist, "Album": TAGS.album, "Year": "1987",
        "Genre": "Pop",
    }  # fmt: skip
    untagged = replace(track, record=None)
    metadata = read_xml(write_dawproject(untagged), "metadata.xml")
    assert {e.tag: e.text for e in metadata} == {"Title": "a song"}


def test_an_embedded_project_needs_no_other_file(track: Track, tmp_path: Path) -> None:
    sounds = {stem.name: read_file(stem.path) for stem in track.stems}
    moved = write_dawproject(track).rename(tmp_path / "alone.dawproject")
    shutil.rmtree(track.folder)
    heard = hear(moved)
    assert all(np.array_equal(heard[name][0], sound) for name, sound in sounds.items())


def test_a_project_of_references_moves_with_its_folder(tmp_path: Path) -> None:
    track = make_track(tmp_path / "library" / "song", frames=1000)
    (tmp_path / "library" / "vocals").mkdir()
    apart = track.stems[0].path.rename(tmp_path / "library" / "vocals" / "song.wav")
    track = replace(track, stems=(Stem("vocals", apart), track.stems[1]))
    path = write_dawproject(track, embed=False)
    assert zipfile.ZipFile(path).namelist() == ["project.xml", "metadata.xml"]
    files = [file.attrib["path"] for file in read_xml(path).iter("File")]
    assert files == ["../vocals/song.wav", "accompaniment.wav", "original.wav"]
    sounds = hear(path)
    (tmp_path / "library").rename(tmp_path / "else where")
    moved = hear(tmp_path / "else where" / "song" / "song.dawproject")
    assert all(np.array_equal(moved[name][0], sound) for name, (sound, _) in sounds.items())


def test_wav_aiff_and_flac_go_in_byte_by_byte(tmp_path: Path) -> None:
    track = make_track(tmp_path / "song", frames=3000)
    sound = read_file(track.stems[0].path)
    aiff = tmp_path / "song" / "b.aif"
    soundfile.write(aiff, sound.T, 44100, "PCM_16", format="AIFF")
    flac = encode(tmp_path / "song" / "c.flac", "flac", sound)
    stems = (track.stems[0], Stem("b", aiff), flac)
    path = write_dawproject(replace(track, stems=stems, original=None))
    with zipfile.ZipFile(path) as archive:
        contents = [archive.read(name) for name in archive.namelist()[:3]]
        names = [Path(name).suffix for name in archive.namelist()[:3]]
    assert contents == [stem.path.read_bytes() for stem in stems]
    assert names == [".wav", ".aiff", ".flac"]


@pytest.mark.parametrize("embed", [True, False])
@pytest.mark.parametrize("container", ["mp3", "ogg", "opus", "m4a"])
def test_what_programs_trim_differently_goes_in_decoded(
    tmp_path: Path, container: Container, embed: bool
) -> None:
    track = make_track(tmp_path / "song", channels=1, frames=30000, original=False)
    lossy = encode(tmp_path / "song" / f"v.{container}", container, read_file(track.stems[0].path))
    path = write_dawproject(replace(track, stems=(lossy,)), embed=embed)
    sound, rate = hear(path)["v"]
    assert rate == (48000 if container == "opus" else 44100)
    assert np.array_equal(sound, read_file(lossy.path))
    assert list_faults(path) == []
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.parametrize(("suffix", "codec"), [("wav", "ULAW"), ("caf", "PCM_16")])
def test_what_not_all_programs_read_goes_in_decoded(
    tmp_path: Path, suffix: str, codec: str
) -> None:
    track = make_track(tmp_path / "song", channels=1, frames=1000, original=False)
    path = tmp_path / "song" / f"u.{suffix}"
    soundfile.write(path, read_file(track.stems[0].path).T, 44100, codec)
    project = write_dawproject(replace(track, stems=(Stem("u", path),)), embed=False)
    assert np.array_equal(hear(project)["u"][0], read_file(path))
    place = find_one(read_xml(project), ".//File").attrib
    assert place == {"path": "audio/1 u.wav", "external": "false"}


@pytest.mark.parametrize("embed", [True, False])
def test_names_may_hold_anything(tmp_path: Path, embed: bool) -> None:
    folder = tmp_path / f"-{ODD}"
    track = make_track(
        folder, [f"-{ODD}", "b"], frames=100, tags=TagsRecord(title=ODD, artist=ODD),
        markers=[MarkerRecord(frame=3, label=ODD)],
    )  # fmt: skip
    path = write_dawproject(track, embed=embed)
    assert list_faults(path) == []
    shown = ODD.replace("\n\t\x01", "   ").replace("\uffff", "\ufffd")
    assert list(hear(path)) == [f"-{shown}", "b", "original"]
    assert find_one(read_xml(path), ".//Marker").attrib["name"] == shown
    assert find_one(read_xml(path, "metadata.xml"), "Artist").text == shown
    inside = [name for name in zipfile.ZipFile(path).namelist() if name.startswith("audio/")]
    assert len(inside) == (3 if embed else 1)  # no reference can hold \x01 or \uffff
    assert all(re.fullmatch(r"audio/[\w .()-]+\.wav", name) for name in inside)


@pytest.mark.skipif(os.name == "nt", reason="Windows' names are all Unicode")
@pytest.mark.parametrize("embed", [True, False])
def test_names_may_be_no_unicode(tmp_path: Path, embed: bool) -> None:
    folder = make_track(tmp_path / "song", frames=100, original=False).folder
    (folder / "provenance.json").unlink()
    (folder / "vocals.wav").rename(Path(os.fsdecode(os.fsencode(folder / "caf") + b"\xe9.wav")))
    renamed = folder.rename(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")))
    (track,) = find_tracks(renamed)
    assert isinstance(track, Track)
    path = write_dawproject(track, embed=embed)
    assert path.name == "\udcff.dawproject"
    assert list_faults(path) == []
    assert sorted(hear(path)) == ["accompaniment", "caf\ufffd"]


@pytest.mark.skipif(os.name == "nt", reason="no such names on Windows")
def test_a_name_like_a_drive_is_not_referred_to(tmp_path: Path) -> None:
    track = make_track(tmp_path / "song", ["C:"], frames=100, original=False)
    path = write_dawproject(track, embed=False)
    assert find_one(read_xml(path), ".//File").attrib["external"] == "false"
    assert list(hear(path)) == ["C:"]


@pytest.mark.parametrize("embed", [True, False])
def test_the_same_stems_make_the_same_bytes(track: Track, tmp_path: Path, embed: bool) -> None:
    first = write_dawproject(track, embed=embed).read_bytes()
    shutil.copytree(track.folder, tmp_path / "copy" / "a song")
    for file in (tmp_path / "copy").rglob("*.wav"):
        os.utime(file, (10**9, 10**9))
    (copy,) = find_tracks(tmp_path / "copy")
    assert isinstance(copy, Track)
    assert write_dawproject(copy, embed=embed).read_bytes() == first


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"RIFF....WAVE")])
def test_a_stem_that_cannot_be_read_leaves_what_was_there(
    track: Track, spoil: Callable[[Path], object]
) -> None:
    before = write_dawproject(track).read_bytes()
    spoil(track.stems[1].path)
    there = sorted(track.folder.iterdir())
    with pytest.raises(AudioError, match=r"accompaniment\.wav"):
        write_dawproject(track)
    assert sorted(track.folder.iterdir()) == there
    assert (track.folder / "a song.dawproject").read_bytes() == before


def test_a_damaged_lossy_stem_leaves_nothing(tmp_path: Path) -> None:
    track = make_track(tmp_path / "song", channels=1, frames=60000, original=False)
    flac = encode(tmp_path / "song" / "v.m4a", "m4a", read_file(track.stems[0].path))
    data = flac.path.read_bytes()
    flac.path.write_bytes(data[: len(data) // 2])
    there = sorted(track.folder.iterdir())
    with pytest.raises(AudioError, match=r"v\.m4a"):
        write_dawproject(replace(track, stems=(flac,)))
    assert sorted(track.folder.iterdir()) == there


def test_says_what_stands_in_the_way(track: Track) -> None:
    (track.folder / "a song.dawproject").mkdir()
    there = sorted(track.folder.iterdir())
    with pytest.raises(HandoffError, match=r"can't write .*a song\.dawproject: .*directory"):
        write_dawproject(track)
    assert sorted(track.folder.iterdir()) == there


def test_a_long_song_is_never_in_memory_whole(tmp_path: Path) -> None:
    second = np.zeros((2, 48000), np.float32)
    short = write_track(tmp_path / "song", {"vocals": second}, 48000, original=False)
    encode_file(
        short.stems[0].path, (second for _ in range(120)), 48000, 2, OutputFormat("wav", "32f")
    )
    tracemalloc.start()
    path = write_dawproject(short)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert path.stat().st_size > 45e6
    assert peak < 5e6
