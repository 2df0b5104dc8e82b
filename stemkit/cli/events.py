"""What `--json` prints: one of these objects a line, told apart by `event`.

Within a version fields and events may be added; none is removed and none changes its meaning.
"""

from dataclasses import dataclass
from typing import Literal

from stemkit.batch.jobs import Reason
from stemkit.cli.summary import Summary


@dataclass(frozen=True)
class PlannedJob:
    """A song that is to be done: `targets` are the files that it makes, by stem."""

    source: str
    targets: dict[str, str]
    reason: Reason


@dataclass(frozen=True)
class PlanEvent:
    """What is to be done; with --watch once for each time that something was dropped in."""

    jobs: list[PlannedJob]
    version: Literal[2] = 2
    event: Literal["plan"] = "plan"


@dataclass(frozen=True)
class SkippedEvent:
    """An input that nothing is done about, and why."""

    source: str
    reason: Literal["done", "not audio"]
    event: Literal["skipped"] = "skipped"


@dataclass(frozen=True)
class WarningEvent:
    """A file or folder that isn't as it should be, and what that means; the run goes on."""

    path: str
    warning: str
    event: Literal["warning"] = "warning"


@dataclass(frozen=True)
class StartedEvent:
    """A song that a worker took up, or with other backends than threading was handed out to one."""

    source: str
    event: Literal["started"] = "started"


@dataclass(frozen=True)
class ProgressEvent:
    """How far a song is, at most once a second; `total_seconds` is null where no header says it."""

    source: str
    audio_seconds: float
    total_seconds: float | None
    event: Literal["progress"] = "progress"


@dataclass(frozen=True)
class OutputFields:
    """A file that was written.

    `frames` and `peak` (1 is full scale) are of the stem before `gain_db`; the other levels as
    written, null for silence. `is_levelled` is whether a preset set the level. Of a file that was
    linked to one of an earlier run only `stem`, `path`, `size_bytes` and `sha256` are known.
    """

    stem: str
    path: str
    size_bytes: int
    sha256: str
    frames: int | None
    peak: float | None
    gain_db: float | None
    loudness_lufs: float | None
    true_peak_db: float | None
    energy_db: float | None
    peak_db: float | None
    is_levelled: bool


@dataclass(frozen=True)
class DoneEvent:
    """A song all of whose outputs are there; `seconds` is the time it took.

    `twin_of` is the song with the same content whose outputs these are, with --dedupe. `warnings`
    are lines on what went less well than it could: tags that can't be read, a project that could
    not be made.
    """

    source: str
    audio_seconds: float
    seconds: float
    outputs: list[OutputFields]
    twin_of: str | None
    warnings: list[str]
    event: Literal["done"] = "done"


@dataclass(frozen=True)
class FailedEvent:
    """A song of which nothing was written; `details` is a traceback if stemkit may be at fault."""

    source: str
    error: str
    details: str
    seconds: float
    event: Literal["failed"] = "failed"


@dataclass
class SummaryEvent(Summary):
    """How many songs became what; `planned` those that --dry-run only showed."""

    event: Literal["summary"] = "summary"


Event = (
    PlanEvent
    | SkippedEvent
    | WarningEvent
    | StartedEvent
    | ProgressEvent
    | DoneEvent
    | FailedEvent
    | SummaryEvent
)
