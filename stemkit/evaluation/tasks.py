"""Songs that are to be scored, found and paired, and the work of scoring them in parallel."""

import itertools
import time
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stemkit.errors import AudioError, describe_error
from stemkit.evaluation.matching import are_alike, match_songs
from stemkit.evaluation.models import ModelOptions, check_model, separate_mix
from stemkit.evaluation.musdb import require_ffmpeg
from stemkit.evaluation.options import ScoreOptions
from stemkit.evaluation.reading import Audio, read_estimates, read_references
from stemkit.evaluation.scoring import StemScores, score_stems
from stemkit.evaluation.songs import MIX, Key, Song, find_songs
from stemkit.files import readable_name
from stemkit.separation.memory import count_fitting
from stemkit.separation.stems import Stems
from stemkit.spreading.spread import Lost, Spreading, spread
from stemkit.spreading.teams import count_workers
from stemkit.tracks.find import Fault

_BSS_BYTES = 8 * 2**30
"""What museval takes for four stereo stems of four minutes."""


@dataclass(frozen=True)
class Task:
    """A song to score, under a name that no other has: its estimates, or what makes them.

    `notes` say in a line each what is odd about the pair.
    """

    track: str
    reference: Song
    estimate: Song | ModelOptions
    options: ScoreOptions
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scored:
    """A song's scores by stem; `notes` say in a line each what was done to its sounds.

    `title` has the folders before the song's own name.
    """

    track: str
    title: str
    stems: dict[str, StemScores]
    notes: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class Unscored:
    """A song that has no scores, and why, in a line."""

    track: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """What is to be scored, and what isn't: songs without partner, and files left out."""

    tasks: list[Task]
    unmatched: list[Unscored]


def plan_folders(references: Path, estimates: Path, options: ScoreOptions) -> Plan:
    """Pair the songs of two folders; see `find_songs` and `match_songs`.

    Raises OptionError where a program is missing that `options` or the references need.
    """
    known, faults = find_songs(references, with_musdb=True)
    made, more = find_songs(estimates)
    matches = match_songs(known, made)
    left = [*_list_faults([*faults, *more]), *(Unscored(*one) for one in matches.unmatched)]
    return _make_plan(matches.pairs, left, options)


def plan_model(references: Path, model: ModelOptions, options: ScoreOptions) -> Plan:
    """Return a plan that separates the mix of each song of `references`.

    Raises OptionError as `plan_folders` does.
    """
    known, faults = find_songs(references, with_musdb=True)
    return _make_plan([(song, model) for song in known], _list_faults(faults), options)


def check_plan(plan: Plan, jobs: int | None = None) -> None:
    """Raise ModelError, DeviceError or OptionError for a model that would fail every song."""
    for task in plan.tasks[:1]:
        if isinstance(task.estimate, ModelOptions):
            check_model(task.estimate, keep=_count_jobs(plan, jobs) == 1)


def run_plan(plan: Plan, jobs: int | None = None) -> Generator[Scored | Unscored, None, None]:
    """Yield each song as it is scored, by several processes; one that can't be stops no other.

    `jobs` None means one a core, as far as the memory goes. See `check_plan` for what fails all.
    """
    count = _count_jobs(plan, jobs)
    spreading = Spreading("loky" if count > 1 else "threading", count)
    for result in spread(_score, plan.tasks, spreading):
        yield Unscored(result.item.track, result.reason) if isinstance(result, Lost) else result


def _count_jobs(plan: Plan, jobs: int | None) -> int:
    """Return how many processes are of use; `jobs` None means one a core, as the memory goes."""
    count = jobs or count_workers(Spreading("loky"))
    if jobs is None and any("bsseval" in task.options.methods for task in plan.tasks):
        count = min(count, count_fitting(_BSS_BYTES))
    return min(count, max(len(plan.tasks), 1))


def _make_plan(
    pairs: Sequence[tuple[Song, Song | ModelOptions]],
    left: list[Unscored],
    options: ScoreOptions,
) -> Plan:
    if "bsseval" in options.methods:
        require_ffmpeg("BSS Eval is museval's, which needs")
    if any(sound.stream is not None for song, _ in pairs for sound in song.stems.values()):
        require_ffmpeg("reading .stem.mp4 needs")
    names = name_tracks([song.key for song, _ in pairs])
    tasks = [
        Task(name, reference, estimate, options, tuple(_list_oddities(reference, estimate)))
        for name, (reference, estimate) in zip(names, pairs, strict=True)
    ]
    return Plan(tasks, left)


def name_tracks(keys: list[Key]) -> list[str]:
    """Return songs' own names, with their folders before them where these are alike.

    What is alike even so gets a number.
    """
    counts = Counter(key[-1] for key in keys)
    wanted = [readable_name(key[-1] if counts[key[-1]] == 1 else " - ".join(key)) for key in keys]
    names: dict[str, None] = {}
    for name in wanted:
        numbered = (f"{name} ({number})" for number in itertools.count(2))
        free = (other for other in numbered if other not in names and other not in wanted)
        names[next(free) if name in names else name] = None
    return list(names)


def _list_oddities(reference: Song, estimate: Song | ModelOptions) -> Iterator[str]:
    if isinstance(estimate, Song) and not are_alike(reference, estimate):
        yield f"its estimates are of {readable_name(estimate.title)!r}, the only ones there are"


def _list_faults(faults: Iterable[Fault]) -> list[Unscored]:
    return [Unscored(str(path), reason) for path, reason in faults]


def _score(task: Task) -> Scored | Unscored:
    try:
        return _score_song(task)
    except Exception as error:  # one song never stops the rest
        return Unscored(task.track, describe_error(error))


def _score_song(task: Task) -> Scored:
    began = time.monotonic()
    references = read_references(task.reference)
    if isinstance(task.estimate, Song):
        estimates = read_estimates(task.estimate, references)
    else:
        estimates = _separate(task.estimate, references)
    scores = score_stems(references.stems, estimates.stems, references.sample_rate, task.options)
    notes = [*task.notes, *references.notes, *estimates.notes]
    notes += _tell_extremes(references.stems, estimates.stems)
    title = readable_name(task.reference.title)
    return Scored(task.track, title, scores, tuple(notes), time.monotonic() - began)


def _separate(model: ModelOptions, references: Audio) -> Audio:
    if MIX not in references.stems:
        raise AudioError("it has no mix to separate, nor the stems of one; add a mixture.wav")
    made = separate_mix(model, references.stems[MIX], references.sample_rate)
    stems = {name: stem for name, stem in made.items() if name in references.stems}
    if not stems:
        raise AudioError(f"no reference for what the model gives: {', '.join(made)}")
    notes = [f"{name} has no reference; left out" for name in made if name not in stems]
    return Audio(stems, references.sample_rate, notes)


def _tell_extremes(references: Stems, estimates: Stems) -> Iterator[str]:
    for name, estimate in estimates.items():
        if not references[name].any():
            yield f"the reference of {name} is silent, so that it has no scores"
        elif not estimate.any():
            yield f"the estimate of {name} is silent, so that it has an uSDR (of 0 dB) alone"
        elif np.array_equal(references[name], estimate):
            yield f"the estimate of {name} is its reference, whose scores are infinite"
