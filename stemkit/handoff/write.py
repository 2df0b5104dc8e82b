"""Hand a track to other programs, whichever are asked for."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from stemkit.errors import describe_error
from stemkit.handoff.ardour import name_session, write_ardour_session
from stemkit.handoff.audacity import write_audacity
from stemkit.handoff.bwf import list_copies, write_bwf
from stemkit.handoff.dawproject import write_dawproject
from stemkit.handoff.kinds import Handoff
from stemkit.handoff.ni_stems import write_ni_stems
from stemkit.handoff.notes import Notes, hash_track
from stemkit.handoff.original import add_original
from stemkit.handoff.reaper import write_reaper_project
from stemkit.tracks.track import Track

_WITH_ORIGINAL = ("reaper", "ardour", "dawproject", "ni-stems")


@dataclass(frozen=True)
class HandedOff:
    """What was made of a track, and what could not be made, a line each.

    `track` has the original that it may have got.
    """

    track: Track
    paths: list[Path] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def hand_off(track: Track, handoffs: Sequence[Handoff], source: Path | None = None) -> HandedOff:
    """Make the files of each hand-off beside a track's stems.

    `source` is where the song itself is, by default where the record says. What can't be made is
    told, whatever the reason, and the rest is made all the same. A file that is there and that no
    hand-off wrote, or that was edited since, stays.
    """
    notes, made_of = Notes.read(track), hash_track(track)
    done = HandedOff(track)
    if any(handoff in _WITH_ORIGINAL for handoff in handoffs):
        try:
            done = HandedOff(add_original(track, notes, made_of, source))
        except Exception as error:
            without = replace(track, original=None)
            done = HandedOff(without, faults=[_one_line(error)])
    for handoff in handoffs:
        try:
            done.paths.extend(_make(handoff, done.track, notes, made_of))
        except Exception as error:
            done.faults.append(f"{handoff}: {_one_line(error)}")
    return done


def find_missing(track: Track, handoffs: Sequence[Handoff]) -> tuple[Handoff, ...]:
    """Return those of `handoffs` whose files aren't there, or were made of other stems.

    Without a record nobody can tell what they were made of: they may know more than the stems say.
    """
    notes, made_of = Notes.read(track), hash_track(track)
    return tuple(
        handoff
        for handoff in handoffs
        if not all(
            notes.is_current(path, made_of) if track.record else os.path.lexists(path)
            for path in _list_files(handoff, track)
        )
    )


def _make(handoff: Handoff, track: Track, notes: Notes, made_of: str) -> list[Path]:
    makers: dict[Handoff, Callable[[Track], Path | list[Path]]] = {
        "reaper": write_reaper_project,
        "ardour": write_ardour_session,
        "dawproject": write_dawproject,
        "audacity": write_audacity,
        "bwf": write_bwf,
        "ni-stems": write_ni_stems,
    }
    notes.begin(_list_files(handoff, track))
    made = makers[handoff](track)
    paths = [made] if isinstance(made, Path) else made
    for path in paths:
        notes.add(path, made_of)
    return paths


def _list_files(handoff: Handoff, track: Track) -> list[Path]:
    """Return the files that tell whether a hand-off was made."""
    if handoff == "bwf":
        return list_copies(track)
    folder, project = track.folder, track.project
    session = name_session(project)
    files: dict[Handoff, list[Path]] = {
        "reaper": [folder / f"{project}.rpp"],
        "ardour": [folder / session / f"{session}.ardour"],
        "dawproject": [folder / f"{project}.dawproject"],
        "audacity": [folder / f"{project}.lof"],
        "ni-stems": [folder / f"{project}.stem.mp4"],
    }
    if track.markers:
        files["audacity"].append(folder / f"{project} labels.txt")
    return files[handoff]


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return describe_error(error)
