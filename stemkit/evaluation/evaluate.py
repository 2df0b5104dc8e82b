"""Evaluations: all songs of a folder scored, and the files that tell of it."""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import get_args

from stemkit.errors import OptionError
from stemkit.evaluation.boxplots import PlotFormat, draw_groups, draw_stems
from stemkit.evaluation.journal import VERSIONS, Journal
from stemkit.evaluation.models import ModelOptions
from stemkit.evaluation.options import ScoreOptions
from stemkit.evaluation.summary import SummaryRow, summarize
from stemkit.evaluation.tables import Groups, Row, make_rows, read_groups, write_rows
from stemkit.evaluation.tasks import (
    Plan,
    Scored,
    Unscored,
    check_plan,
    plan_folders,
    plan_model,
    run_plan,
)
from stemkit.files import keep_others_out, readable_name, replace_content, shorten_name, writing

SCORES, SUMMARY, TRACKS, JOURNAL = "scores.csv", "summary.json", "test", "unfinished.jsonl"
"""What is in the folder of an evaluation; museval finds tracks in the folder `test`."""

LOCK = ".evaluate.lock"

_FORMAT = "stemkit evaluation"


@dataclass(frozen=True)
class EvaluationOptions:
    """What is measured, which tracks belong together, and how many are scored at once.

    `groups` is a CSV file; see `read_groups`. `jobs` None means one a core.
    """

    scores: ScoreOptions = field(default_factory=ScoreOptions)
    groups: Path | None = None
    jobs: int | None = None
    plots: PlotFormat = "png"


@dataclass(frozen=True)
class Evaluation:
    """Scores of each stem of each track, their summary, and the tracks and files without any.

    `doubtful` are tracks with references so clean that ISR, SIR and SAR mean little; `gaps` those
    that lack a stem which others have, and names that no track has in the table of groups.
    """

    rows: list[Row]
    summary: list[SummaryRow]
    unscored: list[Unscored]
    unmatched: list[Unscored]
    doubtful: list[str]
    gaps: list[Unscored]

    @property
    def frames(self) -> tuple[int, int]:
        """How many frames BSS Eval has, and in how many of them something is silent."""
        return sum(row.frames for row in self.rows), sum(row.silent_frames for row in self.rows)


def evaluate_folders(
    references: Path,
    estimates: Path,
    output: Path | None = None,
    options: EvaluationOptions | None = None,
    progress: Callable[[Scored | Unscored], object] = lambda outcome: None,
) -> Evaluation:
    """Score the stems in `estimates` against those in `references`, and write it to `output`.

    See `plan_folders` for what folders may hold. `progress` is told of each song when it is scored.
    A song that can't be scored is among the `unscored`, and the rest go on. `output` gets a JSON
    file as museval's for each track, `scores.csv`, `summary.json` and box plots. One that was
    stopped goes on when it is called again, with what nothing has changed of.

    Raises OptionError for a program that is missing, for groups that can't be read, and for an
    `output` that holds other files, can't be written, or is written to by another evaluation.
    """
    options = options or EvaluationOptions()
    about: dict[str, object] = {"references": str(references), "estimates": str(estimates)}
    plan = plan_folders(references, estimates, options.scores)
    return _evaluate(plan, output, options, about, progress)


def evaluate_model(
    references: Path,
    model: ModelOptions,
    output: Path | None = None,
    options: EvaluationOptions | None = None,
    progress: Callable[[Scored | Unscored], object] = lambda outcome: None,
    *,
    keep_progress: bool = False,
) -> Evaluation:
    """Separate the mix of each song in `references` with a model, and score its stems.

    The mix is the song's `mixture`, or else the sum of its stems; no stem is written. Otherwise as
    `evaluate_folders`. `keep_progress` lets one that was not stopped go on too, so that it has
    nothing to do: until `forget_progress`. Raises ModelError, DeviceError and OptionError, too, for
    a model that can't be run.
    """
    options = options or EvaluationOptions()
    about: dict[str, object] = {"references": str(references), "model": str(model.model)}
    about |= {"guard": True} if model.engine.guard else {}
    plan = plan_model(references, model, options.scores)
    return _evaluate(plan, output, options, about, progress, keep_progress=keep_progress)


def forget_progress(output: Path) -> None:
    """Let the next evaluation into `output` score all anew."""
    with writing(output):
        (output / JOURNAL).unlink(missing_ok=True)


def read_summary(output: Path) -> Mapping[str, object]:
    """Return what the summary of an evaluation says; nothing where `output` has none.

    "finished" is false in that of one that was stopped, whose scores may be of an earlier one.
    """
    try:
        summary = json.loads((output / SUMMARY).read_bytes())
    except (OSError, ValueError):
        return {}
    return summary if isinstance(summary, dict) and summary.get("format") == _FORMAT else {}


def _evaluate(
    plan: Plan,
    output: Path | None,
    options: EvaluationOptions,
    about: Mapping[str, object],
    progress: Callable[[Scored | Unscored], object],
    *,
    keep_progress: bool = False,
) -> Evaluation:
    groups = read_groups(options.groups) if options.groups else None
    check_plan(plan, options.jobs)
    with ExitStack() as stack:
        journal = None
        if output and plan.tasks:
            with writing(output):
                _require_own(output)
            stack.enter_context(keep_others_out(output, LOCK))
            with writing(output):
                journal = _begin(output, plan)
        outcomes = []
        for outcome in _score_all(plan, journal, options.jobs):
            outcomes.append(outcome)
            progress(outcome)
        scored = [one for one in outcomes if isinstance(one, Scored)]
        unscored = [one for one in outcomes if isinstance(one, Unscored)]
        result = _sum_up(plan, scored, unscored, groups)
        if output and journal:
            with writing(output):
                _write(output, result, options, about, scored)
                if not keep_progress:
                    journal.end()
    return result


