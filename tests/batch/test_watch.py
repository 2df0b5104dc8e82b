"""What is dropped into a watched folder is given once, whole, and never twice as it was."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stemkit.batch import watch
from stemkit.batch.watch import Watcher
from stemkit.errors import PlanError

SETTLE_SECONDS = 0.1
PATIENCE_SECONDS = 10.0

each_way = pytest.mark.parametrize("polling", [False, True], ids=["events", "polling"])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder to watch, looked at more often than usual."""
    monkeypatch.setattr(watch, "TICK_SECONDS", 0.02)
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    """Return what ends a test that waits in vain."""
    event = threading.Event()
    timer = threading.Timer(PATIENCE_SECONDS, event.set)
    timer.start()
    yield event
    timer.cancel()
    timer.join()


def watching(*inputs: Path, polling: bool = False) -> Watcher:
    return Watcher(inputs, inputs[0].parent / "out", SETTLE_SECONDS, polling=polling)


def write(path: Path, content: bytes = b"RIFF") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def collect_until(changes: Iterator[frozenset[Path]], *awaited: Path) -> list[Path]:
    """Return all that is given, in order, until each of `awaited` was among it."""
    given: list[Path] = []
    for files in changes:
        given += sorted(files)
        if set(awaited) <= set(given):
            return given
    raise TimeoutError(f"{set(awaited) - set(given)} never came")


class Script(threading.Event):
    """Never set until its steps, one at each tick, are over and some time has passed."""

    def __init__(self, step: Callable[[], bool]) -> None:
        super().__init__()
        self._step = step
        self._end = time.monotonic() + PATIENCE_SECONDS

    def wait(self, timeout: float | None = None) -> bool:
        if not self._step() and time.monotonic() > self._end:
            self.set()
        return super().wait(timeout)


@each_way
def test_what_is_dropped_in_is_given_and_what_was_there_is_not(
    folder: Path, stop: threading.Event, polling: bool
) -> None:
    write(folder / "before.wav")
    with watching(folder, polling=polling) as watcher:
        song, deep = write(folder / "a song.wav"), write(folder / "...new" / "deep" / "..song.wav")
        assert sorted(collect_until(watcher.changes(stop), song, deep)) == [deep, song]


@each_way
def test_a_file_that_grows_is_given_when_it_is_whole(folder: Path, polling: bool) -> None:
    song, bursts = folder / "song.wav", iter(range(5))

    def grow() -> bool:
        if (burst := next(bursts, None)) is None:
            return False
        time.sleep(SETTLE_SECONDS * 0.6)
        with song.open("ab") as file:
            file.write(b"%d" % burst)
        return True

    with watching(folder, polling=polling) as watcher:
        assert next(watcher.changes(Script(grow))) == {song}
        assert song.read_bytes() == b"01234"


@each_way
def test_temporary_names_count_once_they_are_renamed(
    folder: Path, stop: threading.Event, polling: bool
) -> None:
    partial = (".stemkit-1-ab.partial", "song.wav.part", "b.CRDOWNLOAD", "c.tmp", ".hidden.wav")
    with watching(folder, polling=polling) as watcher:
        for name in (*partial, ".git/song.wav", "@eaDir/song.wav"):
            write(folder / name)
        changes = watcher.changes(stop)
        marker = write(folder / "marker.wav")
        assert collect_until(changes, marker) == [marker]
        renamed = [(folder / name).rename(folder / f"{at}.wav") for at, name in enumerate(partial)]
        assert sorted(collect_until(changes, *renamed)) == renamed


@each_way
def test_what_is_moved_in_is_given_as_a_whole(
    folder: Path, tmp_path: Path, stop: threading.Event, polling: bool
) -> None:
    write(tmp_path / "album" / "cd 1" / "01.wav")
    write(tmp_path / "album" / "02.wav")
    song = write(tmp_path / "song.wav")
    with watching(folder, polling=polling) as watcher:
        (tmp_path / "album").rename(folder / "album")
        song.rename(folder / "song.wav")
        expected = {folder / "album/cd 1/01.wav", folder / "album/02.wav", folder / "song.wav"}
        assert set(collect_until(watcher.changes(stop), *expected)) == expected


@each_way
def test_a_folder_that_is_renamed_gives_its_files_by_their_new_names(
    folder: Path, stop: threading.Event, polling: bool
) -> None:
    write(folder / "unpacking" / "cd 1" / "01.wav")
    with watching(folder, polling=polling) as watcher:
        (folder / "unpacking").rename(folder / "album")
        song = folder / "album" / "cd 1" / "01.wav"
        assert collect_until(watcher.changes(stop), song) == [song]


@each_way
def test_a_file_that_changes_is_given_again_and_one_that_is_read_is_not(
    folder: Path, stop: threading.Event, polling: bool
) -> None:
    song, other = write(folder / "song.wav"), write(folder / "other.wav")
    with watching(folder, polling=polling) as watcher:
        changes = watcher.changes(stop)
        write(song, b"longer")
        other.read_bytes()
        other.chmod(0o600)
        assert collect_until(changes, song) == [song]
        write(song, b"longer still")
        assert collect_until(changes, song) == [song]


@each_way
def test_a_file_that_vanishes_is_forgotten(
    folder: Path, stop: threading.Event, polling: bool
) -> None:
    with watching(folder, polling=polling) as watcher:
        changes = watcher.changes(stop)
        song = write(folder / "song.wav")
        assert collect_until(changes, song) == [song]
        times = song.stat().st_mtime_ns
        song.unlink()
        write(folder / "short lived.wav").unlink()
        marker = write(folder / "marker.wav")
        assert collect_until(changes, marker) == [marker]
        os.utime(write(song), ns=(times, times))
        assert collect_until(changes, song) == [song]


