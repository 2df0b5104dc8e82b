"""Which files the inputs name, and which of them hold audio."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from stemkit.audio.sniff import claims_audio, identify
from stemkit.errors import LedgerError, NotAudioError, PlanError
from stemkit.files import read_time
from stemkit.storage.names import ledger_folder
from stemkit.tracks.names import name_original

if TYPE_CHECKING:
    from upath import UPath

    from stemkit.storage.places import Place

SKIPPED_FOLDERS = frozenset(("@eaDir", "__MACOSX", "$RECYCLE.BIN", "#recycle"))
"""Folders of systems and NAS boxes, never searched; nor is one that is hidden by a dot."""

PARTIAL_SUFFIXES = frozenset(
    (".part", ".partial", ".filepart", ".crdownload", ".opdownload", ".download", ".tmp")
)
"""What browsers and copying programs add to a name until the file is whole."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """An input file, the folder that it was found in, and the input's own name.

    `folder` is relative to the input that led here: "." for a file that was given itself.
    `identity` tells files apart, those of this machine whatever they are called.
    """

    path: "Place"
    folder: Path
    root_name: str
    size_bytes: int
    mtime_ns: int
    identity: tuple[int, int] | str


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that was named and can't be read, and why, in one line."""

    path: "Place"
    error: str


@dataclass(frozen=True, slots=True)
class OutputFolder:
    """A folder below an input that another run wrote to."""

    path: Path


@dataclass(frozen=True)
class Findings:
    """What the inputs led to: audio, what is none or was never searched, and what can't be read.

    Where `fresh` is given, only these files are to be done; the rest are there for their names.
    `left_out` are the output folders of other runs, whose stems are no songs.
    """

    audio: list[FoundFile]
    other: "list[Place]"
    faults: list[Fault]
    fresh: frozenset[Path] | None = None
    left_out: list[Path] = field(default_factory=list)

    def limit_to(self, fresh: frozenset[Path]) -> "Findings":
        """Return the same, of which only `fresh` is to be done or told of."""
        other = [path for path in self.other if path in fresh]
        faults = [fault for fault in self.faults if fault.path in fresh]
        return Findings(self.audio, other, faults, fresh)


def find_audio(
    inputs: "Iterable[Place]", output: "Place", listed: "Iterable[Place | Fault]" = ()
) -> Findings:
    """Return what the inputs, files and folders, lead to; each file once.

    Links are followed, those in a circle once. Where a file has several names, one without links
    counts. The output folder isn't searched, nor are hidden folders; stems that another run wrote
    below an input are left out, unless its output folder is an input itself. The files of a list
    keep the folders that they have there; one that can't be read is a fault. Files on this machine
    are told by their content, those of a store by their name. Raises PlanError for an input that
    doesn't exist or can't be read.
    """
    inputs = list(inputs)
    if len(inputs) == 1 and not listed and _is_same_folder(inputs[0], output):
        raise PlanError(
            f"{inputs[0]} is the output folder, which isn't searched; choose another --output"
        )
    findings = Findings([], [], [])
    asked = {identify_inode(one) for one in inputs if isinstance(one, Path)}
    left_out: set[Path] = set()
    seen: set[tuple[int, int] | str] = set()
    for found in chain((one for given in inputs for one in _find(given, output)), _look(listed)):
        match found:
            case FoundFile() if found.identity in seen or found.path in left_out:
                continue
            case FoundFile():
                seen.add(found.identity)
                _sort_in(found, findings)
            case Fault():
                findings.faults.append(found)
            case OutputFolder() if identify_inode(found.path) in asked:
                continue
            case OutputFolder():
                if written := _list_written(found.path):
                    left_out |= written
                    findings.left_out.append(found.path)
            case Path() if found in left_out:
                continue
            case _:
                findings.other.append(found)
    return findings


def _list_written(output: Path) -> set[Path]:
    """Return what a run wrote into its output folder, or was about to: stems, records, ledger.

    There is nothing where its ledger names no song or can't be read.
    """
    from stemkit.batch.driving import read  # which needs this module

    try:
        with read(output) as ledger:
            entries = list(ledger.entries()) if ledger else []
    except LedgerError:  # perhaps of a newer stemkit
        return set()
    files = {ledger_folder(output)} if entries else set()
    for entry in entries:
        files |= {output / name for name in (*entry.targets.values(), entry.record_name)}
        files |= {name_original(output / entry.name, stem) for stem in islice(entry.targets, 1)}
    return files


def _is_same_folder(one: "Place", other: "Place") -> bool:
    if not isinstance(one, Path) or not isinstance(other, Path):
        return False
    identity = identify_inode(one)
    return identity is not None and identity == identify_inode(other)


def _look(listed: "Iterable[Place | Fault]") -> Iterator[FoundFile | Fault]:
    for path in listed:
        if isinstance(path, Fault):
            yield path
        elif not isinstance(path, Path):
            yield _look_into_store(path)
        elif _leads_to_folder(path):
            yield Fault(path, "is a folder; list files, or give it as an input")
        else:
            yield _look_at(path, _as_relative(path.parent), path.parent.name)


def _as_relative(folder: Path) -> Path:
    """Return a folder without its root, and without any way up."""
    if ".." in folder.parts:
        folder = folder.resolve()
    return folder.relative_to(folder.anchor)


