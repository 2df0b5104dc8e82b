"""What can become of a job."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stemkit.batch.jobs import Job

if TYPE_CHECKING:
    from stemkit.storage.places import Place


@dataclass(frozen=True, slots=True)
class SourceState:
    """An input as it was read; a file whose size and mtime are these is taken to be unchanged."""

    size_bytes: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Written:
    """An output file and the audio in it.

    `frames` and `peak` (1 is full scale) are of the stem before `gain_db` was added to it; the
    other levels are as written. `is_levelled` is whether the preset set its level. See
    `audio.stems.StemOutput`. Of a file of an earlier run only its bytes are known.
    """

    stem: str
    path: "Place"
    size_bytes: int
    sha256: str
    frames: int | None = None
    peak: float | None = None
    gain_db: float | None = None
    loudness_lufs: float | None = None
    true_peak_db: float | None = None
    energy_db: float | None = None
    peak_db: float | None = None
    is_levelled: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """A song whose outputs are all there; `seconds` is the time it took.

    `twin_of` is the input whose outputs these are linked to or copied from, if nothing was
    separated since that one has the same content. `warnings` are lines on what went less well than
    it could. `record` is the track's record, as JSON, if one is kept.
    """

    job: Job
    source: SourceState
    outputs: tuple[Written, ...]
    audio_seconds: float
    seconds: float
    twin_of: "Place | None" = None
    warnings: tuple[str, ...] = ()
    record: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """A song that can't be treated.

    `error` is one line. `details` is a traceback where the fault may be stemkit's own, else empty.
    `written` are the outputs that had taken their names by then, each whole: none as a rule.
    """

    job: Job
    error: str
    details: str = ""
    seconds: float = 0.0
    written: tuple[Written, ...] = ()


@dataclass(frozen=True, slots=True)
class Dropped:
    """A song that was left half-way because the run was cancelled; nothing of it was written."""

    job: Job


Outcome = Done | Failed | Dropped


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is, in seconds of audio; `total_seconds` is None where its file doesn't say."""

    job: Job
    audio_seconds: float
    total_seconds: float | None


Tell = Callable[[Progress], None]
"""Told when a job begins, with 0 s, and then again and again."""
