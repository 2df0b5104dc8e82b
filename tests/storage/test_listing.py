"""What a store holds is told by listings alone."""

import hashlib
import os
from pathlib import Path

import pytest
from upath import UPath

from stemkit.errors import PlanError
from stemkit.storage.listing import Listing, list_files, stat_place
from stemkit.storage.places import parse_place
from tests.storage.cutter import Cutter
from tests.storage.stores import ODD_NAMES, forbid, put, remote

LISTED_BY = "GET /songs?list-type=2"


def test_a_folder_is_listed_by_one_request_and_nothing_is_read(line: Cutter) -> None:
    contents = {f"a/{name}": bytes(size) for size, name in enumerate(ODD_NAMES)}
    put(contents | {"other/x.wav": b"1", "ab.wav": b"2"})
    line.requests.clear()
    listed = list(list_files(remote("s3://songs/a")))
    assert [file.place for file in listed] == [
        remote(f"s3://songs/{key}") for key in sorted(contents)
    ]
    assert [file.size_bytes for file in listed] == [len(contents[key]) for key in sorted(contents)]
    assert [request.partition("&")[0] for request in line.requests] == [LISTED_BY]


def test_a_page_of_the_listing_is_a_request(line: Cutter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "4")  # instead of 1000
    put({f"{number}.wav": b"" for number in range(9)})
    line.requests.clear()
    assert [file.place.name for file in list_files(remote("s3://songs"))] == [
        f"{number}.wav" for number in range(9)
    ]
    assert [request.partition("&")[0] for request in line.requests] == [LISTED_BY] * 3


def test_one_file_is_listed_as_itself_and_as_stat_tells_it(line: Cutter) -> None:
    put({"a/song.wav": b"12345"})
    place = remote("s3://songs/a/song.wav")
    (listed,) = list_files(place)
    assert listed == stat_place(place)
    assert (listed.place, listed.size_bytes) == (place, 5)
    assert listed.mtime_ns % 10**9 == 0 < listed.mtime_ns


def test_another_content_has_another_etag(line: Cutter) -> None:
    place = remote("s3://songs/a/song.wav")
    put({"a/song.wav": b"1"})
    first = stat_place(place)
    list(list_files(remote("s3://songs")))
    put({"a/song.wav": b"2"})
    assert stat_place(place).etag not in ("", first.etag)
    assert first.etag == hashlib.md5(b"1").hexdigest()


def test_a_folder_without_files_is_empty(line: Cutter) -> None:
    put({"made/by/a/tool/": b""})
    assert list(list_files(remote("s3://songs/made/by/a/tool"))) == []
    assert list(list_files(remote("s3://songs/made"))) == []


@pytest.mark.usefixtures("line")
def test_a_bucket_without_files_is_empty() -> None:
    assert list(list_files(remote("s3://songs"))) == []


@pytest.mark.usefixtures("line")
@pytest.mark.parametrize("text", ["s3://songs/none", "s3://none", "s3://none/none"])
def test_what_isnt_there_cant_be_listed_or_told_of(text: str) -> None:
    with pytest.raises(PlanError, match=rf"^[^\n]*{text}/?\b[^\n]*$"):
        list(list_files(remote(text)))
    with pytest.raises(PlanError, match=r"^can't read .*doesn't exist$"):
        stat_place(remote(text) / "song.wav")


def test_a_server_that_refuses_is_one_line(line: Cutter) -> None:
    with (
        forbid(line),
        pytest.raises(PlanError, match=r"^can't list s3://songs/: access is refused"),
    ):
        list(list_files(remote("s3://songs")))


@pytest.mark.usefixtures("line")
def test_a_server_that_isnt_there_is_one_line() -> None:
    place = UPath("s3://songs", endpoint_url="http://127.0.0.1:1")
    with pytest.raises(PlanError, match=r"^can't list s3://songs/: Could not connect[^\n]*$"):
        list(list_files(place))


def test_a_listing_asks_once(line: Cutter) -> None:
    put({f"out/{name}": bytes(size) for size, name in enumerate(ODD_NAMES)})
    line.requests.clear()
    output = remote("s3://songs/out")
    listing = Listing(output)
    sizes = [listing.size_of(output / name) for name in ODD_NAMES]
    assert sizes == list(range(len(ODD_NAMES)))
    assert listing.size_of(output / "none.wav") is None
    assert [request.partition("&")[0] for request in line.requests] == [LISTED_BY]


@pytest.mark.usefixtures("line")
def test_a_listing_of_a_folder_that_isnt_there_yet_is_empty() -> None:
    output = remote("s3://songs/out")
    assert Listing(output).size_of(output / "x.wav") is None


def test_a_listing_of_a_missing_bucket_is_refused(line: Cutter) -> None:
    with pytest.raises(PlanError, match="doesn't exist"):
        Listing(remote("s3://none/out"))


def test_a_listing_of_a_local_folder_looks_each_time(tmp_path: Path) -> None:
    listing, target = Listing(tmp_path), tmp_path / "x.wav"
    assert listing.size_of(target) is None
    target.write_bytes(b"123")
    assert listing.size_of(target) == 3
    assert listing.size_of(tmp_path) is None


def test_a_local_file_is_told_of_to_the_nanosecond(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(b"123")
    os.utime(path, ns=(1, 1_234_567_891_123_456_789))
    told = stat_place(path)
    assert (told.place, told.size_bytes, told.mtime_ns) == (path, 3, path.stat().st_mtime_ns)
    with pytest.raises(PlanError, match="can't read"):
        stat_place(tmp_path / "none.wav")


def test_other_stores_list_alike() -> None:
    place = parse_place("memory://test-listing/a/x [1].wav")
    assert isinstance(place, UPath)
    place.write_bytes(b"123")
    (listed,) = list_files(remote("memory://test-listing"))
    assert listed == stat_place(place)
    assert (listed.place, listed.size_bytes) == (place, 3)
    assert listed.mtime_ns % 10**9 == 0 < listed.mtime_ns
    with pytest.raises(PlanError, match="no file or folder"):
        list(list_files(remote("memory://test-listing/none")))
