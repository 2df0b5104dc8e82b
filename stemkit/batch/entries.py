"""The rows of a ledger."""

import json
import os
from dataclasses import dataclass
from typing import Literal, get_args

from stemkit.batch.outcomes import SourceState

Status = Literal["pending", "running", "done", "failed", "interrupted"]

COLUMNS = (
    "name", "source", "targets", "status", "fingerprint", "attempts", "size_bytes", "mtime_ns",
    "sha256", "outputs", "audio_seconds", "seconds", "error", "changed",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class OutputFile:
    """An output as the ledger knows it; `path` is relative to the output folder."""

    stem: str
    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A row: what is known of one job.

    `targets` are the files that it writes, by stem, and `record_name` that of the track's record,
    all relative to the output folder. `state` is the input as it was when the job was done,
    `changed` when the row was last written (UTC).
    """

    name: str
    source: str
    targets: dict[str, str]
    status: Status
    fingerprint: str
    attempts: int
    state: SourceState | None
    outputs: tuple[OutputFile, ...]
    audio_seconds: float
    seconds: float
    error: str
    changed: str
    record_name: str = ""


@dataclass(frozen=True, slots=True)
class Driver:
    """The process that writes into an output folder."""

    pid: int
    host: str
    since: str


UNCERTAIN = (-1, "")
"""Size and hash of an output that a killed run may have replaced: it is stemkit's own."""

RECORD_KEY = ""
"""Where the record's name stands among the targets of a row; no stem is called so."""


def bind(value: object) -> object:
    """Return a text that isn't Unicode, as file names may be, as the bytes that it stands for."""
    if isinstance(value, str) and not value.isascii():
        raw = os.fsencode(value)
        return value if raw.decode(errors="ignore") == value else raw
    return value


def to_entry(row: tuple) -> Entry:  # type: ignore[type-arg]
    """Return the entry of a row of `COLUMNS`."""
    fields = dict(zip(COLUMNS, row, strict=True))
    size, mtime, sha256 = (fields.pop(key) for key in ("size_bytes", "mtime_ns", "sha256"))
    for key in ("name", "source", "error"):
        fields[key] = os.fsdecode(fields[key])
    if fields["status"] not in get_args(Status):
        raise ValueError(f"no status {fields['status']!r}")
    fields["targets"] = _read_targets(fields["targets"])
    fields["record_name"] = fields["targets"].pop(RECORD_KEY, "")
    fields["outputs"] = tuple(OutputFile(**output) for output in json.loads(fields["outputs"]))
    return Entry(**fields, state=SourceState(size, mtime, sha256) if sha256 else None)


def _read_targets(text: str) -> dict[str, str]:
    targets = json.loads(text)
    if not isinstance(targets, dict) or not all(isinstance(t, str) for t in targets.values()):
        raise ValueError("targets that are none")
    return targets
