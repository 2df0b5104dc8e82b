"""What a run does, and what it leaves alone, by what the ledger knows of each job."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from stemkit.batch.entries import UNCERTAIN, Entry
from stemkit.batch.find import Fault, Findings, FoundFile, identify_inode
from stemkit.batch.jobs import Job, Reason, keep_inside
from stemkit.batch.ledger import Ledger
from stemkit.batch.outcomes import Done, Written
from stemkit.batch.rows import Rows
from stemkit.batch.settings import Settings
from stemkit.errors import PlanError
from stemkit.files import hash_content
from stemkit.storage.listing import Listing, stat_place
from stemkit.storage.names import name_place
from stemkit.storage.places import parse_place

if TYPE_CHECKING:
    from stemkit.storage.places import Place


@dataclass(frozen=True)
class Plan:
    """What the inputs led to: `jobs` of all the `songs` that there are.

    `done` are the inputs whose outputs are there already, `altered` those outputs whose length is
    another than when they were written: edited since, or cut. `twins` are jobs whose input has the
    same content as another job's, by the name of that job, which is among `jobs`; `known_twins`
    those whose content was separated in an earlier run. `differences` are the settings that are
    others than those of jobs whose reason is "settings". `left_out` are folders that
    another run wrote to, whose stems aren't separated.
    """

    jobs: tuple[Job, ...]
    songs: int
    done: "tuple[Place, ...]" = ()
    not_audio: "tuple[Place, ...]" = ()
    faults: tuple[Fault, ...] = ()
    twins: dict[str, tuple[Job, ...]] = field(default_factory=dict)
    known_twins: tuple[tuple[Job, Done], ...] = ()
    differences: tuple[str, ...] = ()
    altered: "tuple[Place, ...]" = ()
    left_out: tuple[Path, ...] = ()

    def all_jobs(self) -> Iterator[Job]:
        """Yield every job, twins among them."""
        yield from self.jobs
        yield from (twin for group in self.twins.values() for twin in group)
        yield from (twin for twin, _ in self.known_twins)


def plan_run(
    findings: Findings,
    named: Sequence[Job | Fault],
    output: "Place",
    settings: Settings,
    ledger: Ledger | None,
    *,
    overwrite: bool = False,
    dedupe: bool = False,
) -> Plan:
    """Return what is to be done about what was found: all that the ledger doesn't know as done.

    `named` is what `name_jobs` made of it. Without a ledger, what has its outputs is
    done; so is what stemkit has no record of.
    """
    fingerprint, listing = settings.fingerprint, Listing(output)
    jobs: list[Job] = []
    done: list[Place] = []
    altered: list[Place] = []
    faults = list(findings.faults)
    rows = Rows(ledger, settings) if ledger else None
    for job, file in zip(named, findings.audio, strict=True):
        if findings.fresh is not None and file.path not in findings.fresh:
            continue
        if isinstance(job, Fault):
            faults.append(job)
            continue
        entry = rows.find(job) if rows and not overwrite else None
        match "overwrite" if overwrite else _judge(job, file, fingerprint, ledger, entry, listing):
            case str() as reason if not overwrite and (
                fault := _find_obstacle(job, reason, ledger, listing)
            ):
                faults.append(fault)
            case None:
                done.append(job.source)
                altered += _list_altered(job, entry, listing)
            case Fault() as fault:
                faults.append(fault)
            case reason:
                jobs.append(dataclasses.replace(job, reason=reason))
    if dedupe:
        sizes = {file.path: file.size_bytes for file in findings.audio}
        twins = _find_twins(jobs, sizes, fingerprint, None if overwrite else ledger, listing)
    else:
        twins = _Twins(jobs)
    return Plan(
        tuple(twins.alone),
        len(findings.audio),
        tuple(done),
        tuple(findings.other),
        tuple(faults),
        {name: tuple(group) for name, group in twins.of.items()},
        tuple(twins.known),
        _name_differences(jobs, rows) if rows else (),
        tuple(altered),
        tuple(findings.left_out),
    )


def plan_left(jobs: Sequence[Job], songs: int, output: "Place", ledger: Ledger) -> Plan:
    """Return what is to be done of jobs that the ledger knows as left, each with its reason."""
    listing = Listing(output)
    left: list[Job] = []
    faults: list[Fault] = []
    for job in keep_inside(jobs, output):
        if isinstance(job, Fault):
            faults.append(job)
        elif fault := _find_obstacle(job, job.reason, ledger, listing):
            faults.append(fault)
        else:
            left.append(job)
    return Plan(tuple(left), songs, faults=tuple(faults))


def _judge(
    job: Job,
    file: FoundFile,
    fingerprint: str,
    ledger: Ledger | None,
    entry: Entry | None,
    listing: Listing,
) -> Reason | Fault | None:
    """Return why a job is to be done, None if it is done, or what is wrong with it.

    `entry` is its row in the ledger, or that of the job which wrote one of its outputs.
    """
    if entry is None:
        is_known = ledger is not None and any(map(ledger.find_file, job.target_names.values()))
        return ("settings" if is_known else None) if _has_outputs(job, listing) else "missing"
    is_there = entry.status == "done" or any(map(listing.size_of, job.targets.values()))
    if (
        is_there
        and entry.source != name_place(job.source)
        and _is_another_song(entry, file, ledger)
    ):
        return Fault(
            file.path,
            f"{(job.output / job.name).parent} holds the stems of {entry.source}; "
            f"choose another --output or --name-template, or --overwrite them",
        )
    match entry.status:
        case "pending":
            return "missing"
        case "running" | "interrupted":
            return "interrupted"
        case "failed":
            return "failed"
    if entry.fingerprint != fingerprint or (ledger and _was_replaced(entry, ledger)):
        return "settings"
    if _has_changed(entry, file, ledger):
        return "changed"
    return None if _has_outputs(job, listing) else "missing"


def _was_replaced(entry: Entry, ledger: Ledger) -> bool:
    """Return whether another job wrote one of the outputs of a job that is done since."""
    return any(
        ledger.find_file(output.path) != (output.size_bytes, output.sha256)
        for output in entry.outputs
    )


def _find_obstacle(
    job: Job, reason: Reason, ledger: Ledger | None, listing: Listing
) -> Fault | None:
    """Return what is wrong where a job would replace what stemkit didn't write, or not like that.

    What an interrupted job left is taken to be its own where nothing is known of it.
    """
    for name in job.target_names.values():
        target = job.output / name
        size = listing.size_of(target)
        if not size or _is_as_written(name, target, size, ledger):
            continue
        known = ledger.find_file(name) if ledger else None
        if known == UNCERTAIN or (known is None and reason == "interrupted"):
            continue
        return Fault(
            job.source, f"{target} isn't what stemkit wrote; move it away, or use --overwrite"
        )
    return None


def _is_as_written(name: str, target: "Place", size: int, ledger: Ledger | None) -> bool:
    written = ledger.find_file(name) if ledger else None
    if written is None or written[0] != size:
        return False
    return not isinstance(target, Path) or _try_hash(target) == written[1]


def _has_outputs(job: Job, listing: Listing) -> bool:
    """Return whether every output is there; each was whole, for only then it got its name."""
    return all(listing.size_of(target) for target in job.targets.values())


def _list_altered(job: Job, entry: Entry | None, listing: Listing) -> "Iterator[Place]":
    """Yield the outputs of a job that is done whose length isn't what was written."""
    for output in entry.outputs if entry else ():
        target = job.output / output.path
        if listing.size_of(target) != output.size_bytes:
            yield target


