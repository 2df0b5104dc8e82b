"""Outputs of a song that was separated under another name: linked, or else copied."""

import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from stemkit.batch.handing import hand_off_job
from stemkit.batch.jobs import Job
from stemkit.batch.outcomes import Done, Failed, Written
from stemkit.batch.recording import record_twin, write_record
from stemkit.batch.treatment import Treatment
from stemkit.errors import EncodeError, StemkitError
from stemkit.files import hash_content, link_or_copy, replace_file
from stemkit.storage.listing import stat_place
from stemkit.storage.transfer import fetched, published
from stemkit.tracks.record import TrackRecord

if TYPE_CHECKING:
    from stemkit.storage.places import Place


def link_twin(job: Job, done: Done) -> Done | Failed:
    """Give `job`, whose input has the content of `done`'s, the same outputs.

    Hard links where the file system has them, copies elsewhere.
    """
    began = time.perf_counter()
    outputs: list[Written] = []
    try:
        stored = stat_place(job.source)
        with fetched(job.source) as source:
            if hash_content(source) != done.source.sha256:
                return Failed(job, f"{job.source.name!r} changed since it was planned; run again")
        targets = job.targets
        _refuse_folders(targets.values())
        for output in done.outputs:
            outputs.append(_link(output, targets[output.stem]))
    except (OSError, StemkitError) as error:
        fault = f"can't be linked to {done.job.source}: {error}"
        return Failed(job, fault, written=tuple(outputs))
    state = replace(done.source, size_bytes=stored.size_bytes, mtime_ns=stored.mtime_ns)
    seconds = time.perf_counter() - began
    return Done(job, state, tuple(outputs), done.audio_seconds, seconds, twin_of=done.job.source)


def describe_twin(done: Done, record: TrackRecord | None, treatment: Treatment) -> Done | Failed:
    """Return `done`, a twin, with its own record and projects, made of the other's `record`."""
    if record is None or treatment.provenance == "off" or not done.job.record_name:
        return done
    job, own = done.job, record_twin(done.job, record, treatment)
    try:
        if treatment.provenance == "run":
            return replace(done, record=own.model_dump_json())
        with published({"record": job.record}) as files:
            warnings = write_record(files["record"], own)
    except (OSError, StemkitError) as error:
        return Failed(job, str(error), written=done.outputs)
    if isinstance(job.source, Path):
        warnings += hand_off_job(job, job.source, own, treatment)
    return replace(done, warnings=tuple(warnings))


def _refuse_folders(targets: "Iterable[Place]") -> None:
    """Raise EncodeError for a folder where a file is to be, before any file takes its name."""
    for target in targets:
        if isinstance(target, Path) and target.is_dir():
            raise EncodeError(f"{target} is a folder; move it away")


def _link(output: Written, target: "Place") -> Written:
    with fetched(output.path) as source:
        if hash_content(source) != output.sha256:
            raise EncodeError(f"{output.path} isn't what was written any more; run again")
        with published({output.stem: target}) as files:
            replace_file(files[output.stem], lambda temporary: link_or_copy(source, temporary))
    return replace(output, path=target)
