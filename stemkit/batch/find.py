"""Which files the inputs name, and which of them hold audio."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stemkit.audio.sniff import identify
from stemkit.errors import NotAudioError, PlanError


@dataclass(frozen=True)
class FoundFile:
    """An input file, the folder that it was found in, and the input's own name.

    `folder` is relative to the input that led here: "." for a file that was given itself.
    """

    path: Path
    folder: Path
    root_name: str


def find_files(inputs: list[Path], output: Path) -> Iterator[FoundFile]:
    """Yield each file that the inputs name, once, folders searched in sorted order.

    The output folder isn't searched. Raises PlanError for an input that doesn't exist.
    """
    seen: set[tuple[int, int]] = set()
    for given in inputs:
        for found in _walk(given, output):
            identity = _identify_inode(found.path)
            if identity is None or identity not in seen:
                yield found
            if identity is not None:
                seen.add(identity)


def split_audio(files: Iterator[FoundFile]) -> tuple[list[FoundFile], list[FoundFile]]:
    """Return the files that hold audio or claim to, and those that don't."""
    audio: list[FoundFile] = []
    other: list[FoundFile] = []
    for file in files:
        (audio if _is_audio(file.path) else other).append(file)
    return audio, other


def _walk(given: Path, output: Path) -> Iterator[FoundFile]:
    try:
        is_file, is_folder = given.is_file(), given.is_dir()
    except OSError as error:  # a name that is too long
        raise PlanError(f"can't read {given}: {error.strerror}") from error
    if is_file:
        yield FoundFile(given, Path(), given.resolve().parent.name)
        return
    if not is_folder:
        raise PlanError(f"no file or folder {given}; check its name")
    for top, folders, names in os.walk(given, onerror=_refuse):
        folder = Path(top)
        folders[:] = sorted(name for name in folders if not _is_same(folder / name, output))
        for name in sorted(names):
            yield FoundFile(folder / name, folder.relative_to(given), given.resolve().name)


def _refuse(error: OSError) -> None:
    raise PlanError(f"can't read the folder {error.filename}: {error.strerror}") from error


def _is_same(folder: Path, output: Path) -> bool:
    return folder.name == output.name and folder.resolve() == output.resolve()


def _identify_inode(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino)


def _is_audio(path: Path) -> bool:
    try:
        identify(path)
    except NotAudioError:
        return False
    except Exception:
        return True
    return True
