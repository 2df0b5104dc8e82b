"""Tracks below a folder: by the records that stemkit left there, or else by the looks of them."""

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from stemkit.audio.info import AudioInfo
from stemkit.audio.probe import probe_audio
from stemkit.audio.sniff import claims_audio
from stemkit.errors import AudioError, RecordError
from stemkit.tracks.names import ORIGINAL, RUN_RECORD, name_original
from stemkit.tracks.record import RunRecord, TrackRecord, read_record
from stemkit.tracks.track import Stem, Track

_ORIGINAL = re.compile(rf"\b{ORIGINAL}\b")

Fault = tuple[Path, str]
"""A file or folder that can't be used, and why, in a line."""


def find_tracks(
    folder: Path, *, guess: bool = True, follow_links: bool = False
) -> Iterator[Track | Fault]:
    """Yield the tracks below `folder` by their folders' names, and what can't be used.

    Each record is a track. Where no stems of those are, and not below, two or more audio files of
    one length, rate and number of channels in a folder are the stems of a track, unless `guess` is
    false; these come last. The folders are those of `walk_folders`.
    """
    shared = _read_shared(folder)
    taken: set[Path] = set()  # the folders that tracks are in
    seen: dict[tuple[Path, str], int] = {}
    stems: set[Path] = set()
    unknown: list[tuple[Path, list[str]]] = []
    for place, names in walk_folders(folder, follow_links=follow_links):
        if shared and place == folder:  # it was read above
            names.remove(RUN_RECORD)
        own = shared.get(place, [])
        found = list(_find_recorded(folder, place, names, own, follow_links=follow_links))
        for track in found:
            if not isinstance(track, Track):
                taken.add(place)
                yield track
            elif track.stems[0].path not in stems:  # a run's record may name it too
                stems.add(track.stems[0].path)
                taken |= {place, track.folder, *(stem.path.parent for stem in track.stems)}
                yield _make_unique(track, seen)
        if not found:
            unknown.append((place, names))
    for place, names in unknown if guess else ():
        if taken.isdisjoint((place, *place.parents)):
            found = list(_guess_track(place, names))
            taken |= {place} if found else set()
            yield from found


def walk_folders(folder: Path, *, follow_links: bool) -> Iterator[tuple[Path, list[str]]]:
    """Yield each folder that isn't hidden and the names of what isn't a folder in it, sorted.

    With `follow_links` linked ones too; a folder that is linked twice, or in a circle, comes once.
    """
    seen: set[str] = set()
    for top, folders, names in os.walk(folder, followlinks=follow_links):
        real = os.path.realpath(top) if follow_links else top
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield Path(top), sorted(names)


def _make_unique(track: Track, seen: dict[tuple[Path, str], int]) -> Track:
    """Return a track whose project has a name that no other of its folder has."""
    key = track.folder, track.project.casefold()
    seen[key] = seen.get(key, 0) + 1
    if seen[key] == 1:
        return track
    return replace(track, project=f"{track.project} {seen[key]}")


def _read_shared(folder: Path) -> dict[Path, list[tuple[Path, TrackRecord]]]:
    """Return the records of a run's one file, by the folder that each track's first stem is in."""
    path = folder / RUN_RECORD
    found: dict[Path, list[tuple[Path, TrackRecord]]] = {}
    if not path.is_file():
        return found
    try:
        run = read_record(path)
    except RecordError:  # told when its folder is looked at
        return found
    for record in run.tracks if isinstance(run, RunRecord) else ():
        first = folder / record.stems[0].file if record.stems else folder
        found.setdefault(first.parent, []).append((folder, record))
    return found


def _find_recorded(
    root: Path,
    folder: Path,
    names: list[str],
    shared: list[tuple[Path, TrackRecord]],
    *,
    follow_links: bool,
) -> Iterator[Track | Fault]:
    records = list(shared)
    for name in names:
        if not name.endswith(".json") or name.startswith(".") or not (folder / name).is_file():
            continue
        try:
            record = read_record(folder / name)
        except RecordError as error:
            yield folder / name, str(error)
            continue
        if isinstance(record, TrackRecord):
            records.append((folder, record))
    files = {_plain(base / one.file) for base, record in records for one in record.stems}
    for base, record in records:
        track = make_track(root, base, record, files, follow_links=follow_links)
        yield track
        if isinstance(track, Track):
            present = {stem.path for stem in track.stems}
            for path in (_plain(base / one.file) for one in record.stems):
                if path not in present:
                    yield path, f"isn't there any more, a stem of {record.name!r}"


