"""Separate or treat the songs of a plan, one bad file never stopping the rest."""

import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from stemkit.audio.decode import AudioReader
from stemkit.audio.stems import StemOutput, StemsWriter
from stemkit.batch.jobs import Job
from stemkit.batch.treatment import Treatment
from stemkit.effects.render import SONG, Renderer
from stemkit.errors import StemkitError
from stemkit.samples import Samples
from stemkit.separation.engine import Engine
from stemkit.separation.stems import Stems
from stemkit.weights.models import load_network

Progress = Callable[[float], None]
"""Told how many more seconds of audio have been separated."""


@dataclass(frozen=True)
class Done:
    """A song whose outputs are all there; `seconds` is the time it took."""

    job: Job
    outputs: tuple[StemOutput, ...]
    audio_seconds: float
    seconds: float


@dataclass(frozen=True)
class Failed:
    """A song that can't be treated, of which nothing was written.

    `error` is one line. `details` is a traceback where the fault may be ours, else empty.
    """

    job: Job
    error: str
    details: str
    seconds: float


Outcome = Done | Failed


def run_jobs(jobs: Iterable[Job], treatment: Treatment, progress: Progress) -> Iterator[Outcome]:
    """Yield the outcome of each job as it ends.

    Raises ModelError, DeviceError and PresetError for a treatment that can't be made ready.
    """
    studio = _Studio(treatment)
    for job in jobs:
        yield _run_job(job, studio, progress)


class _Studio:
    """A treatment made ready: its model loaded, its boards built."""

    def __init__(self, treatment: Treatment) -> None:
        self.output_format = treatment.output_format
        self.engine: Engine | None = None
        self.renderer: Renderer | None = None
        if treatment.preset is not None:
            self.renderer = Renderer(treatment.preset, allow_plugins=treatment.allow_plugins)
        if treatment.model is not None:
            self.engine = Engine(load_network(treatment.model), treatment.engine_options)

    def separate(self, blocks: Iterable[Samples], sample_rate: int) -> Iterator[Stems]:
        """Yield blocks of the stems, or of the song itself as the only one."""
        if self.engine is None:
            return ({SONG: block} for block in blocks)
        return self.engine.separate_blocks(blocks, sample_rate)


def _run_job(job: Job, studio: _Studio, progress: Progress) -> Outcome:
    """Treat one song; the only place where a file's failure is kept from the rest."""
    began = time.perf_counter()
    try:
        outputs, audio_seconds = _treat_file(job, studio, progress)
    except StemkitError as error:
        return Failed(job, _one_line(error), "", time.perf_counter() - began)
    except Exception as error:
        line = f"{type(error).__name__}: {_one_line(error)}"
        return Failed(job, line, traceback.format_exc(), time.perf_counter() - began)
    return Done(job, outputs, audio_seconds, time.perf_counter() - began)


def _treat_file(
    job: Job, studio: _Studio, progress: Progress
) -> tuple[tuple[StemOutput, ...], float]:
    with AudioReader(job.source) as reader:
        rate, channels = reader.info.sample_rate, reader.info.channels
        counter = _Counter(rate, progress)
        outputs = counter.watch(studio.separate(reader.blocks(), rate))
        levels = {}
        if renderer := studio.renderer:
            outputs = renderer.render(outputs, rate, channels)
            channels, levels = renderer.channels_out(channels), renderer.levels
        with StemsWriter(job.targets, rate, channels, studio.output_format, levels) as writer:
            for blocks in outputs:
                writer.write(blocks)
            written = writer.finish()
    return tuple(written.values()), counter.seconds


class _Counter:
    """Counts the audio of a song as it comes, and tells of it."""

    def __init__(self, sample_rate: int, progress: Progress) -> None:
        self.seconds = 0.0
        self._sample_rate = sample_rate
        self._progress = progress
        self._frames = 0

    def watch(self, blocks: Iterable[Stems]) -> Iterator[Stems]:
        for stems in blocks:
            yield stems
            frames = next(iter(stems.values())).shape[1]
            self._frames += frames
            self.seconds = self._frames / self._sample_rate
            self._progress(frames / self._sample_rate)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
