"""Hand songs to other programs, as they are done and for those that were done before."""

from collections import deque
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from stemkit.batch.cleaning import remove_partials
from stemkit.batch.driving import drive
from stemkit.batch.find import identify_inode
from stemkit.batch.settings import restore_treatment
from stemkit.batch.treatment import Treatment
from stemkit.errors import OptionError, StemkitError
from stemkit.files import readable_name

if TYPE_CHECKING:
    from stemkit.batch.jobs import Job
    from stemkit.batch.ledger import Ledger
    from stemkit.handoff.kinds import Handoff
    from stemkit.handoff.write import HandedOff
    from stemkit.storage.places import Place
    from stemkit.tracks.find import Fault
    from stemkit.tracks.record import TrackRecord
    from stemkit.tracks.track import Track


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

    Nothing is tried again of those whose first stems are in `skip`. Those without a record are
    handed off as their files are, where they have no such project yet. Yields what
    `hand_off_folder` does, and nothing where there are no hand-offs or no folder. Raises
    LedgerError where another run writes to `output`.
    """
    if not handoffs or not isinstance(output, Path) or not output.is_dir():
        return
    from stemkit.handoff.folder import hand_off_folder

    with drive(output) as ledger:
        deque(remove_partials(output), maxlen=0)  # of projects that a killed run was making
        unrecorded = _find_unrecorded(ledger, output)
        yield from hand_off_folder(output, handoffs, missing_only=True, skip=skip, more=unrecorded)


def _find_unrecorded(ledger: "Ledger", output: Path) -> "Iterator[Track | Fault]":
    """Yield the tracks of songs that were done without a record, as far as their files go."""
    from stemkit.tracks.find import make_unrecorded
    from stemkit.tracks.track import Stem

    @cache
    def name_mix(fingerprint: str) -> str | None:
        preset = restore_treatment(ledger.find_settings(fingerprint)).preset
        return preset.mix.name if preset and preset.mix else None

    for entry in ledger.entries("done"):
        files = {one.stem: output / one.path for one in entry.outputs}
        has_record = ledger.find_record(entry.name) or identify_inode(output / entry.record_name)
        if (entry.record_name and has_record) or not any(map(identify_inode, files.values())):
            continue
        try:
            mix = name_mix(entry.fingerprint)
        except StemkitError as error:
            yield output / entry.name, f"has no record, so it isn't handed off: {error}"
            continue
        has_parts = files.keys() != {mix}
        stems = tuple(Stem(stem, files[stem], stem == mix and has_parts) for stem in files)
        yield make_unrecorded(readable_name(Path(entry.source).stem), stems)