def make_track(
    root: Path,
    base: Path,
    record: TrackRecord,
    taken: Collection[Path] = (),
    *,
    follow_links: bool = False,
) -> Track | Fault:
    """Return the track of a record whose files are relative to the folder `base`.

    None of them may be outside of `root`, unless by a link with `follow_links`; the original is
    none of the files `taken`.
    """
    is_inside = _is_named_inside if follow_links else _is_inside
    outside = [one.file for one in record.stems if not is_inside(base / one.file, root)]
    if outside:
        return base, f"the record of {record.name!r} names {outside[0]!r}, outside of {root}"
    present = [one for one in record.stems if _is_file(base / one.file)]
    if not present:
        lost = any("\ufffd" in one.file for one in record.stems)
        why = "have a name that no record can hold" if lost else "aren't there any more"
        return base, f"the stems of {record.name!r} {why}"
    first = _plain(base / present[0].file)
    has_parts = not all(one.is_mix for one in present)
    return Track(
        record.name,
        first.parent,
        _name_project(first.stem, present[0].stem, record.name),
        tuple(Stem(one.stem, _plain(base / one.file), one.is_mix and has_parts) for one in present),
        present[0].sample_rate,
        max(one.channels for one in present),
        max(one.frames for one in present),
        _find_original(first, present[0].stem, taken),
        record,
    )


def _name_project(file: str, stem: str, track: str) -> str:
    """Return what a stem's file is called without the stem: "song" for "song (vocals)".

    Where nothing is left but a number, the track has a folder of its own, and its name will do.
    """
    found = list(re.finditer(rf"[\s._(\[-]*{re.escape(stem)}[)\]]*", file))
    rest = f"{file[: found[-1].start()]}{file[found[-1].end() :]}".strip() if found else file
    return track if not rest or rest.isdigit() else rest


def _find_original(first: Path, stem: str, taken: Collection[Path]) -> Path | None:
    path = name_original(first, stem)
    return path if _is_file(path) and path not in taken else None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long
        return False


def _plain(path: Path) -> Path:
    """Return a path without the '..' in it."""
    return Path(os.path.normpath(path))


def _is_inside(path: Path, root: Path) -> bool:
    return path.resolve().is_relative_to(root.resolve())


def _is_named_inside(path: Path, root: Path) -> bool:
    return _plain(path.absolute()).is_relative_to(_plain(root.absolute()))


def _guess_track(folder: Path, names: list[str]) -> Iterator[Track]:
    files: list[AudioInfo] = []
    for name in names:
        is_audio = claims_audio(Path(name)) and not name.startswith(".")
        if is_audio and (folder / name).is_file():
            try:
                files.append(probe_audio(folder / name))
            except AudioError:
                continue
    shapes = {(one.sample_rate, one.channels, one.frames) for one in files}
    if len(files) < 2 or len(shapes) != 1 or files[0].frames is None:
        return
    originals = [one.path for one in files if _ORIGINAL.search(one.path.stem)]
    stems = tuple(Stem(one.path.stem, one.path) for one in files if one.path not in originals)
    if not stems:
        return
    first, name = files[0], folder.resolve().name
    track = Track(name, folder, name, stems, first.sample_rate, first.channels, files[0].frames)
    yield replace(track, original=originals[0] if len(originals) == 1 else None)


def make_unrecorded(name: str, stems: tuple[Stem, ...]) -> Track | Fault:
    """Return the track of stems that have no record, of which nothing is known but their files."""
    first, folder = stems[0], stems[0].path.parent
    try:
        files = [probe_audio(stem.path) for stem in stems]
    except AudioError as error:
        return folder, f"{name!r} has no record, so it isn't handed off: {error}"
    shape = {(one.sample_rate, one.channels, one.frames or 0) for one in files}
    rate, channels, frames = shape.pop()
    if shape or not frames:
        return folder, f"{name!r} has no record and no stems of one length, so it isn't handed off"
    project = _name_project(first.path.stem, first.name, name)
    original = _find_original(first.path, first.name, [stem.path for stem in stems])
    return Track(name, folder, project, stems, rate, channels, frames, original)
