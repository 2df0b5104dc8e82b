"""Building the review of a folder: what has changed is drawn anew, and all pages are written."""

import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import joblib

from stemkit.errors import describe_error
from stemkit.files import partial_path, replace_content
from stemkit.review.drawing import STATE, describe_sources, draw_track, read_drawings
from stemkit.review.entries import Entry
from stemkit.review.folder import INDEX, TRACKS, name_pages, own_folder, remove_others
from stemkit.review.page import ASSETS, STATIC, Failure, hash_static, render_index, render_track
from stemkit.spreading.spread import Lost, Spreading, spread
from stemkit.tracks.find import Fault, find_tracks
from stemkit.tracks.track import Track


@dataclass(frozen=True)
class ReviewResult:
    """What became of a build: its index, its tracks, and how many of them were drawn anew."""

    index: Path
    entries: tuple[Entry, ...]
    failures: tuple[Failure, ...]
    drawn: int


@dataclass(frozen=True)
class _Job:
    """A track, its folder as it is shown, its page without the ending, and what to draw."""

    track: Track
    where: str
    base: Path
    with_audio: bool


def build_review(
    folder: Path,
    output: Path,
    *,
    workers: int | None = None,
    with_audio: bool = True,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> ReviewResult | None:
    """Write the pages of all tracks below `folder` into `output`, or return None if it has none.

    Tracks whose files haven't changed aren't drawn again. A track that can't be drawn is a failure,
    and the rest go on. At any moment each page in `output` is whole, as it was or as it will be.
    `progress` is told how many tracks of how many are drawn. `workers` None means one a core.

    Raises OptionError for an `output` of other files, or one that another process writes to.
    """
    found = list(find_tracks(folder))
    if not found:
        return None
    with own_folder(output):
        jobs = _plan(folder, output, [one for one in found if isinstance(one, Track)], with_audio)
        ready = _find_entries(jobs, output / TRACKS)
        progress(len(ready), len(jobs))
        missing = [job for job in jobs if job.base not in ready]
        failures = [_make_failure(folder, one) for one in found if not isinstance(one, Track)]
        outcomes = dict(ready)
        for number, (base, outcome) in enumerate(_draw_all(missing, workers), len(ready) + 1):
            if isinstance(outcome, Entry):
                outcomes[base] = outcome
            else:
                failures.append(outcome)
            progress(number, len(jobs))
        entries = [outcomes[job.base] for job in jobs if job.base in outcomes]
        failures.sort(key=lambda failure: failure.name)
        _write_pages(folder, output, entries, failures)
    drawn = len(entries) - len(ready)
    return ReviewResult(output / INDEX, tuple(entries), tuple(failures), drawn)


def _plan(folder: Path, output: Path, tracks: Sequence[Track], with_audio: bool) -> list[_Job]:
    """Return a job for each track, in the order of their titles."""
    named = zip(tracks, name_pages(tracks, folder), strict=True)
    jobs = [
        _Job(track, os.path.relpath(track.folder, folder), output / TRACKS / name, with_audio)
        for track, name in named
    ]
    return sorted(jobs, key=lambda job: (_order(job.track.title), job.base.name))


def _order(title: str) -> list[tuple[bool, int, str]]:
    """Return what sorts titles as people do: 2 before 10, and both before words."""
    parts = re.findall(r"([0-9]+)|([^0-9]+)", title.casefold())
    return [(bool(word), int(number or 0), word) for number, word in parts]


def _make_failure(folder: Path, fault: Fault) -> Failure:
    path, reason = fault
    return Failure(os.path.relpath(path, folder), reason)


def _find_entries(jobs: Sequence[_Job], tracks: Path) -> dict[Path, Entry]:
    """Return the tracks that were drawn before, of just these files."""
    drawings = read_drawings(tracks)
    found = {}
    for job in jobs:
        try:
            made_from = describe_sources(job.track, with_audio=job.with_audio)
        except OSError:  # told when it is drawn
            continue
        if (job.base.name, made_from) in drawings:
            drawn, drawing = drawings[job.base.name, made_from]
            found[job.base] = Entry(job.track, job.base.name, drawn, drawing, job.where)
    return found


def _draw_all(jobs: Sequence[_Job], workers: int | None) -> Iterator[tuple[Path, Entry | Failure]]:
    """Draw in processes, since matplotlib keeps other threads waiting."""
    count = min(workers or joblib.cpu_count(), len(jobs))
    if not count:
        return
    spreading = Spreading("loky" if count > 1 else "threading", count)
    for result in spread(_draw, jobs, spreading):
        if isinstance(result, Lost):
            job = result.item
            yield job.base, Failure(job.where, result.reason)
        else:
            yield result


def _draw(job: _Job) -> tuple[Path, Entry | Failure]:
    try:
        return job.base, _draw_entry(job)
    except Exception as error:  # one track never stops the rest
        return job.base, Failure(job.where, describe_error(error))


def _draw_entry(job: _Job) -> Entry:
    temporary = partial_path(job.base)
    temporary.mkdir()
    try:
        drawing = draw_track(job.track, temporary, with_audio=job.with_audio)
        folder = job.base.with_name(f"{job.base.name}.{_hash_drawn(temporary)}")
        if folder.exists():  # the same content, of files that have another time of change
            (temporary / STATE).replace(folder / STATE)
        else:
            temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Entry(job.track, job.base.name, folder.name, drawing, job.where)


def _hash_drawn(folder: Path) -> str:
    """Return a hash of all that pages load of a drawing."""
    content = sha256()
    for path in sorted(folder.iterdir()):
        if path.name != STATE:
            content.update(f"{path.name} {path.stat().st_size}\n".encode() + path.read_bytes())
    return content.hexdigest()[:8]


def _write_pages(
    folder: Path, output: Path, entries: Sequence[Entry], failures: Sequence[Failure]
) -> None:
    """Write all that is in `output` besides drawings, the index last, and remove what is old."""
    static = f"assets-{hash_static()}"
    for name in STATIC:
        _write(output / static / name, (ASSETS / name).read_bytes())
    tracks = output / TRACKS
    around = zip([None, *entries], entries, [*entries[1:], None], strict=False)
    for before, entry, after in around:
        _write(tracks / entry.page, render_track(entry, before, after, static).encode())
    name = folder.resolve().name
    _write(output / INDEX, render_index(name, entries, failures, static).encode())
    kept = {output / static}
    for entry in entries:
        kept |= {tracks / entry.page, tracks / entry.drawn}
    remove_others(output, kept)


def _write(path: Path, content: bytes) -> None:
    if not path.is_file() or path.read_bytes() != content:
        replace_content(path, content)
