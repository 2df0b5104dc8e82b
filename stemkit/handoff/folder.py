"""Hand all tracks below a folder to other programs."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from stemkit.errors import HandoffError, StemkitError
from stemkit.handoff.kinds import Handoff
from stemkit.handoff.notes import Notes, hash_text, hash_track
from stemkit.handoff.reaper import check_names, name_folder_project, write_reaper_folder
from stemkit.handoff.write import HandedOff, find_missing, hand_off
from stemkit.tracks.find import Fault, find_tracks
from stemkit.tracks.track import Track


def hand_off_folder(
    folder: Path,
    handoffs: Sequence[Handoff],
    *,
    missing_only: bool = False,
    skip: frozenset[Path] = frozenset(),
    more: Iterable[Track | Fault] = (),
) -> Iterator[tuple[Path, HandedOff | str]]:
    """Make the files of each hand-off of each track below `folder`.

    With `missing_only` only of tracks that have a record, and of `more`, what isn't there or was
    made of other stems; nothing of the tracks whose first stems are in `skip`.

    Yields each track's folder and what was made there, and each file or folder that can't be used
    and why. Last comes REAPER's project of all tracks together, if that is among `handoffs` and
    isn't there as it is to be.
    """
    tracks = []
    for track in chain(find_tracks(folder, guess=not missing_only), more):
        if not isinstance(track, Track):
            yield track
            continue
        wanted = handoffs
        if missing_only:
            is_done = track.stems[0].path in skip
            wanted = () if is_done else find_missing(track, handoffs)
        done = hand_off(track, wanted) if wanted else HandedOff(track)
        if wanted:
            yield track.folder, done
        if "reaper" in handoffs:
            tracks.append(done.track)
    if len(tracks) > 1:
        yield folder, _join(tracks, folder)


def _join(tracks: Sequence[Track], folder: Path) -> HandedOff:
    """Make the project of all tracks that it can name, unless it is there; an edited one stays."""
    done = HandedOff(tracks[0])
    named = []
    for track in tracks:
        try:
            check_names(track, folder)
            named.append(track)
        except HandoffError as error:
            done.faults.append(f"reaper: {error}")
    path = name_folder_project(named, folder)
    notes = Notes.read_named(folder, path.stem)
    made_of = hash_text("".join(map(hash_track, named)))
    try:
        if named and not notes.is_current(path, made_of):
            notes.begin([path])
            done.paths.append(write_reaper_folder(named, folder))
            notes.add(path, made_of)
    except (StemkitError, OSError) as error:
        done.faults.append(f"reaper: {error}")
    return done
