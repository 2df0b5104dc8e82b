"""The record of a track: made once its stems are written, and kept where the user wants it."""

import hashlib
import json
import platform
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from stemkit import __version__
from stemkit.audio.info import AudioInfo
from stemkit.audio.meter import Measured
from stemkit.audio.tags.metadata import Metadata, Tags, name_program
from stemkit.batch.jobs import Job
from stemkit.batch.ledger import Ledger
from stemkit.batch.outcomes import Done, SourceState, Written
from stemkit.batch.settings import Settings
from stemkit.batch.treatment import Treatment
from stemkit.errors import EncodeError, RecordError
from stemkit.files import readable_name, replace_content, replace_file, writing
from stemkit.storage.names import name_place
from stemkit.storage.transfer import published
from stemkit.tracks.names import RUN_RECORD
from stemkit.tracks.record import (
    MarkerRecord,
    ModelRecord,
    RunRecord,
    SourceRecord,
    StemRecord,
    TagsRecord,
    TrackRecord,
    read_record,
)
from stemkit.weights.sources import as_path, name_model

if TYPE_CHECKING:
    from stemkit.storage.places import Place

_COMPUTING = ("torch", "numpy", "pedalboard", "soxr", "soundfile", "av")


@dataclass(frozen=True)
class Heard:
    """A song as it was read to its end."""

    info: AudioInfo
    frames: int
    levels: Measured
    metadata: Metadata


def make_record(
    job: Job,
    state: SourceState,
    heard: Heard,
    outputs: Sequence[Written],
    channels: int,
    treatment: Treatment,
    settings: Settings,
    warnings: Sequence[str] = (),
) -> TrackRecord:
    """Return the record of a song's outputs, of so many channels."""
    info, effective = heard.info, json.loads(settings.effective)
    rate, output_format = info.sample_rate, treatment.output_format
    mix = treatment.preset.mix if treatment.preset else None
    return TrackRecord(
        name=readable_name(job.source.stem),
        source=SourceRecord(
            **asdict(heard.levels),
            path=readable_name(name_place(job.source)),
            size_bytes=state.size_bytes,
            sha256=state.sha256,
            container=info.container,
            codec=info.codec,
            sample_rate=rate,
            channels=info.channels,
            frames=heard.frames,
        ),
        stems=[
            StemRecord(
                stem=output.stem,
                file=_name_beside(job, output.stem, treatment),
                size_bytes=output.size_bytes,
                sha256=output.sha256,
                sample_rate=rate,
                file_sample_rate=output_format.encoded_rate(rate),
                channels=channels,
                frames=output.frames or 0,
                gain_db=output.gain_db or 0.0,
                is_levelled=output.is_levelled,
                is_mix=mix is not None and output.stem == mix.name,
                peak_db=output.peak_db,
                true_peak_db=output.true_peak_db,
                loudness_lufs=output.loudness_lufs,
                energy_db=output.energy_db,
            )
            for output in outputs
        ],
        model=_describe_model(treatment, effective["model"]),
        preset=None if treatment.preset is None else treatment.preset.place,
        settings=effective,
        versions=_list_versions(),
        tags=_describe_tags(heard.metadata.tags),
        markers=[
            MarkerRecord(
                frame=marker.frame, label=readable_name(marker.label), frames=marker.frames
            )
            for marker in heard.metadata.markers
        ],
        time_reference=heard.metadata.time_reference,
        warnings=list(warnings),
    )


@cache
def _list_versions() -> dict[str, str]:
    ours = {"stemkit": __version__, "python": platform.python_version()}
    return ours | {name: version(name) for name in _COMPUTING}


def describe_program(treatment: Treatment) -> str:
    """Return who encodes the outputs: stemkit, the model and the preset."""
    model = None if treatment.model is None else name_model(treatment.model)
    preset = None if treatment.preset is None else treatment.preset.place
    return name_program(__version__, model, preset)


Record = TypeVar("Record", TrackRecord, RunRecord)


def write_record(path: Path, record: TrackRecord) -> list[str]:
    """Write the record of a track to a file of its own; return what to warn of, a line each.

    Raises EncodeError where that can't be written, or is there and no record.
    """
    before = require_record(path, TrackRecord)
    forgotten = ", ".join(_list_forgotten(path.parent, before, record))
    text = record.model_dump_json(indent=1)
    with writing(path, EncodeError):
        replace_content(path, (text + "\n").encode())
    if not forgotten:
        return []
    return [
        f"its record replaces that of {forgotten}, whose files stay; give them a folder of their "
        f"own"
    ]


