"""One job after another: read, separate, treat, write. This is what runs in every worker."""

import socket
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from stemkit.audio.decode import AudioReader
from stemkit.audio.info import AudioInfo
from stemkit.audio.levels import Level
from stemkit.audio.meter import Measured, Meter
from stemkit.audio.stems import StemOutput, StemsWriter
from stemkit.audio.tags.metadata import Metadata
from stemkit.audio.tags.read import read_metadata
from stemkit.batch.blas import one_thread
from stemkit.batch.cancel import Cancel
from stemkit.batch.handing import hand_off_job
from stemkit.batch.jobs import Job
from stemkit.batch.outcomes import (
    Done,
    Dropped,
    Failed,
    Outcome,
    Progress,
    SourceState,
    Tell,
    Written,
)
from stemkit.batch.recording import (
    Heard,
    describe_program,
    make_record,
    require_record,
    write_record,
)
from stemkit.batch.settings import Settings
from stemkit.batch.studio import Studio, open_studio
from stemkit.batch.treatment import Treatment
from stemkit.errors import (
    ClusterError,
    DecodeError,
    PlanError,
    StemkitError,
    TagsError,
    describe_error,
)
from stemkit.files import hash_content, readable_name
from stemkit.samples import Samples
from stemkit.storage.listing import StoredFile, stat_place
from stemkit.storage.names import ledger_folder
from stemkit.storage.transfer import fetched, published
from stemkit.tracks.record import TrackRecord

if TYPE_CHECKING:
    from stemkit.storage.places import Place

_RECORD = "/record"
"""What a job's record is called among its files; no stem is called so."""


@dataclass(frozen=True)
class Work:
    """What a worker is to know besides the job. Without `tell` it is plain data that travels.

    `workers` is how many jobs this process treats at once, and `shares_memory` that other processes
    of its machine may do so too. Without `settings` no records are made. `from_stream` is whether
    the song's file has a name that says nothing of it.
    """

    treatment: Treatment
    cancel: Cancel
    workers: int = 1
    tell: Tell | None = None
    settings: Settings | None = None
    shares_memory: bool = False
    from_stream: bool = False


def treat_job(work: Work, job: Job) -> Outcome:
    """Treat one song; the only place where a file's failure is kept from the rest.

    Raises ModelError, DeviceError and PresetError for a treatment that can't be made ready, and
    ClusterError on a machine that has other files.
    """
    if work.shares_memory:
        _require_output(job.output)
        with one_thread.hold():  # a process of its own: nobody else is hindered
            return _isolate(work, job)
    return _isolate(work, job)


def _isolate(work: Work, job: Job) -> Outcome:
    studio = open_studio(
        work.treatment, work.workers, work.settings, shares_memory=work.shares_memory
    )
    began = time.perf_counter()
    settled: list[Written] = []
    try:
        return _treat(work, job, studio, began, settled)
    except _StopError:
        return Dropped(job)
    except Exception as error:
        details = "" if isinstance(error, StemkitError) else traceback.format_exc()
        seconds = time.perf_counter() - began
        return Failed(job, describe_error(error), details, seconds, tuple(settled))


def _require_output(output: "Place") -> None:
    """Raise ClusterError for an output folder that isn't there, as on a machine of its own."""
    if isinstance(output, Path) and not ledger_folder(output).is_dir():
        raise ClusterError(
            f"{socket.gethostname()} doesn't see the output folder {output}; "
            "give all machines the same folders"
        )


class _StopError(Exception):
    """Raised in the middle of a song once the run is to stop."""


