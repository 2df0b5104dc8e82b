"""Files are whole or not there."""

from pathlib import Path

import pytest

from stemkit.files import PARTIAL_PATTERN, partial_path, replace_file


@pytest.mark.parametrize("name", ["a", "n" * 255, "*?[a] %s", ".hidden"])
def test_a_file_appears_when_it_is_whole(tmp_path: Path, name: str) -> None:
    path = tmp_path / "new" / name

    def write(temporary: Path) -> None:
        assert not path.exists()
        temporary.write_text("half")
        assert set(path.parent.iterdir()) == set(path.parent.glob(PARTIAL_PATTERN))
        temporary.write_text("whole")

    replace_file(path, write)
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        replace_file(path, fail)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "old"


def test_no_two_names_are_the_same(tmp_path: Path) -> None:
    assert len({partial_path(tmp_path / "a") for _ in range(100)}) == 100


def test_the_pattern_finds_no_one_elses_files(tmp_path: Path) -> None:
    ours = partial_path(tmp_path / "a")
    for path in (ours, tmp_path / ".song.partial", tmp_path / "song.partial"):
        path.touch()
    assert list(tmp_path.glob(PARTIAL_PATTERN)) == [ours]
