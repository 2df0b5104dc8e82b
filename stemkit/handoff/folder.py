"""Hand all tracks below a folder to other programs."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from stemkit.errors import StemkitError
from stemkit.files import hash_content
from stemkit.handoff.kinds import Handoff
from stemkit.handoff.reaper import write_reaper_folder
from stemkit.handoff.write import HandedOff, find_missing, hand_off
from stemkit.tracks.find import find_tracks
from stemkit.tracks.track import Track


def hand_off_folder(
    folder: Path, handoffs: Sequence[Handoff], *, missing_only: bool = False
) -> Iterator[tuple[Path, HandedOff | str]]:
    """Make the files of each hand-off of each track below `folder`, or only what isn't there.

    Yields each track's folder and what was made there, and each file or folder that can't be used
    and why. Last comes REAPER's project of all tracks together, if that is among `handoffs` and
    isn't there as it is to be.
    """
    tracks = []
    for track in find_tracks(folder):
        if not isinstance(track, Track):
            yield track
            continue
        wanted = find_missing(track, handoffs) if missing_only else handoffs
        if wanted:
            done = hand_off(track, wanted)
            track = done.track
            yield track.folder, done
        if "reaper" in handoffs:
            tracks.append(track)
    if len(tracks) > 1 and (joined := _join(tracks, folder)):
        yield folder, joined


def _join(tracks: Sequence[Track], folder: Path) -> HandedOff | str | None:
    before = {path: hash_content(path) for path in folder.glob("*.rpp")}
    try:
        path = write_reaper_folder(tracks, folder)
        is_new = before.get(path) != hash_content(path)
    except (StemkitError, OSError) as error:
        return f"reaper: {error}"
    return HandedOff(tracks[0], [path]) if is_new else None
