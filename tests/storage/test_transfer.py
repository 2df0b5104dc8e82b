"""Files come from a store whole and go there whole, or not at all."""

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from pathlib import Path
from typing import IO

import pytest
from fsspec.implementations.memory import MemoryFile, MemoryFileSystem
from upath import UPath

from stemkit.errors import DecodeError, EncodeError
from stemkit.storage import transfer
from stemkit.storage.places import BLOCK_BYTES, Place
from stemkit.storage.transfer import fetched, published
from tests.storage.conftest import ALWAYS
from tests.storage.cutter import Cutter
from tests.storage.stores import ODD_NAMES, count_unfinished_uploads, forbid, put, read, remote

SONG = "s3://songs/song.flac"
BIG = bytes(range(256)) * (5 * BLOCK_BYTES // 512)  # two blocks and a half


def fetch(place: Place) -> bytes:
    with fetched(place) as path:
        return path.read_bytes()


def publish(place: Place, content: bytes) -> None:
    with published({"mix": place}) as targets:
        targets["mix"].write_bytes(content)


@pytest.fixture(params=["s3", "memory"])
def folder(request: pytest.FixtureRequest) -> UPath:
    if request.param == "s3":
        request.getfixturevalue("line")
    return remote(f"{request.param}://songs/folder")


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1])
def test_what_is_published_is_fetched(folder: UPath, size: int) -> None:
    content = BIG[:size]
    publish(folder / "song.wav", content)
    assert read(folder / "song.wav") == content
    assert fetch(folder / "song.wav") == content


@pytest.mark.parametrize("name", ODD_NAMES)
def test_names_are_kept(folder: UPath, name: str) -> None:
    publish(folder / name, name.encode())
    assert fetch(folder / name) == name.encode()
    assert read(folder / name) == name.encode()


def test_a_file_is_replaced(folder: UPath) -> None:
    publish(folder / "song.wav", b"the first one")
    publish(folder / "song.wav", b"second")
    assert fetch(folder / "song.wav") == b"second"


def test_a_big_file_goes_in_parts(line: Cutter) -> None:
    publish(remote(SONG), BIG)
    assert fetch(remote(SONG)) == BIG
    sent = [request.partition("&")[0] for request in line.requests if "partNumber" in request]
    assert sent == [f"PUT /songs/song.flac?partNumber={number}" for number in (1, 2, 3)]
    assert count_unfinished_uploads() == 0


def test_a_fetched_file_has_its_suffix_and_goes_away(folder: UPath) -> None:
    publish(folder / "song.tar.flac", b"1")
    with fetched(folder / "song.tar.flac") as path:
        assert path.suffix == ".flac"
    assert not path.parent.exists()


def test_paths_are_given_as_they_are(tmp_path: Path) -> None:
    with fetched(tmp_path / "song.wav") as path, published({"mix": path}) as targets:
        assert (path, targets) == (tmp_path / "song.wav", {"mix": path})


def test_targets_may_be_mixed_and_keep_their_order(folder: UPath, tmp_path: Path) -> None:
    places: dict[str, Place] = {"vocals": folder / "v.wav", "mix": tmp_path / "m.wav"}
    with published(places) as targets:
        assert list(targets) == list(places)
        for stem, path in targets.items():
            assert path.suffix == ".wav"
            path.write_text(stem)
    assert fetch(places["vocals"]) == b"vocals"
    assert (tmp_path / "m.wav").read_text() == "mix"
    assert not targets["vocals"].parent.exists()


def test_nothing_is_published_from_a_block_that_fails(folder: UPath) -> None:
    with suppress(KeyError), published({"mix": folder / "failed.wav"}) as targets:
        targets["mix"].write_bytes(b"half")
        raise KeyError
    assert read(folder / "failed.wav") is None
    assert not targets["mix"].parent.exists()


def test_a_missing_file_is_one_line(folder: UPath) -> None:
    with pytest.raises(
        DecodeError, match=r"none.wav could not be fetched whole: .* doesn't exist$"
    ):
        fetch(folder / "none.wav")


