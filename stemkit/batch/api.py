"""Separating files from Python, with everything that the command has."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from stemkit.batch.cancel import CancelToken
from stemkit.batch.find import find_audio
from stemkit.batch.outcomes import Outcome, Tell
from stemkit.batch.request import OutputOptions, request_separation
from stemkit.batch.run import Batch, Crew, run_batch
from stemkit.effects.preset import load_preset
from stemkit.effects.schema import Preset
from stemkit.errors import ArgumentTypeError
from stemkit.separation.options import EngineOptions
from stemkit.spreading.spread import Spreading
from stemkit.storage.places import parse_place


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
) -> Iterator[Outcome]:
    """Separate songs and folders of songs into `output`; yield what becomes of each as it ends.

    All may be paths or URLs, such as s3://bucket/folder.

    An outcome is a `Done`, a `Failed`, or after `cancel.cancel()` a `Dropped`. What the ledger in
    `output` knows as done isn't done again, and yields nothing. `output_options` say what files are
    made, tags, records and projects for other programs among it. `progress` is called from several
    threads. The work goes on only while outcomes are taken; closing the iterator stops it.

    Raises at once PlanError for inputs that aren't there, and OptionError, ModelError or
    PresetError for what can't be done, and ArgumentTypeError for what is of no type that fits;
    while it runs LedgerError, DeviceError and ModelError.
    """
    given = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    if not isinstance(output, str | Path):
        raise ArgumentTypeError(f"output must be a path or URL, not {output!r}")
    if model is not None and not isinstance(model, str | Path):
        raise ArgumentTypeError(f"model must be a name or a Path, not {model!r}")
    if isinstance(stems, str):
        raise ArgumentTypeError(f"stems must be several names, not {stems!r}")
    engine_options = engine_options or EngineOptions()
    if stems is not None:
        engine_options = replace(engine_options, stems=tuple(stems))
    if isinstance(preset, str | Path):
        preset = load_preset(preset)
    naming, treatment = request_separation(
        parse_place(str(output)),
        output_options or OutputOptions(),
        model,
        preset,
        engine_options,
        allow_plugins=allow_plugins,
    )
    crew = Crew(spreading or Spreading(), cancel or CancelToken(), progress or _ignore)
    findings = find_audio([parse_place(str(one)) for one in given], naming.output)
    return run_batch(iter([findings]), Batch(naming, treatment, overwrite, dedupe), crew, _ignore)


def _ignore(_: object) -> None: ...
