"""`stemkit evaluate`: how good stems are, and how two evaluations differ."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from click.core import ParameterSource

from stemkit.cli.lines import printable
from stemkit.cli.listing import print_table
from stemkit.cli.report import ALL_DONE, NOTHING_TO_DO, SOME_FAILED
from stemkit.cli.separate import DEVICES, PRECISIONS

if TYPE_CHECKING:
    from stemkit.evaluation.evaluate import Evaluation, EvaluationOptions
    from stemkit.evaluation.models import ModelOptions
    from stemkit.evaluation.tasks import Scored, Unscored
    from stemkit.separation.options import DeviceName, Precision

_OF_MODELS = frozenset({"device", "precision", "guard"})
_OF_SCORING = _OF_MODELS | {
    "metrics", "window_seconds", "hop_seconds", "round_references", "groups", "jobs",
}  # fmt: skip
_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command()
@click.option("--references", type=_FOLDER, metavar="DIR", help="The true stems: folders of songs, "
              "such as MUSDB18-HQ's, or .stem.mp4 files, as MUSDB18 has.")  # fmt: skip
@click.option("--estimates", type=_FOLDER, metavar="DIR",
              help="The stems to score, in any layout of `separate`.")  # fmt: skip
@click.option("-m", "--model", "models", multiple=True, metavar="NAME|PATH",
              help="Separate the references' mixes with it and score that; may be given again, and "
              "each gets a folder of its own.")  # fmt: skip
@click.option("--compare", nargs=2, metavar="A B", type=click.Path(path_type=Path, exists=True),
              help="Say how the evaluation in the folder B differs from that in A.")  # fmt: skip
@click.option("-o", "--output", metavar="OUT", type=click.Path(path_type=Path, file_okay=False),
              help="Where the scores go.")  # fmt: skip
@click.option("--metrics", metavar="LIST", default="bsseval,sdr,si-sdr", show_default=True,
              help="bsseval takes by far the longest.")  # fmt: skip
@click.option("--window-seconds", type=float, default=1.0, show_default=True,
              help="The frames of BSS Eval.")  # fmt: skip
@click.option("--hop-seconds", type=float, default=1.0, show_default=True)
@click.option(
    "--round-references",
    is_flag=True,
    help="Round references to 16 bits for BSS Eval, "
    "as those of MUSDB18-HQ are; where they are cleaner, ISR, SIR and SAR mean little.",
)
@click.option("--groups", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              metavar="FILE", help="A CSV file with the columns track and genre, condition or "
              "what you like.  [default: the folders that references are in]")  # fmt: skip
@click.option("--jobs", type=click.IntRange(1), help="Songs that are scored at once.  "
              "[default: one a core, as far as the memory goes]")  # fmt: skip
@click.option("--plots", type=click.Choice(["png", "svg"]), default="png", show_default=True)
@click.option("--device", type=click.Choice(DEVICES), default="auto", show_default=True)
@click.option("--precision", type=click.Choice(PRECISIONS), default="auto", show_default=True)
@click.option("--guard", is_flag=True, help="With --model: as `separate --guard`.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Only errors and warnings.")
def evaluate(
    references: Path | None,
    estimates: Path | None,
    models: tuple[str, ...],
    compare: tuple[Path, Path] | None,
    output: Path | None,
    metrics: str,
    window_seconds: float,
    hop_seconds: float,
    round_references: bool,
    groups: Path | None,
    jobs: int | None,
    plots: Literal["png", "svg"],
    device: "DeviceName",
    precision: "Precision",
    guard: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Score stems against their references, or compare two evaluations.

    Give --references, -o, and --estimates or --model; or --compare OUT1 OUT2. OUT gets a JSON file
    a track, as museval writes it, scores.csv, summary.json and box plots. What was stopped goes on
    when the same command is given again.

    SDR, ISR, SIR and SAR are BSS Eval v4's, of which the median of a track's frames counts; uSDR is
    the SDR of the Sound Demixing Challenge, over a whole track. All are in dB. Where a reference is
    silent there is no score.

    Exit codes: 0 all done, 1 some failed, 2 wrong usage, 3 nothing to do. Songs that have no
    partner are told and left out.
    """
    if compare:
        if references or estimates or models:
            raise click.UsageError("--compare takes two evaluations and nothing else to score")
        _refuse(_OF_SCORING, "--compare")
        return _compare(compare, output, plots, as_json=as_json, quiet=quiet)
    if references is None or output is None or bool(estimates) == bool(models):
        raise click.UsageError(
            "give --references and -o, and one of --estimates and --model; or --compare A B"
        )
    from stemkit.evaluation.evaluate import SUMMARY, EvaluationOptions, forget_progress
    from stemkit.evaluation.models import ModelOptions, check_model
    from stemkit.evaluation.options import ScoreOptions, read_methods
    from stemkit.separation.options import EngineOptions

    scores = ScoreOptions(read_methods(metrics), window_seconds, hop_seconds, round_references)
    options = EvaluationOptions(scores, groups, jobs, plots)
    quiet = quiet or as_json
    contenders: list[tuple[Path | ModelOptions, Path]]
    if estimates:
        _refuse(_OF_MODELS, "--estimates")
        contenders = [(estimates, output)]
    else:
        engine = EngineOptions(device=device, precision=precision, guard=guard)
        contenders = [(ModelOptions(m, engine), f) for m, f in _name_folders(models, output)]
        if len(contenders) > 1:  # before the first takes its hours
            for model in models:
                check_model(ModelOptions(model, engine), keep=False)
    codes = []
    for contender, folder in contenders:
        result = _evaluate(references, contender, folder, options, quiet=quiet)
        codes.append(_tell(result, quiet=quiet))
        if as_json and result.rows:
            summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
            click.echo(json.dumps(summary))
    for _, folder in contenders:
        forget_progress(folder)
    return SOME_FAILED if SOME_FAILED in codes else max(codes)