@each_way
def test_nothing_below_the_output_folder_counts(
    folder: Path, stop: threading.Event, polling: bool
) -> None:
    output = folder / "stems"  # made later, as it is in a first run
    with Watcher([folder], output, SETTLE_SECONDS, polling=polling) as watcher:
        changes = watcher.changes(stop)
        for at in range(2):
            write(output / f"song {at}" / "vocals.wav")
            marker = write(folder / f"{at}.wav")
            assert collect_until(changes, marker) == [marker]


@each_way
def test_what_arrives_while_the_caller_is_busy_is_kept(
    folder: Path, stop: threading.Event, polling: bool
) -> None:
    with watching(folder, polling=polling) as watcher:
        first = write(folder / "during the first scan.wav")
        changes = watcher.changes(stop)
        assert next(changes) == {first}
        others = {write(folder / f"{at}.wav") for at in range(20)}
        time.sleep(0.1)  # separating
        assert set(collect_until(changes, *others)) == others


@each_way
def test_of_a_plain_file_only_its_own_changes_count(
    folder: Path, stop: threading.Event, polling: bool
) -> None:
    song, other = write(folder / "song.wav"), folder / "b"
    other.mkdir()
    with watching(song, other, polling=polling) as watcher:
        changes = watcher.changes(stop)
        write(folder / "sibling.wav")
        marker = write(other / "marker.wav")
        assert collect_until(changes, marker) == [marker]
        write(folder / "new.wav", b"another").replace(song)
        assert collect_until(changes, song) == [song]


def test_names_are_as_the_input_was_given(
    folder: Path, stop: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "link").symlink_to("real")
    (folder / "real").mkdir()
    monkeypatch.chdir(folder)
    with watching(Path("link")) as watcher:
        write(folder / "real" / "song.wav")
        song = Path("link/song.wav")
        assert collect_until(watcher.changes(stop), song) == [song]


@each_way
def test_folders_behind_links_are_followed_once(
    folder: Path, stop: threading.Event, monkeypatch: pytest.MonkeyPatch, polling: bool
) -> None:
    monkeypatch.setattr(watch, "RESCAN_SECONDS", 0.2)  # no event tells of what is behind a link
    behind = folder.parent / "elsewhere"
    behind.mkdir()
    (behind / "back").symlink_to(folder)
    (folder / "album").symlink_to(behind)
    (folder / "self").symlink_to(".")
    (folder / "gone").symlink_to("nowhere")
    (folder / "circle").symlink_to("circle")
    with watching(folder, polling=polling) as watcher:
        changes = watcher.changes(stop)
        write(behind / "song.wav")
        song = folder / "album" / "song.wav"
        assert collect_until(changes, song) == [song]


@each_way
def test_a_song_that_links_lead_to_is_given_by_its_own_name(
    folder: Path, stop: threading.Event, polling: bool
) -> None:
    (folder / "real").mkdir()
    for at in range(9):
        (folder / f"link {at}").symlink_to("real")
    with watching(folder, polling=polling) as watcher:
        song = write(folder / "real" / "song.wav")
        assert collect_until(watcher.changes(stop), song) == [song]


def test_pipes_and_empty_files_are_not_given(folder: Path, stop: threading.Event) -> None:
    odd = Path(os.fsdecode(os.fsencode(folder) + b"/\xff\n.wav"))
    with watching(folder) as watcher:
        os.mkfifo(folder / "pipe.wav")
        write(folder / "placeholder.wav", b"")
        assert collect_until(watcher.changes(stop), write(odd)) == [odd]


@each_way
def test_it_stops_soon(folder: Path, polling: bool) -> None:
    stop = threading.Event()
    with watching(folder, polling=polling) as watcher:
        timer = threading.Timer(0.1, stop.set)
        began = time.monotonic()
        timer.start()
        assert list(watcher.changes(stop)) == []
    assert time.monotonic() - began < 2
    timer.join()


@each_way
def test_a_watched_folder_that_is_deleted_ends_it_with_one_line(
    folder: Path, stop: threading.Event, polling: bool
) -> None:
    song = folder / "deep" / "song.wav"
    with watching(folder, polling=polling) as watcher:
        changes = watcher.changes(stop)
        assert collect_until(changes, write(song)) == [song]
        shutil.rmtree(folder)
        with pytest.raises(PlanError, match="in is gone"):
            next(changes)


def test_an_input_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="no file or folder"), watching(tmp_path / "nothing"):
        pass


PROGRAM = """
import sys, threading
from pathlib import Path
from stemkit.batch.watch import Watcher
folder, song = Path(sys.argv[1]), Path(sys.argv[2])
with Watcher([folder], folder / "out", 0.2) as watcher:
    song.write_bytes(b"RIFF")
    print(*next(watcher.changes(threading.Event())))
"""


@pytest.mark.parametrize(("limit", "value"), [("watches", 3), ("instances", 0)])
def test_where_the_system_has_no_room_for_watches_all_is_looked_through(
    folder: Path, limit: str, value: int
) -> None:
    setting = f"echo {value} > /proc/sys/user/max_inotify_{limit}"
    alone = ["unshare", "--user", "--map-root-user", "sh", "-c", f'{setting} && exec "$@"', "sh"]
    if not shutil.which("unshare") or subprocess.run([*alone, "true"], check=False).returncode:
        pytest.skip("limits for one process alone need a Linux with user namespaces")
    for at in range(8):
        (folder / str(at) / "deep").mkdir(parents=True)
    song = str(folder / "7" / "deep" / "song.wav")
    command = [*alone, sys.executable, "-c", PROGRAM, str(folder), song]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    assert (ran.returncode, ran.stdout.strip()) == (0, song)
    assert ran.stderr.count("again and again") == len(ran.stderr.splitlines()) == 1
