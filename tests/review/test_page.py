"""Building the pages: what is drawn again, what is left alone, and what a page says."""

import os
import pickle
import re
import shutil
from base64 import b64decode
from collections.abc import Callable, Iterator
from hashlib import sha256
from html.parser import HTMLParser
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import soundfile
from filelock import FileLock

from stemkit.audio.decode import AudioReader
from stemkit.errors import OptionError
from stemkit.review import build, drawing, folder
from stemkit.review.build import ReviewResult, build_review
from stemkit.review.entries import Entry
from stemkit.review.page import format_clock, format_decibels
from stemkit.review.preview import RATE
from stemkit.tracks.find import find_tracks
from stemkit.tracks.record import TagsRecord
from tests.tracks.making import make_track

FRAMES = 11025


class TextParser(HTMLParser):
    """The text of a page, and the addresses that it loads or leads to."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.addresses: list[str] = []

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value for name, value in attrs if name in ("src", "href") and value]


def read_page(path: Path) -> TextParser:
    parser = TextParser()
    parser.feed(path.read_text(encoding="utf-8"))
    return parser


def build_here(library: Path, *, with_audio: bool = False) -> ReviewResult:
    """Build pages whose pictures are hashes of what they are of, for drawing takes long."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("draw_waveform", "draw_spectrogram", "draw_thumbnail"):
            patch.setattr(drawing, name, hash_shown)
        result = build_review(library, library / "review", workers=1, with_audio=with_audio)
    assert result is not None
    return result


def hash_shown(*shown: object, **options: object) -> bytes:
    return sha256(pickle.dumps((shown, options))).digest()