def _warn(line: str) -> None:
    click.echo(printable(f"warning: {line}"), err=True)


def _refuse(names: frozenset[str], beside: str) -> None:
    """Raise UsageError for options that were given and mean nothing beside another."""
    context = click.get_current_context()
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name in names and source is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{parameter.opts[0]} means nothing with {beside}; leave it out")


def _name_folders(models: Sequence[str], output: Path) -> list[tuple[str, Path]]:
    """Return each model and where its scores go."""
    from stemkit.evaluation.tasks import name_tracks

    if len(models) == 1:
        return [(models[0], output)]
    if twice := [model for model in models if models.count(model) > 1]:
        raise click.UsageError(f"--model gives {twice[0]} twice")
    names = name_tracks([_split_name(model) for model in models])
    return [(m, output / name) for m, name in zip(models, names, strict=True)]


def _split_name(model: str) -> tuple[str, ...]:
    """Return a model's name, or that of its file without the ending, after its folder's."""
    from stemkit.weights.sources import as_path

    path = as_path(model)
    return (model,) if path is None else (path.absolute().parent.name, path.stem)


def _evaluate(
    references: Path,
    contender: "Path | ModelOptions",
    output: Path,
    options: "EvaluationOptions",
    *,
    quiet: bool,
) -> "Evaluation":
    from stemkit.evaluation.evaluate import evaluate_folders, evaluate_model
    from stemkit.evaluation.tasks import Unscored

    def tell(outcome: "Scored | Unscored") -> None:
        if isinstance(outcome, Unscored):
            click.echo(printable(f"error: {outcome.track}: {outcome.reason}"), err=True)
            return
        for note in outcome.notes:
            _warn(f"{outcome.track}: {note}")
        if not quiet:
            click.echo(printable(f"{outcome.track}: {_describe(outcome)}"))

    if isinstance(contender, Path):
        return evaluate_folders(references, contender, output, options, tell)
    if not quiet:
        click.echo(f"{contender.model} -> {printable(output)}")
    return evaluate_model(references, contender, output, options, tell, keep_progress=True)


def _describe(scored: "Scored") -> str:
    """Return the first metric of each stem, and how long it took."""
    first = ((stem, next(iter(one.scores.items()))) for stem, one in scored.stems.items())
    stems = ", ".join(f"{stem} {metric} {value:.2f}" for stem, (metric, value) in first)
    return f"{stems} ({scored.seconds:.1f} s)"


def _tell(result: "Evaluation", *, quiet: bool) -> int:
    for one in (*result.unmatched, *result.gaps):
        _warn(f"{one.track}: {one.reason}")
    if not result.rows and not result.unscored:
        click.echo("nothing to score: no song has both references and estimates", err=True)
        return NOTHING_TO_DO
    if not quiet and result.rows:
        _tell_summary(result)
    return SOME_FAILED if result.unscored else ALL_DONE


def _tell_summary(result: "Evaluation") -> None:
    click.echo()
    header = ("GROUP", "STEM", "METRIC", "MEDIAN, dB [95 %]", "MEAN, dB [95 %]", "TRACKS")
    groupings = {one.grouping for one in result.summary if one.grouping}

    def name_group(grouping: str, group: str) -> str:
        name = group or ("-" if grouping else "all")
        return f"{grouping}: {name}" if grouping and len(groupings) > 1 else name

    lines = [
        (
            name_group(one.grouping, one.group),
            one.stem,
            one.metric,
            str(one.median),
            str(one.mean),
            str(one.tracks),
        )
        for one in result.summary
    ]
    shown = [header, *lines]
    print_table(shown if groupings else [line[1:] for line in shown])
    frames, silent = result.frames
    if silent:
        click.echo(
            f"{silent} of {frames} frames are left out: a reference or an estimate is silent there"
        )
    if unscored := sum(one.unscored for one in result.summary if not one.grouping):
        click.echo(f"{unscored} scores are left out: none where a reference is silent, or infinite")
    if result.doubtful:
        click.echo(
            f"{len(result.doubtful)} of the tracks have references with less noise than 16 bits: "
            "ISR, SIR and SAR are doubtful; see --round-references"
        )


def _compare(
    places: tuple[Path, Path],
    output: Path | None,
    plots: Literal["png", "svg"],
    *,
    as_json: bool,
    quiet: bool,
) -> int:
    from stemkit.evaluation.compare import compare_evaluations

    result = compare_evaluations(*places, output, plots)
    for place, tracks in zip(places, (result.only_in_a, result.only_in_b), strict=True):
        for track in tracks:
            _warn(f"{track}: only in {place}; left out")
    for note in result.notes:
        _warn(note)
    if as_json:
        click.echo(json.dumps(result.describe()))
    elif not quiet:
        header = ("STEM", "METRIC", "B - A, dB [95 %]", "BETTER", "WORSE", "TRACKS", "P")
        print_table([header, *(
            (one.stem, one.metric, str(one.median), str(one.better), str(one.worse),
             str(one.tracks), f"{one.p_value:.2g}")
            for one in result.differences
        )])  # fmt: skip
    return ALL_DONE
