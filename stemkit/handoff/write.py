"""Hand a track to other programs, whichever are asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stemkit.errors import StemkitError
from stemkit.handoff.ardour import name_session, write_ardour_session
from stemkit.handoff.audacity import write_audacity
from stemkit.handoff.bwf import write_bwf
from stemkit.handoff.dawproject import write_dawproject
from stemkit.handoff.kinds import Handoff
from stemkit.handoff.ni_stems import write_ni_stems
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
    told, and the rest is made all the same.
    """
    faults = []
    if any(handoff in _WITH_ORIGINAL for handoff in handoffs):
        try:
            track = add_original(track, source)
        except (StemkitError, OSError) as error:
            faults.append(_one_line(error))
    done = HandedOff(track, faults=faults)
    for handoff in handoffs:
        try:
            done.paths.extend(_make(handoff, track))
        except (StemkitError, OSError) as error:
            done.faults.append(f"{handoff}: {_one_line(error)}")
    return done


def find_missing(track: Track, handoffs: Sequence[Handoff]) -> tuple[Handoff, ...]:
    """Return those of `handoffs` whose files aren't beside a track's stems yet."""
    names: dict[Handoff, str] = {
        "reaper": f"{track.project}.rpp",
        "ardour": name_session(track.project),
        "dawproject": f"{track.project}.dawproject",
        "audacity": f"{track.project}.lof",
        "ni-stems": f"{track.project}.stem.mp4",
    }
    return tuple(
        handoff
        for handoff in handoffs
        if handoff in names and not (track.folder / names[handoff]).exists()
    )


def _make(handoff: Handoff, track: Track) -> list[Path]:
    makers: dict[Handoff, Callable[[Track], Path]] = {
        "reaper": write_reaper_project,
        "ardour": write_ardour_session,
        "dawproject": write_dawproject,
        "ni-stems": write_ni_stems,
    }
    if handoff == "audacity":
        return write_audacity(track)
    if handoff == "bwf":
        return write_bwf(track)
    return [makers[handoff](track)]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
