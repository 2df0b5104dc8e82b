"""What a song's file says goes on into the files of its stems, whatever their containers."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from mutagen import id3
from mutagen.apev2 import APEv2

from stemkit.audio.encode import OutputFormat, encode_file
from stemkit.audio.probe import probe_audio
from stemkit.audio.tags.metadata import TEXTS, Marker, Metadata, Picture, Tags, clean
from stemkit.audio.tags.read import read_metadata
from stemkit.errors import TagsError
from tests.audio.audiofiles import noise, read, write
from tests.audio.tagging import ART, CONTAINERS, SAID, read_tags, write_tags

RATE = 48000
PROGRAM = "stemkit 1.2, model small"


def make_source(folder: Path, container: str) -> Path:
    path = write(folder / f"song.{container}", noise(9600), RATE)
    write_tags(path, container)
    return path


@pytest.mark.parametrize("output", CONTAINERS)
@pytest.mark.parametrize("source", CONTAINERS)
def test_everything_is_carried_with_its_art(tmp_path: Path, source: str, output: str) -> None:
    """And nothing else: no gain, no length, no other program's name."""
    metadata = read_metadata(probe_audio(make_source(tmp_path, source)))
    stem = metadata.for_stem("vocals", "song", PROGRAM)
    target = tmp_path / f"stem.{output}"
    encode_file(target, [noise(9600, seed=1)], RATE, 2, OutputFormat(output), 0, stem)  # type: ignore[arg-type]
    said = read_tags(target, output)
    said.pop("exact_bpm", None)
    expected = SAID | {
        "title": f"{SAID['title']} (vocals)",
        "encoded_by": PROGRAM,
        "art": ART.hex(),
    }
    assert said == {name: [value] for name, value in expected.items()}


@pytest.mark.parametrize("container", CONTAINERS)
def test_samples_are_those_of_an_untagged_file(tmp_path: Path, container: str) -> None:
    plain, tagged = tmp_path / f"plain.{container}", tmp_path / f"tagged.{container}"
    metadata = read_metadata(probe_audio(make_source(tmp_path, "mp3")))
    samples = noise(30_000, seed=2)
    for path, says in ((plain, Metadata()), (tagged, metadata)):
        encode_file(path, [samples], RATE, 2, OutputFormat(container), 0, says)  # type: ignore[arg-type]
    np.testing.assert_array_equal(read(tagged), read(plain))
    assert tagged.read_bytes() != plain.read_bytes()


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_song_without_tags_gives_its_name(tmp_path: Path, container: str) -> None:
    source = write(tmp_path / f"song.{container}", noise(9600), RATE)
    metadata = read_metadata(probe_audio(source))
    assert metadata == Metadata()
    target = tmp_path / f"stem.{container}"
    stem = metadata.for_stem("drums", "song", PROGRAM)
    encode_file(target, [noise(9600)], RATE, 2, OutputFormat(container), 0, stem)  # type: ignore[arg-type]
    assert read_tags(target, container) == {"title": ["song (drums)"], "encoded_by": [PROGRAM]}


@pytest.mark.parametrize("container", ["flac", "mp3", "m4a", "ogg"])
def test_damaged_tags_are_an_error_of_their_own(tmp_path: Path, container: str) -> None:
    """Or they are read in part; whatever mutagen stumbles on, nothing else is raised."""
    path = make_source(tmp_path, container)
    whole = path.read_bytes()
    info = probe_audio(path)
    random = np.random.default_rng(0)
    faults = 0
    for _ in range(150):
        damaged = bytearray(whole)
        for at in random.integers(0, min(len(whole), 4000), 6):
            damaged[at] = random.integers(256)
        path.write_bytes(damaged)
        try:
            assert isinstance(read_metadata(info).tags, Tags)
        except TagsError:
            faults += 1
    assert faults or container == "mp3"


def test_several_artists_stay_several(tmp_path: Path) -> None:
    many = Metadata(Tags(artist=("A", "B"), title=("One",)))
    for container in CONTAINERS:
        path = tmp_path / f"stem.{container}"
        encode_file(path, [noise(9600)], RATE, 2, OutputFormat(container), 0, many)  # type: ignore[arg-type]
        assert read_metadata(probe_audio(path)).tags.artist == ("A", "B")