def _treat(work: Work, job: Job, studio: Studio, began: float, settled: list[Written]) -> Done:
    """Treat one song; `settled` gets the outputs that have their names, whatever comes after."""
    described: dict[str, Written] = {}

    def settle(stem: str) -> None:
        if stem in described:  # else it's the record
            settled.append(described[stem])

    if work.cancel.is_set():
        raise _StopError
    before = stat_place(job.source)
    with fetched(job.source) as source, published(_list_files(work, job), settle) as files:
        record_path = files.pop(_RECORD, None)
        if record_path is not None:  # before any work
            require_record(record_path, TrackRecord)
        state = SourceState(before.size_bytes, before.mtime_ns, _hash_source(source))
        with AudioReader(source) as reader, studio.borrow_renderer() as renderer:
            metadata, warnings = _read_metadata(work, reader.info)
            follower = _Follower(work, job, reader.info)
            rate, channels = reader.info.sample_rate, reader.info.channels
            outputs = studio.separate(follower.watch(reader.blocks()), rate, follower.check)
            levels = {}
            if renderer is not None:
                outputs = renderer.render(outputs, rate, channels)
                channels, levels = renderer.channels_out(channels), renderer.levels
            output_format, said = work.treatment.output_format, _label(work, job, metadata)
            with StemsWriter(files, rate, channels, output_format, levels, said) as writer:
                for blocks in outputs:
                    writer.write(blocks)
                _require_unchanged(job.source, before)
                written = writer.finish(follower.check)
        described |= {stem: _describe(output, job, levels) for stem, output in written.items()}
        every = tuple(described.values())
        settled += [one for one in every if isinstance(one.path, Path)]
        record = None
        if work.settings is not None:
            heard = Heard(reader.info, follower.frames, follower.finish(), metadata)
            record = make_record(
                job, state, heard, every, channels, work.treatment, work.settings, warnings
            )
            if record_path is not None:
                warnings += write_record(record_path, record)
            warnings += hand_off_job(job, source, record, work.treatment)
    kept = record.model_dump_json() if record and work.treatment.provenance == "run" else ""
    return Done(
        job, state, every, follower.seconds, time.perf_counter() - began,
        warnings=tuple(warnings), record=kept,
    )  # fmt: skip


def _list_files(work: Work, job: Job) -> "dict[str, Place]":
    """Return the files that a job makes, its record among them if it has one of its own."""
    if work.settings is None or work.treatment.provenance != "track" or not job.record_name:
        return job.targets
    return job.targets | {_RECORD: job.record}


def _read_metadata(work: Work, info: AudioInfo) -> tuple[Metadata, list[str]]:
    """Return what the song's file says, and what to warn of: a song isn't lost over it."""
    warnings = []
    if info.tracks > 1:
        warnings.append(f"has {info.tracks} audio tracks; one was read, the default or the first")
    try:
        return read_metadata(info), warnings
    except TagsError as error:
        return error.rest, warnings + ([str(error)] if work.treatment.keep_tags else [])


def _label(work: Work, job: Job, metadata: Metadata) -> dict[str, Metadata]:
    """Return what the file of each stem says."""
    if not work.treatment.keep_tags:
        return {}
    program = describe_program(work.treatment)
    if work.from_stream and not metadata.tags.title:
        return dict.fromkeys(job.target_names, replace(metadata, encoded_by=program))
    return {
        stem: metadata.for_stem(stem, readable_name(job.source.stem), program)
        for stem in job.target_names
    }


class _Follower:
    """Counts the audio of a job as it is read, tells of it, and stops it when it is to stop."""

    def __init__(self, work: Work, job: Job, info: AudioInfo) -> None:
        self._work = work
        self._job = job
        self._rate = info.sample_rate
        self._total = None if info.frames is None else info.frames / info.sample_rate
        self.seconds = 0.0
        self.frames = 0
        self._meter = Meter(info.sample_rate, info.channels)
        self._tell()

    def watch(self, blocks: Iterable[Samples]) -> Iterator[Samples]:
        """Yield the blocks as they come."""
        for block in blocks:
            self.check()
            yield block
            self._meter.push(block)
            self.frames += block.shape[1]
            self.seconds = self.frames / self._rate
            self._tell()

    def check(self) -> None:
        """Raise _StopError once the run is to stop."""
        if self._work.cancel.is_set():
            raise _StopError

    def finish(self) -> Measured:
        """Return the levels of the song."""
        return self._meter.finish()

    def _tell(self) -> None:
        if self._work.tell is not None:
            self._work.tell(Progress(self._job, self.seconds, self._total))


def _hash_source(path: Path) -> str:
    try:
        return hash_content(path)
    except OSError as error:
        raise DecodeError(f"{path.name!r} can't be read: {error.strerror}") from error


def _require_unchanged(source: "Place", before: StoredFile) -> None:
    """Raise DecodeError where a file here isn't what it was; a store gave one version."""
    if not isinstance(source, Path):
        return
    try:
        now = stat_place(source)
    except PlanError as error:
        raise DecodeError(f"{source.name!r} vanished while it was read: {error}") from error
    if now != before:
        raise DecodeError(f"{source.name!r} changed while it was read; run again once it is whole")


def _describe(output: StemOutput, job: Job, levels: Mapping[str, Level]) -> Written:
    return Written(
        output.stem,
        job.targets[output.stem],
        output.path.stat().st_size,
        hash_content(output.path),
        output.frames,
        output.peak,
        output.gain_db,
        output.levels.loudness_lufs,
        output.levels.true_peak_db,
        output.levels.energy_db,
        output.levels.peak_db,
        output.stem in levels,
    )
