"""What `separate` and `apply` share: the options of a run, and the run itself."""

import codecs
import functools
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stemkit.cli.places import PlaceType, read_place
from stemkit.cli.report import (
    ALL_DONE,
    INTERRUPTED,
    NOTHING_TO_DO,
    Report,
    open_report,
)
from stemkit.cli.signals import cancel_on_signals

if TYPE_CHECKING:
    from stemkit.audio.encode import Container
    from stemkit.audio.wav import BitDepth
    from stemkit.batch.cancel import CancelToken
    from stemkit.batch.find import Fault, Findings
    from stemkit.batch.jobs import Naming
    from stemkit.batch.outcomes import Outcome
    from stemkit.batch.request import OutputOptions
    from stemkit.batch.run import Batch, Crew
    from stemkit.batch.treatment import Provenance, Treatment
    from stemkit.spreading.spread import Backend, Spreading
    from stemkit.storage.places import Place

FORMATS = ("wav", "flac", "aiff", "mp3", "ogg", "opus", "m4a")
BACKENDS = ("threading", "loky", "dask", "ray")

INPUTS = click.argument("inputs", nargs=-1, type=PlaceType(), metavar="INPUT...")

LEDGER_FOLDER = click.argument("folder", metavar="DIR", type=PlaceType(existing_folder=True))

PRESET_DIR = click.option(
    "--preset-dir", "preset_dirs", multiple=True, metavar="DIR",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Look for presets here first; may be given again.",
)  # fmt: skip
ALLOW_PLUGINS = click.option(
    "--allow-plugins", is_flag=True,
    help="Let the preset load VST3 and Audio Unit plugins, which are programs.",
)  # fmt: skip
TELLING = (
    click.option("--json", "as_json", is_flag=True,
                 help="One JSON object a line on stdout; see `stemkit events`."),
    click.option("-q", "--quiet", is_flag=True, help="Only errors."),
    click.option("-v", "--verbose", is_flag=True, help="Each output, and the details of errors."),
)  # fmt: skip
SPREADING = (
    click.option("--workers", metavar="N|auto", default="auto", show_default=True,
                 help="Songs that are worked on at once."),
    click.option("--backend", type=click.Choice(BACKENDS), default="threading", show_default=True,
                 help="What joblib spreads the work over."),
    click.option("--scheduler", "--address", "address", metavar="URL",
                 help="Of the Dask scheduler, tcp://HOST:8786, or of a Ray cluster."),
)  # fmt: skip

_RUN_OPTIONS = (
    click.option("-o", "--output", required=True, metavar="DIR",
                 type=PlaceType(), help="Where the outputs go."),
    click.option("--files-from", metavar="FILE|-", type=click.Path(allow_dash=True),
                 help="Read more inputs from a list, - for stdin, newline or NUL between them; "
                 "each file keeps its folders."),
    click.option("--format", "container", type=click.Choice(FORMATS),
                 help="[default: the preset's, or wav]"),
    click.option("--bit-depth", type=click.Choice(["16", "24", "32f"]),
                 help="Of wav, flac and aiff.  [default: the preset's, or 24]"),
    click.option("--name-template", metavar="T",
                 help="Of {folder}, {track}, {stem}, {number}, {model}, and {type}, the input's "
                 "extension.  "
                 "[default: {folder}/{track}/{stem}, for apply {folder}/{track}]"),
    click.option("--no-tags", is_flag=True,
                 help="Write the samples alone: no titles, covers, markers, no bext chunk."),
    click.option("--provenance", type=click.Choice(["track", "run", "off"]), default="track",
                 show_default=True, help="Keep hashes, settings and levels in a JSON file beside "
                 "each track's stems, or in one file for all."),
    click.option("--overwrite", is_flag=True, help="Do again what is done."),
    click.option("--dedupe", is_flag=True,
                 help="Do files of one content once, and link or copy the outputs."),
    click.option("--watch", is_flag=True, help="Go on with what is dropped into the inputs."),
    click.option("--settle-seconds", type=click.FloatRange(0, 3600), default=5.0,
                 show_default=True, help="With --watch: how long a file has to stay the same."),
    click.option("--dry-run", is_flag=True, help="Show what would be read and written, and stop."),
    *SPREADING,
    *TELLING,
)  # fmt: skip


@dataclass(frozen=True)
class RunOptions:
    """Which songs are done, where their outputs go and what they are, by how many at once."""

    output: "Place"
    files_from: str | None
    container: "Container | None"
    bit_depth: "BitDepth | None"
    name_template: str | None
    no_tags: bool
    provenance: "Provenance"
    overwrite: bool
    dedupe: bool
    watch: bool
    settle_seconds: float
    dry_run: bool
    workers: str
    backend: "Backend"
    address: str | None
    as_json: bool
    quiet: bool
    verbose: bool

    @property
    def outputs(self) -> "OutputOptions":
        """What outputs are and how they are named."""
        from stemkit.batch.request import OutputOptions

        return OutputOptions(
            self.container, self.bit_depth, self.name_template, not self.no_tags, self.provenance
        )


def add_options(
    command: Callable[..., int], options: Iterable[Callable[..., Callable[..., int]]]
) -> Callable[..., int]:
    """Give `command` several options, in this order."""
    return functools.reduce(lambda given, option: option(given), [*options][::-1], command)


def preset_options(command: Callable[..., int]) -> Callable[..., int]:
    """Give `command` the options on where presets are and what they may do."""
    return add_options(command, (PRESET_DIR, ALLOW_PLUGINS))