def _name_differences(jobs: list[Job], rows: Rows) -> tuple[str, ...]:
    entries = [rows.find(job) for job in jobs if job.reason == "settings"]
    return tuple(sorted({name for entry in entries if entry for name in rows.differ(entry)}))


def _is_another_song(entry: Entry, file: FoundFile, ledger: Ledger | None) -> bool:
    """Return whether the song that a job was done for is still where it was, and isn't `file`."""
    identity = _identify(parse_place(entry.source))
    return identity not in (None, file.identity) and not _has_content(entry, file, ledger)


def _identify(place: "Place") -> tuple[int, int] | str | None:
    if isinstance(place, Path):
        return identify_inode(place)
    try:
        return str(stat_place(place).place)
    except PlanError:
        return None


def _has_changed(entry: Entry, file: FoundFile, ledger: Ledger | None) -> bool:
    state = entry.state
    if state and (state.size_bytes, state.mtime_ns) == (file.size_bytes, file.mtime_ns):
        return False
    return not _has_content(entry, file, ledger)


def _has_content(entry: Entry, file: FoundFile, ledger: Ledger | None) -> bool:
    """Return whether a file has the content that a job was done for.

    If so, it's known where and as it is from then on, and isn't read at each start.
    """
    state = entry.state
    if state is None or state.size_bytes != file.size_bytes:
        return False
    if _try_hash(file.path) != state.sha256:
        return False
    if ledger and ledger.is_writable:
        ledger.refresh(entry.name, file.path, file.mtime_ns)
    return True


@dataclass
class _Twins:
    """Jobs that have a content of their own, those that share one's, and those done before."""

    alone: list[Job] = field(default_factory=list)
    of: dict[str, list[Job]] = field(default_factory=dict)
    known: list[tuple[Job, Done]] = field(default_factory=list)


def _find_twins(
    jobs: list[Job],
    sizes: "dict[Place, int]",
    fingerprint: str,
    ledger: Ledger | None,
    listing: Listing,
) -> _Twins:
    """Tell jobs of one content together. Only files that share their size with one are read."""
    twins = _Twins()
    shared = Counter(sizes[job.source] for job in jobs)
    first: dict[str, Job] = {}
    for job in jobs:
        size = sizes[job.source]
        finished = ledger.find_finished(size, fingerprint) if ledger else []
        content = _try_hash(job.source) if shared[size] > 1 or finished else None
        if content is None:
            twins.alone.append(job)
        elif earlier := _find_done(job, content, finished, ledger, listing):
            twins.known.append((job, earlier))
        elif content in first:
            twins.of.setdefault(first[content].name, []).append(job)
        else:
            first[content] = job
            twins.alone.append(job)
    return twins


def _try_hash(path: "Place") -> str | None:
    if not isinstance(path, Path):  # it would have to be fetched
        return None
    try:
        return hash_content(path)
    except OSError:  # its own job will tell
        return None


def _find_done(
    job: Job, content: str, finished: list[Entry], ledger: Ledger | None, listing: Listing
) -> Done | None:
    """Return what was done to the same content before, if its outputs are there."""
    for entry in finished:
        if entry.state is None or entry.state.sha256 != content:
            continue
        if ledger and _was_replaced(entry, ledger):
            continue
        source = parse_place(entry.source)
        before = Job(source, job.output, entry.targets, record_name=entry.record_name)
        targets = before.targets.items()
        as_written = all(
            _is_as_written(before.target_names[stem], target, listing.size_of(target) or 0, ledger)
            for stem, target in targets
        )
        if as_written and before.name != job.name:
            files = tuple(
                Written(file.stem, job.output / file.path, file.size_bytes, file.sha256)
                for file in entry.outputs
            )
            return Done(before, entry.state, files, entry.audio_seconds, entry.seconds)
    return None
