"""Hand songs to other programs, as they are done and for those that were done before."""

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stemkit.batch.cleaning import remove_partials
from stemkit.batch.driving import drive
from stemkit.batch.treatment import Treatment
from stemkit.errors import OptionError

if TYPE_CHECKING:
    from stemkit.batch.jobs import Job
    from stemkit.handoff.kinds import Handoff
    from stemkit.handoff.write import HandedOff
    from stemkit.storage.places import Place
    from stemkit.tracks.record import TrackRecord


def check_handoffs(treatment: Treatment, output: "Place") -> None:
    """Raise OptionError for hand-offs that can't be made of this treatment's outputs."""
    handoffs = treatment.handoffs
    if handoffs and not isinstance(output, Path):
        raise OptionError(f"projects are made in folders of this machine, not in {output}")
    if "bwf" not in handoffs:
        return
    if treatment.output_format.container != "wav":
        raise OptionError("Broadcast Wave is wav; leave out --format, or bwf")
    if not treatment.keep_tags:
        raise OptionError(
            "Broadcast Wave files say where they come from; leave out --no-tags, or bwf"
        )


def hand_off_job(
    job: "Job", source: Path, record: "TrackRecord | None", treatment: Treatment
) -> Sequence[str]:
    """Make the projects of a song that is done; return what could not be made, a line each.

    `source` is the song as a file of this machine.
    """
    if not treatment.handoffs or record is None or not isinstance(job.output, Path):
        return ()
    from stemkit.handoff.write import hand_off
    from stemkit.tracks.find import make_track
    from stemkit.tracks.track import Track

    record_folder = (job.output / job.record_name).parent
    base = record_folder if treatment.provenance == "track" else job.output
    files = {Path(job.output, name) for name in job.target_names.values()}
    track = make_track(job.output, base, record, files)
    if not isinstance(track, Track):
        return [track[1]]
    return hand_off(track, treatment.handoffs, source).faults


def complete_handoffs(
    output: "Place", handoffs: "Sequence[Handoff]", skip: frozenset[Path]
) -> "Iterator[tuple[Path, HandedOff | str]]":
    """Make the projects that songs which were done before lack, and those of all songs together.

    Nothing is tried again of those whose first stems are in `skip`. Yields what `hand_off_folder`
    does, and nothing where there are no hand-offs or no folder. Raises LedgerError where another
    run writes to `output`.
    """
    if not handoffs or not isinstance(output, Path) or not output.is_dir():
        return
    from stemkit.handoff.folder import hand_off_folder

    with drive(output):
        deque(remove_partials(output), maxlen=0)  # of projects that a killed run was making
        yield from hand_off_folder(output, handoffs, missing_only=True, skip=skip)
