"""One odd file or folder never hides the rest of a library, and each song comes once."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stemkit.batch.driving import drive
from stemkit.batch.find import Findings, find_audio
from stemkit.batch.jobs import Job

NOBODY = 65534
WAV = b"RIFF\x24\0\0\0WAVEfmt "


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Return a library that holds one song, last of all in sorted order."""
    write_song(tmp_path / "library" / "z" / "song.wav")
    return tmp_path / "library"


def write_song(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(WAV)
    return path


def find(*inputs: Path) -> Findings:
    return find_audio(inputs, inputs[0].parent / "out")


def songs(findings: Findings, library: Path) -> list[str]:
    return [Path(str(found.path)).relative_to(library).as_posix() for found in findings.audio]


def test_a_link_to_a_file_is_followed_and_its_song_comes_once(library: Path) -> None:
    elsewhere = write_song(library.parent / "elsewhere" / "other.wav")
    (library / "a.wav").symlink_to(elsewhere)
    (library / "b.wav").symlink_to(elsewhere)
    (library / "c.wav").symlink_to("z/song.wav")
    assert songs(find(library), library) == ["z/song.wav", "a.wav"]


def test_hard_links_are_one_song(library: Path) -> None:
    (library / "z" / "again.wav").hardlink_to(library / "z" / "song.wav")
    assert songs(find(library), library) == ["z/again.wav"]


def test_a_link_to_an_album_is_followed_and_names_it(library: Path) -> None:
    write_song(library.parent / "elsewhere" / "cd 1" / "01.wav")
    (library / "album").symlink_to(library.parent / "elsewhere")
    assert songs(find(library), library) == ["z/song.wav", "album/cd 1/01.wav"]
    assert find(library).audio[1].folder == Path("album/cd 1")


def test_an_input_may_be_a_link_itself(library: Path) -> None:
    (library.parent / "link").symlink_to(library)
    findings = find(library.parent / "link")
    assert songs(findings, library.parent / "link") == ["z/song.wav"]


def test_circles_of_links_end(library: Path) -> None:
    (library / "itself").symlink_to(".")
    (library / "parent").symlink_to("..")
    (library / "z" / "up").symlink_to(library)
    for one, other in (("a", "b"), ("b", "a")):
        (library / one).mkdir()
        write_song(library / one / f"{one}.wav")
        (library / one / "other").symlink_to(library / other)
    findings = find(library)
    assert songs(findings, library) == ["a/a.wav", "b/b.wav", "z/song.wav"]
    assert findings.faults == []


def test_a_link_does_not_lead_into_the_output_folder(library: Path) -> None:
    write_song(library.parent / "out" / "song" / "vocals.wav")
    (library / "stems").symlink_to(library.parent / "out")
    assert songs(find(library), library) == ["z/song.wav"]


@pytest.mark.parametrize("is_link", [False, True], ids=["folder", "link"])
def test_stems_of_another_run_are_found_only_when_its_folder_is_given(
    library: Path, is_link: bool
) -> None:
    stems = library / "stems"
    folder = library.parent / "elsewhere" if is_link else stems
    targets = {"vocals": "song/vocals.wav", "accompaniment": "song/accompaniment.wav"}
    for name in (*targets.values(), "song/original.wav", "another.wav"):
        write_song(folder / name)
    if is_link:
        stems.symlink_to(folder)
    with drive(folder) as ledger:
        ledger.expect([Job(library / "z" / "song.wav", folder, targets)], "")
    findings = find(library)
    assert sorted(songs(findings, library)) == ["stems/another.wav", "z/song.wav"]
    assert (findings.left_out, findings.other, findings.faults) == ([stems], [], [])
    findings = find(library, stems)
    assert len(findings.audio) == 5
    assert findings.left_out == find(stems).left_out == []


def test_a_ledger_that_can_not_be_read_hides_no_songs(library: Path) -> None:
    write_song(library / "z" / "song" / "vocals.wav")
    (library / "z" / ".stemkit").mkdir()
    (library / "z" / ".stemkit" / "ledger.sqlite").write_text("of a newer stemkit")
    findings = find(library)
    assert songs(findings, library) == ["z/song.wav", "z/song/vocals.wav"]
    assert findings.left_out == []


def test_a_folder_is_no_output_folder_for_a_hidden_folder_in_it(library: Path) -> None:
    (library / "z" / ".stemkit").mkdir()
    assert songs(find(library), library) == ["z/song.wav"]


@pytest.mark.parametrize("target", ["nowhere.wav", "broken.wav", "x" * 300, "z/song.wav/below"])
def test_a_link_that_leads_nowhere_is_a_fault_of_its_own(library: Path, target: str) -> None:
    (library / "broken.wav").symlink_to(target)  # gone, itself, too long, below a file
    findings = find(library)
    assert songs(findings, library) == ["z/song.wav"]
    assert [fault.path for fault in findings.faults] == [library / "broken.wav"]


@pytest.fixture
def unprivileged(library: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in the library as one for whom permissions count, also where tests run as root."""
    monkeypatch.chdir(library)  # what is above it may be closed to others
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    yield Path()
    if is_root:
        os.seteuid(0)


@pytest.fixture(params=[0o000, 0o311, 0o444], ids=["closed", "no list", "no entry"])
def locked(library: Path, request: pytest.FixtureRequest) -> Iterator[int]:
    """Make a folder with a song that may not be listed, or entered, and return its mode."""
    write_song(library / "locked" / "secret.wav")
    (library / "way in.wav").symlink_to("locked/secret.wav")
    (library / "locked").chmod(request.param)
    yield request.param
    (library / "locked").chmod(0o700)


def test_what_may_not_be_read_is_a_fault_of_its_own(locked: int, unprivileged: Path) -> None:
    findings = find_audio([unprivileged], Path("../out"))
    entered = locked == 0o311
    assert songs(findings, Path()) == ["z/song.wav", *(["way in.wav"] if entered else [])]
    faults = {Path("locked/secret.wav") if locked == 0o444 else Path("locked")}
    faults |= set() if entered else {Path("way in.wav")}
    assert {fault.path for fault in findings.faults} == faults


def test_pipes_and_sockets_are_not_waited_for(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(library / "pipe.wav")
    monkeypatch.chdir(library)  # the name of a socket is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.wav")
        findings = find(library)
    assert songs(findings, library) == ["z/song.wav"]
    assert [path.name for path in findings.other] == ["pipe.wav", "socket.wav"]


def test_a_pipe_that_is_an_input_does_not_hide_the_others(library: Path) -> None:
    os.mkfifo(library.parent / "pipe.wav")
    findings = find(library, library.parent / "pipe.wav")
    assert songs(findings, library) == ["z/song.wav"]
    assert findings.other == [library.parent / "pipe.wav"]


@pytest.mark.parametrize("name", [b"\xff\xfe.wav", b"a\nb.wav", b" .wav", b"-o.wav", b"%s{x}.wav"])
def test_any_name_is_a_name(library: Path, name: bytes) -> None:
    song = write_song(Path(os.fsdecode(os.fsencode(library) + b"/" + name)))
    assert song in [found.path for found in find(library).audio]


@pytest.mark.slow
def test_folders_may_be_very_deep(library: Path) -> None:
    deep = library
    for _ in range(1500):  # more than functions may call each other
        deep /= "d"
        deep.mkdir()
    song = write_song(deep / "song.wav")
    assert len(find(library).audio) == 2
    song.unlink()
    while deep != library:  # whoever removes it later may not be so patient
        deep.rmdir()
        deep = deep.parent


def test_what_is_too_deep_to_have_a_name_is_a_fault(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(library)
    for _ in range(20):  # 20 * 250 bytes are more than a path may have
        Path("d" * 249).mkdir()
        monkeypatch.chdir("d" * 249)
    findings = find(library)
    assert songs(findings, library) == ["z/song.wav"]
    assert len(findings.faults) == 1


@pytest.mark.parametrize(
    "name", [".git", ".Trash-1000", ".stemkit", "@eaDir", "__MACOSX", "$RECYCLE.BIN", "#recycle"]
)
@pytest.mark.parametrize("is_link", [False, True], ids=["folder", "link"])
def test_folders_of_the_system_are_searched_only_when_they_are_given(
    library: Path, name: str, is_link: bool
) -> None:
    folder = library.parent / "real" if is_link else library / name
    write_song(folder / "deleted.wav")
    if is_link:
        (library / name).symlink_to(folder)
    findings = find(library)
    assert songs(findings, library) == ["z/song.wav"]
    assert findings.other == [library / name]
    assert songs(find(library / name), library) == [f"{name}/deleted.wav"]


def test_titles_may_begin_with_dots(library: Path) -> None:
    write_song(library / "...And Justice for All" / "...One.wav")
    assert songs(find(library), library) == ["...And Justice for All/...One.wav", "z/song.wav"]


@pytest.mark.parametrize(
    "name", ["song.wav.part", "song.wav.crdownload", ".stemkit-1-ab.partial", ".song.wav.Xq3"]
)
def test_what_is_still_being_written_is_no_song(library: Path, name: str) -> None:
    write_song(library / name)
    findings = find(library)
    assert songs(findings, library) == ["z/song.wav"]
    assert findings.other == [library / name]


@pytest.mark.parametrize("arrange", [sorted, lambda paths: sorted(paths, reverse=True)])
def test_the_order_does_not_depend_on_when_files_were_made(
    tmp_path: Path, arrange: Callable[[list[str]], list[str]]
) -> None:
    expected = ["a.wav", "b/a.wav", "b/c/a.wav", "c/a.wav"]
    for name in arrange(expected):
        write_song(tmp_path / "in" / name)
    assert songs(find(tmp_path / "in"), tmp_path / "in") == expected
