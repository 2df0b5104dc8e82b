"""`stemkit study`: where models fail, measured."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from stemkit.cli.lines import printable
from stemkit.cli.report import ALL_DONE, NOTHING_TO_DO, SOME_FAILED

if TYPE_CHECKING:
    from stemkit.study.run import Study


@click.command()
@click.argument(
    "folder", metavar="MATERIAL", type=click.Path(path_type=Path, exists=True, file_okay=False)
)
@click.option(
    "-o", "--output", metavar="RESULTS", required=True,
    type=click.Path(path_type=Path, file_okay=False), help="Where tables and pictures go.",
)  # fmt: skip
@click.option(
    "-m", "--model", "models", metavar="NAME|PATH", multiple=True, default=("stemkit-small",),
    show_default=True, help="A model that gives vocals; may be given again.",
)  # fmt: skip
@click.option("--guard", is_flag=True, help="Run each model with `separate --guard`, too.")
@click.option("--songs", metavar="N", type=click.IntRange(1), default=12, show_default=True,
              help="Examples of each condition.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(1, 60), default=8.0, show_default=True,
              help="Their length.")  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help="Which excerpts are drawn.")
@click.option("--jobs", metavar="N", type=click.IntRange(1), default=1, show_default=True,
              help="Processes, each with models of its own.")  # fmt: skip
@click.option(
    "--save-audio",
    is_flag=True,
    help="Keep mixes, parts and estimates in RESULTS/audio; models of one name are numbered.",
)
@click.option("-q", "--quiet", is_flag=True, help="Only errors.")
def study(
    folder: Path,
    output: Path,
    models: tuple[str, ...],
    guard: bool,
    songs: int,
    seconds: float,
    seed: int,
    jobs: int,
    save_audio: bool,
    quiet: bool,
) -> int:
    """Measure where models fail, on mixes of the sounds in MATERIAL.

    MATERIAL has a folder for each kind of sound: singing, band (without voices), horn, cymbals,
    choir, speech, noise, crowd. Any other folder is an instrument of the leakage matrix. What needs
    a kind that isn't there is left out. examples/study/gather_material.py makes such a folder.

    RESULTS gets results.md with the tables and what they mean, sdr.png, leakage.png, results.csv
    and results.json. The same material and seed give the same mixes.

    Exit codes: 0 all done, 1 some files can't be used, 2 wrong usage, 3 nothing to do.
    """
    from stemkit.cli.count_bar import show_count
    from stemkit.study.conditions import StudyOptions
    from stemkit.study.material import find_material
    from stemkit.study.output import AUDIO, check_output
    from stemkit.study.report import write_report
    from stemkit.study.run import Contender, run_study

    material = find_material(folder)
    check_output(output, material, with_audio=save_audio)
    guards = (False, True) if guard else (False,)
    contenders = [Contender(model, on) for model in dict.fromkeys(models) for on in guards]
    with show_count("examples", quiet=quiet) as progress:
        result = run_study(
            material,
            contenders,
            StudyOptions(songs, seconds, seed),
            jobs=jobs,
            audio_folder=output / AUDIO if save_audio else None,
            progress=progress,
        )
    _tell(result, quiet=quiet)
    if not result.scores:
        return NOTHING_TO_DO
    written = write_report(result, output)
    if not quiet:
        click.echo(printable(written[0]))
    return SOME_FAILED if result.faults else ALL_DONE


def _tell(result: "Study", *, quiet: bool) -> None:
    for path, reason in sorted(result.faults.items()):
        click.echo(printable(f"error: {path}: {reason}"), err=True)
    if quiet:
        return
    names: dict[str, list[str]] = {reason: [] for reason in result.left_out.values()}
    for name, reason in result.left_out.items():
        names[reason].append(name)
    for reason, conditions in names.items():
        click.echo(printable(f"left out {', '.join(conditions)}: {reason}"), err=True)