def _sum_up(
    plan: Plan,
    scored: list[Scored],
    unscored: list[Unscored],
    groups: Mapping[str, Groups] | None,
) -> Evaluation:
    rows = make_rows(scored, groups)
    strangers = sorted(set(groups or ()) - _list_names(plan))
    gaps = [*_list_gaps(scored)]
    gaps += [Unscored(name, "the groups have it, and no song is called so") for name in strangers]
    return Evaluation(
        rows,
        summarize(rows),
        unscored,
        plan.unmatched,
        [one.track for one in scored if any(s.framed.is_doubtful for s in one.stems.values())],
        gaps,
    )


def _list_names(plan: Plan) -> set[str]:
    """Return all names by which a table may group the songs of a plan, scored or not."""
    titles = {readable_name(task.reference.title) for task in plan.tasks}
    return titles | {task.track for task in plan.tasks} | {one.track for one in plan.unmatched}


def _list_gaps(scored: Sequence[Scored]) -> Iterator[Unscored]:
    stems = dict.fromkeys(stem for one in scored for stem in one.stems)
    for one in scored:
        if missing := [stem for stem in stems if stem not in one.stems]:
            yield Unscored(one.track, f"no score of {', '.join(missing)}, which other songs have")


def _score_all(
    plan: Plan, journal: Journal | None, jobs: int | None
) -> Iterator[Scored | Unscored]:
    """Yield what the journal has of the plan, and then the rest, which it gets."""
    if journal is None:
        yield from run_plan(plan, jobs)
        return
    yield from journal.kept.values()
    left = [task for task in plan.tasks if task.track not in journal.kept]
    for outcome in run_plan(replace(plan, tasks=left), jobs):
        if isinstance(outcome, Scored):
            with writing(journal.path.parent):
                journal.add(outcome)
        yield outcome


def _require_own(output: Path) -> None:
    """Raise OptionError for a folder that has files, but not those of an evaluation."""
    path = output / SUMMARY
    if path.is_file():
        if f'"{_FORMAT}"' not in path.read_text(encoding="utf-8", errors="replace")[:200]:
            raise OptionError(f"{path} isn't that of an evaluation; choose another folder with -o")
    elif output.exists() and any(one.name != LOCK for one in output.iterdir()):
        raise OptionError(f"{output} holds files of others; choose an empty folder with -o")


def _begin(output: Path, plan: Plan) -> Journal:
    """Begin a new evaluation or go on with one; what an earlier one found stays until then."""
    journal = Journal(output / JOURNAL, plan.tasks)
    _write_json(output / SUMMARY, {"format": _FORMAT, **read_summary(output), "finished": False})
    journal.begin()
    return journal


def _remove_earlier(output: Path) -> None:
    plots = (path for kind in get_args(PlotFormat) for path in output.glob(f"by_*.{kind}"))
    for path in (*(output / TRACKS).glob("*.json"), *plots):
        path.unlink(missing_ok=True)


def _write_track(output: Path, track: Scored, options: ScoreOptions) -> None:
    from stemkit.evaluation.bsseval import write_frames  # its import takes seconds

    frames = {name: stem.frames for name, stem in track.stems.items()}
    path = output / TRACKS / f"{shorten_name(track.track)}.json"
    write_frames(path, track.track, frames, options)


def _write(
    output: Path,
    result: Evaluation,
    options: EvaluationOptions,
    about: Mapping[str, object],
    scored: Sequence[Scored],
) -> None:
    _remove_earlier(output)
    write_rows(output / SCORES, result.rows)
    for one in scored if "bsseval" in options.scores.methods else ():
        _write_track(output, one, options.scores)
    frames, silent = result.frames
    summary = {
        "format": _FORMAT,
        "version": 1,
        "finished": True,
        **about,
        "options": asdict(options.scores),
        "versions": VERSIONS,
        "tracks": len(scored),
        "frames": frames,
        "silent_frames": silent,
        "unscored": [asdict(one) for one in (*result.unscored, *result.unmatched)],
        "doubtful": result.doubtful,
        "gaps": [asdict(one) for one in result.gaps],
        "notes": {one.track: one.notes for one in scored if one.notes},
        "scores": [asdict(row) for row in result.summary],
    }
    _write_plots(output, result, options.plots)
    _write_json(output / SUMMARY, summary)


def _write_plots(output: Path, result: Evaluation, file_format: PlotFormat) -> None:
    if result.rows:
        _write_bytes(output / f"by_stem.{file_format}", draw_stems(result.rows, file_format))
    taken = {"stem"}
    for grouping in dict.fromkeys(row.grouping for row in result.summary if row.grouping):
        name = re.sub(r"[^\w-]", "_", grouping)
        while name in taken:
            name += "_"
        taken.add(name)
        picture = draw_groups(result.rows, grouping, file_format)
        _write_bytes(output / f"by_{name}.{file_format}", picture)


def _write_bytes(path: Path, content: bytes) -> None:
    replace_content(path, content)


def _write_json(path: Path, content: object) -> None:
    text = json.dumps(make_plain(content), indent=1, ensure_ascii=False, allow_nan=False)
    _write_bytes(path, text.encode(errors="replace"))


def make_plain(content: object) -> object:
    """Return what JSON can hold: null for what isn't a number, as where nothing was scored."""
    match content:
        case float():
            return content if math.isfinite(content) else None
        case dict():
            return {key: make_plain(value) for key, value in content.items()}
        case list() | tuple():
            return [make_plain(value) for value in content]
    return content