def run_options(command: Callable[..., int]) -> Callable[..., int]:
    """Give `command` the options of a run, as its argument `run`."""

    @functools.wraps(command)
    def collect(**arguments: object) -> int:
        own = {name: arguments.pop(name) for name in RunOptions.__dataclass_fields__}
        return command(run=RunOptions(**own), **arguments)  # type: ignore[arg-type]

    return add_options(collect, _RUN_OPTIONS)


def read_spreading(workers: str, backend: "Backend", address: str | None) -> "Spreading":
    """Return how the work is spread; raises UsageError for what can't be."""
    from stemkit.spreading.spread import Spreading

    if workers == "auto":
        return Spreading(backend, None, address)
    if not (workers.isascii() and workers.isdigit() and int(workers)):
        raise click.UsageError(f"--workers must be a number from 1 up, or auto, not {workers!r}")
    return Spreading(backend, int(workers), address)


def carry_out(
    inputs: "tuple[Place, ...]", naming: "Naming", treatment: "Treatment", run: RunOptions
) -> int:
    """Plan a run, tell of it as it goes, and return its exit code."""
    if Path("-") in (*inputs, run.output):
        from stemkit.cli.pipe import carry_through_pipe

        return carry_through_pipe(inputs, naming, treatment, run)
    from stemkit.batch.run import Batch, run_batch

    batch = Batch(naming, treatment, run.overwrite, run.dedupe)
    spreading = read_spreading(run.workers, run.backend, run.address)
    with open_report(as_json=run.as_json, quiet=run.quiet, verbose=run.verbose) as report:
        if run.dry_run:
            return _show(_find(inputs, run), batch, report)
        code = follow(
            lambda crew: run_batch(
                _find_rounds(inputs, run, crew.cancel), batch, crew, report.plan
            ),
            spreading,
            report,
        )
    if code == INTERRUPTED:
        return code
    made = _complete_handoffs(run.output, treatment, report, quiet=run.quiet or run.as_json)
    return ALL_DONE if made and code == NOTHING_TO_DO else code


def _complete_handoffs(
    output: "Place", treatment: "Treatment", report: Report, *, quiet: bool
) -> bool:
    """Make the projects of songs that were done before, and those of all songs together.

    Returns whether any were made. What can't be made is a warning, as it is for songs done now.
    """
    if not treatment.handoffs:  # then nothing is imported
        return False
    from stemkit.batch.handing import complete_handoffs
    from stemkit.cli.handoff import tell_handoffs

    done = frozenset(place for place in report.done if isinstance(place, Path))
    handed_off = complete_handoffs(output, treatment.handoffs, done)
    made, _ = tell_handoffs(handed_off, "warning", quiet=quiet)
    return made > 0


def follow(
    start: "Callable[[Crew], Generator[Outcome, None, None]]",
    spreading: "Spreading",
    report: Report,
) -> int:
    """Take the outcomes of a run, tell of them, and return the exit code; signals cancel it."""
    from stemkit.batch.cancel import CancelToken
    from stemkit.batch.run import Crew

    cancel = CancelToken()
    outcomes = start(Crew(spreading, cancel, report.progress))
    with cancel_on_signals(cancel), closing(outcomes):
        for outcome in outcomes:
            report.add(outcome)
        return report.end(interrupted=cancel.is_set())


def _show(findings: "Findings", batch: "Batch", report: Report) -> int:
    """Tell what would be done, and write nothing."""
    from stemkit.batch.driving import read
    from stemkit.batch.run import announce_plan

    output = batch.naming.output
    with read(output) as ledger:
        plan = batch.plan(findings, batch.settings, ledger)
    for fault in announce_plan(plan, output, report.plan):
        report.add(fault)
    return report.end(ran=False)


def _find_rounds(
    inputs: "tuple[Place, ...]", run: RunOptions, cancel: "CancelToken"
) -> "Iterator[Findings]":
    """Yield what the inputs lead to, and with --watch, until cancelled, what is dropped in."""
    if not run.watch:
        yield _find(inputs, run)
        return
    from stemkit.batch.watch import Watcher

    folders = [place for place in inputs if isinstance(place, Path)]
    if len(folders) < len(inputs) or not isinstance(run.output, Path) or not folders:
        raise click.UsageError("--watch follows folders of this machine, into one")
    with Watcher(folders, run.output, run.settle_seconds) as watcher:
        yield _find(inputs, run)
        for fresh in watcher.changes(cancel):
            present = tuple(place for place in folders if os.path.lexists(place))
            yield _find(present, run).limit_to(fresh)


def _find(inputs: "tuple[Place, ...]", run: RunOptions) -> "Findings":
    from stemkit.batch.find import find_audio

    if not inputs and run.files_from is None:
        raise click.UsageError("name an INPUT, or a list of them with --files-from")
    return find_audio(inputs, run.output, _read_list(run.files_from) if run.files_from else ())


def _read_list(name: str) -> "Iterator[Place | Fault]":
    """Yield the files that a list names, one a line or with NUL between them."""
    try:
        with click.open_file(name, "rb") as file:
            data = file.read()
    except OSError as error:
        raise click.UsageError(f"can't read the list {name}: {error.strerror}") from error
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # as PowerShell's > writes it
        data = data.decode("utf-16", "replace").encode()
    data = data.removeprefix(codecs.BOM_UTF8)
    separator = b"\0" if b"\0" in data else b"\n"
    for line in data.split(separator):
        text = line.removesuffix(b"\r") if separator == b"\n" else line
        if text:
            yield _read_listed(os.fsdecode(text))


def _read_listed(text: str) -> "Place | Fault":
    from stemkit.batch.find import Fault
    from stemkit.errors import OptionError

    try:
        return read_place(text)
    except OptionError as error:
        return Fault(Path(text), str(error))
