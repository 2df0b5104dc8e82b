"""Separate the songs of a plan, one bad file never stopping the rest."""

import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from stemkit.audio.decode import AudioReader
from stemkit.audio.encode import OutputFormat
from stemkit.audio.stems import StemOutput, StemsWriter
from stemkit.batch.jobs import Job
from stemkit.errors import StemkitError
from stemkit.separation.engine import Engine

Progress = Callable[[float], None]
"""Told how many more seconds of audio have been separated."""


@dataclass(frozen=True)
class Done:
    """A song whose stems are all there; `seconds` is the time it took."""

    job: Job
    outputs: tuple[StemOutput, ...]
    audio_seconds: float
    seconds: float


@dataclass(frozen=True)
class Failed:
    """A song that can't be separated, of which nothing was written.

    `error` is one line. `details` is a traceback where the fault may be ours, else empty.
    """

    job: Job
    error: str
    details: str
    seconds: float


Outcome = Done | Failed


def run_jobs(
    jobs: Iterable[Job], engine: Engine, output_format: OutputFormat, progress: Progress
) -> Iterator[Outcome]:
    """Yield the outcome of each job as it ends."""
    for job in jobs:
        yield run_job(job, engine, output_format, progress)


def run_job(job: Job, engine: Engine, output_format: OutputFormat, progress: Progress) -> Outcome:
    """Separate one song; the only place where a file's failure is kept from the rest."""
    began = time.perf_counter()
    try:
        outputs, audio_seconds = _separate_file(job, engine, output_format, progress)
    except StemkitError as error:
        return Failed(job, _one_line(error), "", time.perf_counter() - began)
    except Exception as error:
        line = f"{type(error).__name__}: {_one_line(error)}"
        return Failed(job, line, traceback.format_exc(), time.perf_counter() - began)
    return Done(job, outputs, audio_seconds, time.perf_counter() - began)


def _separate_file(
    job: Job, engine: Engine, output_format: OutputFormat, progress: Progress
) -> tuple[tuple[StemOutput, ...], float]:
    with AudioReader(job.source) as reader:
        rate, channels = reader.info.sample_rate, reader.info.channels
        frames = 0
        with StemsWriter(job.targets, rate, channels, output_format) as writer:
            for stems in engine.separate_blocks(reader.blocks(), rate):
                writer.write(stems)
                written = next(iter(stems.values())).shape[1]
                frames += written
                progress(written / rate)
            outputs = writer.finish()
    return tuple(outputs.values()), frames / rate


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