def read_files(folder: Path) -> dict[str, bytes]:
    """Return all files but those with a leading dot, which tell what was made from what."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


@pytest.fixture
def library(tmp_path: Path) -> Path:
    for seed, name in enumerate(("one", "two", "three")):
        make_track(tmp_path / "library" / name, frames=FRAMES, seed=seed)
    return tmp_path / "library"


def test_all_that_pages_name_is_there(library: Path) -> None:
    result = build_review(library, library / "review", workers=1)
    assert result is not None
    assert [entry.track.name for entry in result.entries] == ["one", "three", "two"]
    assert not result.failures
    assert len([*(library / "review").rglob("*.html")]) == 4
    check_whole(library / "review")
    text = read_page(library / "review" / "tracks" / result.entries[0].page).text
    source = result.entries[0].source
    assert source is not None
    for expected in (source.sha256, "stemkit-small", "0.1.0", "\N{MINUS SIGN}18.0", source.path):
        assert expected in text


def test_only_what_changed_is_drawn_again(library: Path) -> None:
    assert build_here(library).drawn == 3
    before = read_files(library / "review")
    assert build_here(library).drawn == 0
    assert read_files(library / "review") == before
    os.utime(library / "two" / "vocals.wav", (1, 1))
    assert build_here(library).drawn == 1
    assert read_files(library / "review") == before  # of the same content
    make_track(library / "two", frames=FRAMES, seed=7)
    result = build_here(library)
    assert result.drawn == 1
    changed = {
        name
        for name, content in read_files(library / "review").items()
        if before.get(name) != content
    }
    assert {name.split("/")[-1][:3] for name in changed} <= {
        "two",
        "ind",
        "0-w",
        "0-s",
        "1-w",
        "1-s",
        "2-w",
        "2-s",
        "thu",
    }
    assert len([*(library / "review" / "tracks").iterdir()]) == 6


def test_what_the_record_says_is_written_without_drawing(library: Path) -> None:
    build_here(library)
    make_track(library / "one", frames=FRAMES, seed=0, tags=TagsRecord(title="Uno"))
    for stem in ("vocals", "accompaniment", "original"):
        os.utime(library / "one" / f"{stem}.wav", (1, 1))
    first = build_here(library)
    make_track(library / "one", frames=FRAMES, seed=0, tags=TagsRecord(title="Uno", artist="Due"))
    for stem in ("vocals", "accompaniment", "original"):
        os.utime(library / "one" / f"{stem}.wav", (1, 1))
    second = build_here(library)
    assert (first.drawn, second.drawn) == (1, 0)
    assert "Due" in read_page(second.index).text


def read_numbers(entry: Entry) -> dict[str, tuple[float | None, float | None, float | None]]:
    return {
        row.name: (row.measures.peak_db, row.measures.loudness_lufs, row.gain_db)
        for row in entry.levels
    }


def test_a_stem_that_was_edited_has_no_numbers_of_the_record(library: Path) -> None:
    for name in ("two", "three"):
        shutil.rmtree(library / name)
    (entry,) = build_here(library).entries
    before = read_numbers(entry)
    assert [*before] == ["source", "vocals", "accompaniment"]
    assert before["vocals"][1:] == (-20.0, 0.0)
    assert "removed since" not in read_page(library / "review" / "tracks" / entry.page).text

    vocals = library / "one" / "vocals.wav"
    audio, rate = soundfile.read(vocals)
    soundfile.write(vocals, audio * 0.5, rate, "PCM_24")
    (entry,) = build_here(library).entries
    after = read_numbers(entry)
    peak_db = 20 * np.log10(np.abs(audio * 0.5).max())
    assert after["vocals"][0] == pytest.approx(peak_db, abs=0.01)
    assert after.pop("vocals")[1:] == (None, None)
    assert after == {name: row for name, row in before.items() if name != "vocals"}
    text = read_page(library / "review" / "tracks" / entry.page).text
    assert text.count("; changed or removed since") == 1

    (library / "one" / "accompaniment.wav").unlink()
    (entry,) = build_here(library).entries
    assert [*read_numbers(entry)] == ["source", "vocals"]


def test_what_has_vanished_is_removed_and_nothing_else(library: Path) -> None:
    build_here(library)
    (library / "review" / "notes.txt").write_text("mine")
    (library / "review" / "tracks" / "notes.txt").write_text("mine")
    (library / "review" / "tracks" / ".stemkit-1-2.partial").mkdir()
    shutil.rmtree(library / "two")
    build_here(library)
    names = sorted(path.name for path in (library / "review" / "tracks").iterdir())
    assert [name.split("-")[0] for name in names] == ["notes.txt", "one", "one", "three", "three"]
    assert (library / "review" / "notes.txt").exists()


def test_a_review_is_no_track(library: Path) -> None:
    def find_names() -> list[str]:
        return [str(one) for one in find_tracks(library)]

    before = find_names()
    build_here(library, with_audio=True)
    assert find_names() == before


def test_the_same_stems_give_the_same_bytes_anywhere(library: Path, tmp_path: Path) -> None:
    shutil.copytree(library, tmp_path / "copy" / "library", copy_function=shutil.copy)
    for one in (library, tmp_path / "copy" / "library"):
        build_review(one, one / "review", workers=1)
    assert read_files(library / "review") == read_files(tmp_path / "copy" / "library" / "review")


def test_a_broken_track_is_a_line_and_the_rest_go_on(library: Path) -> None:
    build_here(library)
    (library / "two" / "vocals.wav").write_bytes(b"RIFF no good")
    (library / "three" / "provenance.json").write_text('{"format": "stemkit track", "name": 1}')
    result = build_here(library)
    assert [entry.track.name for entry in result.entries] == ["one"]
    assert [failure.name for failure in result.failures] == ["three/provenance.json", "two"]
    text = read_page(result.index).text
    assert all(failure.reason in text for failure in result.failures)
    assert "\n" not in "".join(failure.reason for failure in result.failures)
    assert len([*(library / "review" / "tracks").iterdir()]) == 2


def check_whole(review: Path) -> None:
    """Check that all that pages load or lead to is there."""
    for page in review.rglob("*.html"):
        for address in read_page(page).addresses:
            if not address.startswith(("#", "data:,")):
                assert (page.parent / address).is_file(), f"{page.name} wants {address}"


@pytest.mark.slow
def test_a_build_that_is_stopped_leaves_whole_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        make_track(tmp_path / "old" / name, ["vocals"], frames=FRAMES, original=False)
    build_here(tmp_path / "old")
    for steps in count(1):
        library = tmp_path / str(steps)
        shutil.copytree(tmp_path / "old", library)
        make_track(library / "two", ["vocals"], frames=FRAMES, original=False, seed=1)
        make_track(library / "three", ["vocals"], frames=FRAMES, original=False)
        shutil.rmtree(library / "one")
        with monkeypatch.context() as patch:
            moments = iter(range(steps))
            for place, name in ((Path, "replace"), (folder, "remove_path")):
                patch.setattr(place, name, stop_when_over(moments, getattr(place, name)))
            try:
                build_here(library)
                break
            except KeyboardInterrupt:
                check_whole(library / "review")
        assert [entry.track.name for entry in build_here(library).entries] == ["three", "two"]
        check_whole(library / "review")
    assert steps == 8  # 2 drawings, 2 pages and the index, and 3 that are removed


def stop_when_over(moments: Iterator[int], step: Callable[..., object]) -> Callable[..., object]:
    """Let `step` be done as often as there are moments, for all that share them, then interrupt."""

    def do(*arguments: object) -> object:
        if next(moments, None) is None:
            raise KeyboardInterrupt
        return step(*arguments)

    return do


def test_a_folder_of_others_is_refused(library: Path) -> None:
    (library / "review").mkdir()
    (library / "review" / "song.txt").write_text("mine")
    with pytest.raises(OptionError, match="holds files of others; choose an empty folder with -o"):
        build_here(library)
    assert [path.name for path in (library / "review").iterdir()] == ["song.txt"]
    (library / "review" / "song.txt").unlink()
    build_here(library)
    with (
        FileLock(library / "review" / ".stemkit-review.lock"),
        pytest.raises(OptionError, match="another process"),
    ):
        build_here(library)


def test_a_folder_without_stems_gets_no_pages(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "song.wav", np.zeros(FRAMES), 44100)
    assert build_review(tmp_path, tmp_path / "review", workers=1) is None
    assert not (tmp_path / "review").exists()


def test_stems_without_a_record_do(tmp_path: Path) -> None:
    for name in ("drums.flac", "drums.wav", os.fsdecode(b"\xff.wav")):
        with (tmp_path / name).open("wb") as file:
            soundfile.write(file, np.full((FRAMES, 2), 0.25), 44100, format=name[-4:].strip("."))
    result = build_review(tmp_path, tmp_path / "review", workers=1)
    assert result is not None
    (entry,) = result.entries
    names = [lane.name for lane in entry.drawing.lanes]
    assert names == ["sum of the stems", "drums", "drums.wav", "\N{REPLACEMENT CHARACTER}"]
    assert [lane.peak for lane in entry.drawing.lanes] == pytest.approx([0.75, 0.25, 0.25, 0.25])
    drawn = sorted(path.name for path in (tmp_path / "review" / "tracks" / entry.drawn).iterdir())
    assert [name for name in drawn if name.endswith((".js", ".wav"))] == ["1.js", "2.js", "3.js"]
    text = read_page(tmp_path / "review" / "tracks" / entry.page).text
    assert "No record stands beside these stems" in text
    assert "\N{MINUS SIGN}12.0" in text


def test_what_is_too_long_to_be_played_is_cut(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "MOST_DECODED_BYTES", RATE * 3 * 2 * 4 * 0.1)
    result = build_here(library, with_audio=True)
    entry = result.entries[0]
    assert entry.drawing.playable_seconds == pytest.approx(0.1)
    assert (
        "its first 0:00 can be played here"
        in read_page(result.index.parent / "tracks" / entry.page).text
    )
    for lane in range(3):
        script = (library / "review" / "tracks" / entry.drawn / f"{lane}.js").read_text()
        found = re.fullmatch(rf'stemkit\.takePreview\({lane}, "(.+)"\);\n', script)
        assert found
        (library / "preview").write_bytes(b64decode(found[1]))
        with AudioReader(library / "preview") as reader:
            frames = sum(block.shape[1] for block in reader.blocks())
        assert frames == pytest.approx(0.1 * RATE, abs=2)


def test_any_name_makes_a_plain_and_own_page(tmp_path: Path) -> None:
    names = [
        "a",
        "A",
        "ä",
        "日本",
        "con",
        "..",
        "-rf",
        "a" * 200,
        "new\nline",
        os.fsdecode(b"\xff\xfe"),
    ]
    for number, name in enumerate(names):
        make_track(tmp_path / f"{number}", ["vocals"], frames=FRAMES, original=False)
        (tmp_path / f"{number}").rename(tmp_path / f"{number} {name}"[:250])
    library = tmp_path
    result = build_here(library)
    pages = [entry.page for entry in result.entries]
    assert len({page.lower() for page in pages}) == len(names)
    assert all(re.fullmatch(r"[a-z0-9-]{1,48}-[0-9a-f]{10}\.html", page) for page in pages)
    check_whole(library / "review")


@pytest.mark.parametrize(
    ("seconds", "clock", "exact"),
    [(0, "0:00", "0:00.0"), (59.96, "0:59", "0:59.9"), (60, "1:00", "1:00.0"),
     (0.3, "0:00", "0:00.3"), (3599.99, "59:59", "59:59.9"), (3725.5, "1:02:05", "1:02:05.5")],
)  # fmt: skip
def test_times_are_written_as_clocks(seconds: float, clock: str, exact: str) -> None:
    assert (format_clock(seconds), format_clock(seconds, 1)) == (clock, exact)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "\N{EN DASH}"), (-0.04, "0.0"), (-6.02, "\N{MINUS SIGN}6.0"), (12.0, "12.0")],
)
def test_levels_have_a_true_minus(value: float | None, text: str) -> None:
    assert format_decibels(value) == text


def test_titles_are_in_the_order_of_people() -> None:
    titles = ["b", "Track 10", "2 three", "track 2", "10 four", "a"]
    assert sorted(titles, key=build._order) == [
        "2 three",
        "10 four",
        "a",
        "b",
        "track 2",
        "Track 10",
    ]