@pytest.mark.usefixtures("line")
def test_a_missing_bucket_is_one_line() -> None:
    with pytest.raises(EncodeError, match=r"x.wav could not be written whole: .* doesn't exist$"):
        publish(remote("s3://none/x.wav"), b"1")


def test_a_server_that_refuses_is_one_line(line: Cutter) -> None:
    put({"song.flac": b"1"})
    with forbid(line):
        with pytest.raises(DecodeError, match="access is refused"):
            fetch(remote(SONG))
        with pytest.raises(EncodeError, match="access is refused"):
            publish(remote(SONG), b"2")
    assert fetch(remote(SONG)) == b"1"


def test_a_line_that_is_cut_once_is_tried_again(line: Cutter) -> None:
    line.cut_after, line.cuts = BLOCK_BYTES // 2, 1
    publish(remote(SONG), BIG)
    assert (line.cuts, read(remote(SONG))) == (0, BIG)
    line.cuts = 1
    assert fetch(remote(SONG)) == BIG
    assert (line.cuts, count_unfinished_uploads()) == (0, 0)


@pytest.mark.slow
def test_a_download_that_is_always_cut_ends_in_one_line(line: Cutter) -> None:
    put({"song.flac": BIG})
    with (
        cut_always(line),
        pytest.raises(DecodeError, match=r"^s3://\S+ could not be fetched whole: .+$"),
    ):
        fetch(remote(SONG))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "before"), [(BLOCK_BYTES, None), (len(BIG), b"before")], ids=["whole", "parts"]
)
def test_an_upload_that_is_always_cut_changes_nothing(
    line: Cutter, size: int, before: bytes | None
) -> None:
    if before is not None:
        put({"song.flac": before})
    fault = r"^s3://\S+ could not be written whole: .+$"
    with cut_always(line), pytest.raises(EncodeError, match=fault):
        publish(remote(SONG), BIG[:size])
    assert read(remote(SONG)) == before
    assert count_unfinished_uploads() == 0


def test_a_file_that_is_replaced_meanwhile_is_fetched_anew(
    line: Cutter, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = BIG[::-1]
    put({"song.flac": BIG})
    copy_whole = shutil.copyfileobj

    def replace_after_a_block(source: IO[bytes], sink: IO[bytes], length: int) -> None:
        sink.write(source.read(length))
        put({"song.flac": new})
        copy_whole(source, sink, length)

    monkeypatch.setattr(transfer, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(shutil, "copyfileobj", replace_after_a_block)
    assert fetch(remote(SONG)) == new


def test_a_file_shorter_than_its_store_says_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    place = remote("memory://songs/lie.wav")
    publish(place, b"123")
    monkeypatch.setattr(MemoryFile, "size", 4)
    with pytest.raises(DecodeError, match="could not be fetched whole: 3 of 4 bytes arrived"):
        fetch(place)


def test_a_store_that_kept_less_than_was_sent_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryFileSystem, "info", lambda *_args, **_options: {"size": 2})
    with pytest.raises(EncodeError, match="could not be written whole: 2 of 3 bytes arrived"):
        publish(remote("memory://songs/lost.wav"), b"123")


@pytest.mark.usefixtures("line")
def test_threads_transfer_at_once() -> None:
    places = [remote(f"s3://songs/{number}.wav") for number in range(12)]
    contents = [bytes([number]) * (100_000 + number) for number in range(12)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(publish, places, contents))
        assert list(pool.map(fetch, places)) == contents


def test_a_place_is_fetched_in_another_process(line: Cutter) -> None:
    put({"song.flac": b"123"})
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(fetch, remote(SONG)).result(timeout=30) == b"123"


@contextmanager
def cut_always(line: Cutter) -> Iterator[None]:
    """Cut every connection early, and see that whoever uses it gives up in time."""
    line.cut_after, line.cuts = BLOCK_BYTES // 2, ALWAYS
    began = time.monotonic()
    try:
        yield
    finally:
        line.cuts = 0
    assert time.monotonic() - began < 15