@pytest.mark.parametrize("container", CONTAINERS)
def test_odd_tags_never_cost_a_file(tmp_path: Path, container: str) -> None:
    """Whatever a song says, its stems are written, and say what the container can hold of it."""
    random = np.random.default_rng(0)
    letters = [
        "a",
        "\n",
        "\t",
        "\0",
        "\x1b",
        "=",
        ";",
        "/",
        "\ufeff",
        "\u202e",
        "é",
        "字",
        "🎺",
        '"',
    ]
    path = tmp_path / f"stem.{container}"
    for _ in range(5):
        texts = {
            name: clean(["".join(random.choice(letters, random.integers(9))) for _ in range(2)])
            for name in TEXTS
        }
        picture = Picture(bytes(random.integers(20)), "image/x-odd", int(random.integers(21)), "d")
        markers = tuple(Marker(at, "".join(random.choice(letters, 3))) for at in range(3))
        odd = Metadata(Tags(**texts, pictures=(picture, picture)), markers, 2**64 - 1, "x\ny", "z")
        encode_file(path, [noise(9600)], RATE, 2, OutputFormat(container), 0, odd)  # type: ignore[arg-type]
        found = read_metadata(probe_audio(path))
        assert read(path).shape == (2, 9600)
        if container not in ("m4a", "mp3") and texts["title"]:
            assert found.tags.title == texts["title"]


@pytest.mark.parametrize("container", CONTAINERS)
def test_much_of_everything_is_no_fault(tmp_path: Path, container: str) -> None:
    """A cover of 17 MB, which FLAC can't hold, 300 markers, which an ID3 list can't count."""
    picture = Picture(bytes(2**24 + 2**20 if container == "flac" else 2**18), "image/png")
    many = tuple(Marker(30 * number, f"m{number}") for number in range(300))
    much = Metadata(Tags(comment=("x" * 100_000,), pictures=(picture,)), many, 0, "", "z")
    path = tmp_path / f"stem.{container}"
    encode_file(path, [noise(9600)], RATE, 2, OutputFormat(container), 0, much)  # type: ignore[arg-type]
    found = read_metadata(probe_audio(path))
    assert found.tags.comment == much.tags.comment
    assert len(found.markers) == 300
    assert len(found.tags.pictures) == (container != "flac")


def test_markers_behind_the_end_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    marks = (Marker(0, "a"), Marker(100, "b", 10**6), Marker(9600, "c"), Marker(9601, "d"))
    encode_file(path, [noise(9600)], RATE, 2, OutputFormat("wav"), 0, Metadata(markers=marks))
    found = read_metadata(probe_audio(path)).markers
    assert found == (Marker(0, "a"), Marker(100, "b", 9500), Marker(9600, "c"))


@pytest.mark.parametrize("container", ["mp3", "wav", "aiff"])
def test_what_id3_has_no_room_for_is_kept(tmp_path: Path, container: str) -> None:
    """Pictures of one description, and dates that aren't dates: other programs see the year."""
    pictures = (
        Picture(b"front", "image/png", 3, "cover"),
        Picture(b"back", "image/png", 4, "cover"),
    )
    dates = {"24.12.1999": "1999", "circa 1999": "1999", "Spring": "", "20010203": "2001-02-03"}
    for date, stamp in dates.items():
        path = tmp_path / f"stem.{container}"
        said = Metadata(Tags(date=(date,), pictures=pictures))
        encode_file(path, [noise(9600)], RATE, 2, OutputFormat(container), 0, said)  # type: ignore[arg-type]
        found = read_metadata(probe_audio(path)).tags
        assert found.date == (stamp if date.isdecimal() else date,)
        assert {(one.data, one.kind) for one in found.pictures} == {(b"front", 3), (b"back", 4)}
        assert read_tags(path, container).get("date", [""]) == [stamp]