def _list_forgotten(folder: Path, before: TrackRecord | None, record: TrackRecord) -> list[str]:
    """Return the stems of an earlier record in `folder` whose files `record` leaves out."""
    kept = {name for one in record.stems for name in (one.stem, one.file)}
    stems = before.stems if before else []
    left = (one for one in stems if kept.isdisjoint((one.stem, one.file)))
    return [one.stem for one in left if (folder / one.file).is_file()]


def require_record(path: Path, kind: type[Record]) -> Record | None:
    """Return the record that another would replace, if there is one that can be read.

    Raises EncodeError for a file or folder that is none.
    """
    try:
        with writing(path, EncodeError):  # its name may be too long
            if not path.exists() and not path.is_symlink():
                return None
            found = read_record(path) if path.is_file() else None
    except RecordError:  # damaged, or of another stemkit
        return None
    if not isinstance(found, kind):
        raise EncodeError(f"{path} isn't a record of stemkit's; move it away")
    return found


def record_twin(job: Job, record: TrackRecord, treatment: Treatment) -> TrackRecord:
    """Return the record of a song with the content of another, whose record is given."""
    source = record.source.model_copy(update={"path": readable_name(name_place(job.source))})
    stems = [
        one.model_copy(update={"file": _name_beside(job, one.stem, treatment)})
        for one in record.stems
    ]
    name = readable_name(job.source.stem)
    return record.model_copy(update={"name": name, "source": source, "stems": stems})


def find_record(done: Done, ledger: Ledger) -> TrackRecord | None:
    """Return the record of what was done, now or in an earlier run, if there is one."""
    text = done.record or ledger.find_record(done.job.name)
    if text:
        return TrackRecord.model_validate_json(text)
    if not done.job.record_name or not isinstance(done.job.record, Path):
        return None
    if not done.job.record.is_file():
        return None
    found = read_record(done.job.record)
    return found if isinstance(found, TrackRecord) else None


def publish_run_record(ledger: Ledger, output: "Place") -> None:
    """Write the records that the ledger keeps, if any, to the one file of the output folder.

    Where it has kept some and keeps none any more, the file is emptied. Raises EncodeError where it
    can't be written.
    """
    if next(ledger.records(), None) is None and not (
        ledger.has_kept_records and _holds_run_record(output)
    ):
        return
    check_run_record(output)
    with (
        published({"run": output / RUN_RECORD}) as files,
        writing(output / RUN_RECORD, EncodeError),
    ):
        replace_file(files["run"], lambda temporary: _write_run(temporary, ledger.records()))


def check_run_record(output: "Place") -> None:
    """Raise EncodeError where the one file of all records would replace another."""
    if isinstance(output, Path):
        require_record(output / RUN_RECORD, RunRecord)


def _holds_run_record(output: "Place") -> bool:
    """Return whether a folder's one file of all records is there; of a store it isn't known."""
    if not isinstance(output, Path):
        return True
    try:
        return isinstance(read_record(output / RUN_RECORD), RunRecord)
    except RecordError:
        return False


def _write_run(path: Path, records: Iterator[str]) -> None:
    head, tail = RunRecord(tracks=[]).model_dump_json().split("[]")
    with path.open("w", encoding="utf-8") as file:
        file.write(f"{head}[")
        for number, record in enumerate(records):
            file.write(f"{',' if number else ''}\n{record}")
        file.write(f"\n]{tail}\n")


def _name_beside(job: Job, stem: str, treatment: Treatment) -> str:
    """Return a stem's file as its record names it."""
    name = job.target_names[stem]
    if treatment.provenance == "track":
        name = posixpath.relpath(name, posixpath.dirname(job.record_name) or ".")
    return readable_name(name)


def _describe_model(treatment: Treatment, hashes: list[str] | None) -> ModelRecord | None:
    if treatment.model is None or not hashes:
        return None
    whole = hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
    path = as_path(treatment.model)
    name = str(path.absolute() if path else treatment.model)
    return ModelRecord(name=readable_name(name), sha256=whole)


def _describe_tags(tags: Tags) -> TagsRecord:
    fields = TagsRecord.model_fields
    return TagsRecord(**{name: readable_name("; ".join(getattr(tags, name))) for name in fields})
