"""Outputs of a song that was separated under another name: linked, or else copied."""

import os
import shutil
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from stemkit.batch.jobs import Job
from stemkit.batch.outcomes import Done, Failed, Written
from stemkit.errors import EncodeError, StemkitError
from stemkit.files import hash_content, replace_file
from stemkit.storage.listing import stat_place
from stemkit.storage.transfer import fetched, published

if TYPE_CHECKING:
    from stemkit.storage.places import Place


def link_twin(job: Job, done: Done) -> Done | Failed:
    """Give `job`, whose input has the content of `done`'s, the same outputs.

    Hard links where the file system has them, copies elsewhere.
    """
    began = time.perf_counter()
    try:
        stored = stat_place(job.source)
        with fetched(job.source) as source:
            if hash_content(source) != done.source.sha256:
                return Failed(job, f"{job.source.name!r} changed since it was planned; run again")
        targets = job.targets
        _refuse_folders(targets.values())
        outputs = tuple(_link(output, targets[output.stem]) for output in done.outputs)
    except (OSError, StemkitError) as error:
        return Failed(job, f"can't be linked to {done.job.source}: {error}")
    state = replace(done.source, size_bytes=stored.size_bytes, mtime_ns=stored.mtime_ns)
    seconds = time.perf_counter() - began
    return Done(job, state, outputs, done.audio_seconds, seconds, twin_of=done.job.source)


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
            replace_file(files[output.stem], lambda temporary: _link_or_copy(source, temporary))
    return replace(output, path=target)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)