def test_damaged_tags_leave_the_markers(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    said = Metadata(Tags(title=("x",)), (Marker(100, "a"),), 77)
    encode_file(path, [noise(9600)], RATE, 2, OutputFormat("wav"), 0, said)
    data = bytearray(path.read_bytes())
    at = data.index(b"ID3")
    data[at + 3] = 9  # a version that isn't known
    path.write_bytes(data)
    with pytest.raises(TagsError, match="can't be read") as caught:
        read_metadata(probe_audio(path))
    assert caught.value.rest.markers == (Marker(100, "a"),)
    assert caught.value.rest.time_reference == 77


def add_chunk(path: Path, name: bytes, body: bytes) -> None:
    """Add a chunk to a wav."""
    data = (
        path.read_bytes() + name + len(body).to_bytes(4, "little") + body + b"\0" * (len(body) % 2)
    )
    path.write_bytes(data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:])


def make_info(**texts: bytes) -> bytes:
    parts = [
        name.encode() + (len(text) + 1).to_bytes(4, "little") + text + b"\0" * (2 - len(text) % 2)
        for name, text in texts.items()
    ]
    return b"INFO" + b"".join(parts)


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_what_windows_programs_write_is_read(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path / "song.wav", noise(9600), RATE)
    add_chunk(path, b"LIST", make_info(INAM="Café “crème”".encode(encoding), IART=b"Plain"))
    found = read_metadata(probe_audio(path)).tags
    assert (found.title, found.artist) == (("Café “crème”",), ("Plain",))


def test_each_chunk_of_a_wav_adds_what_the_other_lacks(tmp_path: Path) -> None:
    path = write(tmp_path / "song.wav", noise(9600), RATE)
    tag = id3.ID3()
    tag.add(id3.TBPM(text=["124"]))
    tag.add(id3.TPE1(text=["Whole name of the artist"]))
    body = BytesIO()
    tag.save(body)
    add_chunk(path, b"LIST", make_info(INAM=b"Title", IART=b"Whole name of"))
    add_chunk(path, b"id3 ", body.getvalue())
    found = read_metadata(probe_audio(path)).tags
    assert found == Tags(title=("Title",), artist=("Whole name of the artist",), bpm=("124",))


@pytest.mark.parametrize("version", [0, 1, 2])
def test_an_ape_tag_is_read_before_id3v1_and_after_id3v2(tmp_path: Path, version: int) -> None:
    path = write(tmp_path / "song.mp3", noise(9600), RATE)
    long = "A title that is longer than thirty characters"
    ape = APEv2()
    ape["Title"], ape["Track"] = long, "3/12"
    ape.save(path)
    if version:
        tag = id3.ID3()
        tag.add(id3.TIT2(text=[long[:30] if version == 1 else "Another"]))
        tag.add(id3.TPE1(text=["Artist"]))
        tag.save(path, v1=2 if version == 1 else 0)
        if version == 1:
            id3.delete(path, delete_v1=False)
    found = read_metadata(probe_audio(path)).tags
    artist = ("Artist",) if version else ()
    title = ("Another",) if version == 2 else (long,)
    assert found == Tags(title=title, track=("3/12",), artist=artist)


def test_a_damaged_ape_tag_costs_nothing_else(tmp_path: Path) -> None:
    path = make_source(tmp_path, "mp3")
    whole = read_metadata(probe_audio(path))
    ape = APEv2()
    ape["Title"] = "x"
    ape.save(path)
    data = bytearray(path.read_bytes())
    data[data.index(b"Title") - 8] = 0xFF  # the length of the item
    path.write_bytes(data)
    assert read_metadata(probe_audio(path)) == whole


def test_what_ffmpeg_calls_a_comment_is_one(tmp_path: Path) -> None:
    path = write(tmp_path / "song.mp3", noise(9600), RATE)
    tag = id3.ID3()
    tag.add(id3.TXXX(desc="comment", text=["https://here"]))
    tag.add(id3.TXXX(desc="purl", text=["https://there"]))
    tag.save(path)
    assert read_metadata(probe_audio(path)).tags == Tags(comment=("https://here",))
