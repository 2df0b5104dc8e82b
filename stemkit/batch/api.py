"""Separating files from Python, with everything that the command has."""

import logging
from collections.abc import Generator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from stemkit.batch.cancel import CancelToken
from stemkit.batch.find import Findings, find_audio
from stemkit.batch.handing import complete_handoffs
from stemkit.batch.outcomes import Done, Outcome, Tell
from stemkit.batch.request import OutputOptions, request_separation
from stemkit.batch.run import Batch, Crew, run_batch
from stemkit.effects.preset import check_preset, load_preset
from stemkit.effects.schema import Preset
from stemkit.errors import ArgumentTypeError
from stemkit.separation.options import EngineOptions
from stemkit.spreading.spread import Spreading
from stemkit.storage.places import parse_place

logger = logging.getLogger("stemkit")


def separate_files(
    inputs: str | Path | Iterable[str | Path],
    output: str | Path,
    *,
    model: str | Path | None = None,
    stems: Iterable[str] | None = None,
    preset: str | Path | Preset | None = None,
    output_options: OutputOptions | None = None,
    engine_options: EngineOptions | None = None,
    spreading: Spreading | None = None,
    overwrite: bool = False,
    dedupe: bool = False,
    allow_plugins: bool = False,
    progress: Tell | None = None,
    cancel: CancelToken | None = None,
) -> Generator[Outcome, None, None]:
    """Separate songs and folders of songs into `output`; yield what becomes of each as it ends.

    All may be paths or URLs, such as s3://bucket/folder.

    An outcome is a `Done`, a `Failed`, or after `cancel.cancel()` a `Dropped`. What the ledger in
    `output` knows as done isn't done again, and yields nothing. `output_options` say what files are
    made, tags, records and projects for other programs among it; what can't be made of projects of
    all songs, or of songs that were done before, is a warning of the logger "stemkit", and so are
    inputs without any audio. `progress` is called from several threads. The work goes on only while
    outcomes are taken; closing the iterator stops it.

    Raises at once PlanError for inputs that aren't there, and OptionError, ModelError or
    PresetError for what can't be done, and ArgumentTypeError for what is of no type that fits;
    while it runs LedgerError, DeviceError and ModelError.
    """
    options = OutputOptions() if output_options is None else output_options
    engine_options = EngineOptions() if engine_options is None else engine_options
    spreading = Spreading() if spreading is None else spreading
    cancel = CancelToken() if cancel is None else cancel
    given = [*inputs] if isinstance(inputs, Iterable) and not isinstance(inputs, str) else [inputs]
    for one in given:
        _require("inputs", one, str | Path, "paths or URLs")
    _require("output", output, str | Path, "a path or URL")
    _require("model", model, str | Path | None, "a name or a Path")
    _require("preset", preset, str | Path | Preset | None, "a name, a Path or a Preset")
    _require("output_options", options, OutputOptions, "OutputOptions")
    _require("engine_options", engine_options, EngineOptions, "EngineOptions")
    _require("spreading", spreading, Spreading, "a Spreading")
    _require("cancel", cancel, CancelToken, "a CancelToken")
    if progress is not None and not callable(progress):
        raise ArgumentTypeError(f"progress must be a function, not {progress!r}")
    if stems is not None:
        engine_options = replace(engine_options, stems=stems)  # type: ignore[arg-type]  # is read
    if isinstance(preset, Preset):
        check_preset(preset)  # its plugins are checked with the rest of the request
    elif preset is not None:
        preset = load_preset(preset)
    naming, treatment = request_separation(
        parse_place(str(output)), options, model, preset, engine_options,
        allow_plugins=allow_plugins,
    )  # fmt: skip
    findings = find_audio([parse_place(str(one)) for one in given], naming.output)
    for folder in findings.left_out:
        logger.warning("the stems in %s are left out: stemkit wrote them", folder)
    if not findings.audio and not findings.faults:
        logger.warning("no audio in %s", ", ".join(map(str, given)))
    batch = Batch(naming, treatment, overwrite, dedupe)
    return _carry_out(findings, batch, Crew(spreading, cancel.branch(), progress or _ignore))


def _require(name: str, value: object, kinds: Any, wanted: str) -> None:
    if not isinstance(value, kinds):
        raise ArgumentTypeError(f"{name} must be {wanted}, not {value!r}")


def _carry_out(findings: Findings, batch: Batch, crew: Crew) -> Generator[Outcome, None, None]:
    """Run a batch, then make the projects that songs done before lack, and those of all songs."""
    output, handoffs = batch.naming.output, batch.treatment.handoffs
    done: set[Path] = set()
    for outcome in run_batch(iter([findings]), batch, crew, _ignore):
        if isinstance(outcome, Done) and outcome.twin_of is None and isinstance(output, Path):
            done.add(output / outcome.job.name)
        yield outcome
    if crew.cancel.is_set():
        return
    for folder, made in complete_handoffs(output, handoffs, frozenset(done)):
        for fault in [made] if isinstance(made, str) else made.faults:
            logger.warning("%s: %s", folder, fault)


def _ignore(_: object) -> None: ...