def _look_into_store(place: "UPath") -> FoundFile | Fault:
    from stemkit.storage.listing import stat_place

    folder = Path(_drop_protocol(place).parent)
    try:
        stored = stat_place(place)
    except PlanError as error:
        return Fault(place, str(error))
    name = place.parent.name
    return FoundFile(place, folder, name, stored.size_bytes, stored.mtime_ns, str(place))


def _drop_protocol(place: "Place") -> PurePosixPath:
    return PurePosixPath(str(place).partition("://")[2])


def _find_stored(given: "UPath", output: "Place") -> "Iterator[FoundFile | Place]":
    """Yield what a store holds below `given`, as it lists it."""
    from stemkit.storage.listing import list_files

    above = _drop_protocol(given)
    for stored in list_files(given):
        path = _drop_protocol(stored.place)
        folder = path.parent.relative_to(above) if path != above else PurePosixPath()
        if str(stored.place).startswith(f"{output}/"):
            continue
        if any(map(is_skipped, folder.parts)) or is_passing(path.name):
            yield stored.place
        else:
            root_name = above.name if path != above else above.parent.name
            size, mtime_ns = stored.size_bytes, stored.mtime_ns
            identity = str(stored.place)
            yield FoundFile(stored.place, Path(folder), root_name, size, mtime_ns, identity)


def _find(given: "Place", output: "Place") -> "Iterator[FoundFile | Fault | OutputFolder | Place]":
    if not isinstance(given, Path):
        yield from _find_stored(given, output)
        return
    try:
        is_there, is_folder = given.exists(), given.is_dir()
    except OSError as error:  # a name that is too long
        raise PlanError(f"can't read {given}: {error.strerror}") from error
    if is_folder:
        yield from _walk(given, output)
    elif is_there:
        yield _look_at(given, Path(), given.resolve().parent.name)
    else:
        raise PlanError(f"no file or folder {given}; check its name")


def _walk(root: Path, output: "Place") -> Iterator[FoundFile | Fault | OutputFolder | Path]:
    """Yield what is below `root`, folder by folder in sorted order, links last."""
    root_name = root.resolve().name
    links: list[Path] = []
    seen = {identify_inode(output)} - {None} if isinstance(output, Path) else set()
    yield from _walk_folder(root, Path(), root_name, seen, links)
    while links:
        link = links.pop(0)
        path = root / link
        if not _leads_to_folder(path):
            yield path if is_passing(link.name) else _look_at(path, link.parent, root_name)
        elif is_skipped(link.name):
            yield path
        else:
            yield from _walk_folder(root, link, root_name, seen, links)


def _leads_to_folder(link: Path) -> bool:
    try:
        return link.is_dir()
    except OSError:  # a name that is too long, or a folder on the way that may not be entered
        return False


def _walk_folder(
    root: Path, top: Path, root_name: str, seen: set[tuple[int, int] | None], links: list[Path]
) -> Iterator[FoundFile | Fault | OutputFolder | Path]:
    """Yield what is below `root / top`, and add the links there to `links`."""
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        inode = identify_inode(root / folder)
        if inode in seen:
            continue
        seen.add(inode)
        if folder != Path() and has_ledger(root / folder):
            yield OutputFolder(root / folder)
        try:
            with os.scandir(root / folder) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            if folder == Path():
                raise PlanError(f"can't read the folder {root}: {error.strerror}") from error
            yield Fault(root / folder, f"can't read this folder: {error.strerror}")
            continue
        below = []
        for entry in entries:
            path = folder / entry.name
            if entry.is_symlink():
                links.append(path)
            elif is_skipped(entry.name) if entry.is_dir() else is_passing(entry.name):
                yield root / path
            elif not entry.is_dir():
                yield _look_at(root / path, folder, root_name)
            else:
                below.append(path)
        waiting.extend(reversed(below))


def is_skipped(name: str) -> bool:
    """Return whether a folder of this name isn't searched."""
    return is_hidden(name) or name in SKIPPED_FOLDERS


def is_hidden(name: str) -> bool:
    """Return whether a name is one that systems hide, and no title such as "...And Justice"."""
    return name.startswith(".") and not name.startswith("..")


def is_passing(name: str) -> bool:
    """Return whether a file in a folder has a name that it keeps only until it is whole."""
    return is_hidden(name) or Path(name).suffix.lower() in PARTIAL_SUFFIXES


def _look_at(path: Path, folder: Path, root_name: str) -> FoundFile | Fault:
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return Fault(path, f"can't be read: {reason}")
    identity = (status.st_dev, status.st_ino)
    return FoundFile(path, folder, root_name, status.st_size, read_time(status), identity)


def identify_inode(path: Path) -> tuple[int, int] | None:
    """Return what tells a file on this machine apart, or None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino)


def has_ledger(output: "Place") -> bool:
    """Return whether stemkit has written to an output folder."""
    return identify_inode(ledger_folder(output) / "ledger.sqlite") is not None


def _sort_in(file: FoundFile, findings: Findings) -> None:
    if _is_audio(file.path):
        findings.audio.append(file)
    else:
        findings.other.append(file.path)


def _is_audio(path: "Place") -> bool:
    if not isinstance(path, Path):  # it would have to be fetched
        return claims_audio(Path(path.name))
    try:
        identify(path)
    except NotAudioError:
        return False
    except Exception:  # it may be, and whoever decodes it will tell what is wrong
        return True
    return True
