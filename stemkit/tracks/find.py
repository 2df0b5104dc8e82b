"""Tracks below a folder: by the records that stemkit left there, or else by the looks of them."""

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from stemkit.audio.info import AudioInfo
from stemkit.audio.probe import probe_audio
from stemkit.audio.sniff import claims_audio
from stemkit.errors import AudioError, RecordError
from stemkit.tracks.record import RUN_RECORD, RunRecord, StemRecord, TrackRecord, read_record
from stemkit.tracks.track import ORIGINAL, Stem, Track

Fault = tuple[Path, str]
"""A file or folder that can't be used, and why, in a line."""


def find_tracks(folder: Path) -> Iterator[Track | Fault]:
    """Yield the tracks below `folder`, in the order of their names, and what can't be used.

    Each record is a track. In a folder without one, two or more audio files of one length, rate
    and number of channels are the stems of a track, unless a track is above it: then they belong to
    a project. Hidden folders and links are not followed.
    """
    shared = _read_shared(folder)
    with_tracks: set[Path] = set()
    for top, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        place = Path(top)
        found = list(_find_recorded(place, sorted(names), shared.get(place, [])))
        if not found and with_tracks.isdisjoint(place.parents):
            found = list(_guess_track(place, sorted(names)))
        if found:
            with_tracks.add(place)
        yield from found


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
    folder: Path, names: list[str], shared: list[tuple[Path, TrackRecord]]
) -> Iterator[Track | Fault]:
    records = list(shared)
    for name in names:
        if not name.endswith(".json") or name.startswith("."):
            continue
        try:
            record = read_record(folder / name)
        except RecordError as error:
            yield folder / name, str(error)
            continue
        if isinstance(record, TrackRecord):
            records.append((folder, record))
    for base, record in records:
        yield make_track(base, record)


def make_track(base: Path, record: TrackRecord) -> Track | Fault:
    """Return the track of a record whose files are relative to the folder `base`."""
    present = [one for one in record.stems if (base / one.file).is_file()]
    if not present:
        return base, f"the stems of {record.name!r} aren't there any more"
    first = base / present[0].file
    return Track(
        record.name,
        first.parent,
        _name_project(first.stem, present[0].stem, record.name),
        tuple(Stem(one.stem, base / one.file) for one in present),
        present[0].sample_rate,
        max(one.channels for one in present),
        max(one.frames for one in present),
        _find_original(first, present[0]),
        record,
    )


def _name_project(file: str, stem: str, track: str) -> str:
    """Return what a stem's file is called without the stem: "song" for "song (vocals)".

    Where nothing is left but a number, the track has a folder of its own, and its name will do.
    """
    rest = re.sub(rf"[\s._(\[-]*{re.escape(stem)}[)\]]*", "", file).strip()
    return track if not rest or rest.isdigit() else rest


def name_original(first: Path, stem: str) -> Path:
    """Return the file of the song itself beside the stem `stem`, whose file is `first`."""
    head, mark, tail = first.stem.rpartition(stem)
    name = f"{head}{ORIGINAL}{tail}" if mark else f"{first.stem} {ORIGINAL}"
    return first.with_name(f"{name}.wav")


def _find_original(first: Path, stem: StemRecord) -> Path | None:
    path = name_original(first, stem.stem)
    return path if path.is_file() else None


def _guess_track(folder: Path, names: list[str]) -> Iterator[Track]:
    files: list[AudioInfo] = []
    for name in names:
        if claims_audio(Path(name)) and not name.startswith("."):
            try:
                files.append(probe_audio(folder / name))
            except AudioError:
                continue
    shapes = {(one.sample_rate, one.channels, one.frames) for one in files}
    if len(files) < 2 or len(shapes) != 1 or files[0].frames is None:
        return
    stems = tuple(Stem(one.path.stem, one.path) for one in files if one.path.stem != ORIGINAL)
    first, name = files[0], folder.resolve().name
    track = Track(name, folder, name, stems, first.sample_rate, first.channels, files[0].frames)
    original = next((one.path for one in files if one.path.stem == ORIGINAL), None)
    yield replace(track, original=original)
