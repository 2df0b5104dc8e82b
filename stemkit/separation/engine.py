"""Blocks of a song in, blocks of its stems out, at the song's own rate and channels.

Arrays, files and live streams all go this way; nothing has a second path for "long".
"""

import copy
import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice

import numpy as np
from torch import nn

from stemkit.audio.resample import Resampler, longest_delay
from stemkit.errors import OptionError
from stemkit.samples import Samples, check_finite
from stemkit.separation.ahead import map_ahead
from stemkit.separation.channels import join_pairs, split_pairs
from stemkit.separation.device import choose_placement, open_device, open_live_device
from stemkit.separation.guard import VOCALS, check_guard, guard_vocals
from stemkit.separation.options import DeviceName, EngineOptions, Precision
from stemkit.separation.predictor import Predictor, read_config
from stemkit.separation.queue import SampleQueue
from stemkit.separation.segments import Segmenter, Stitcher, plan_segments
from stemkit.separation.stems import Stems, choose_recipes
from stemkit.weights.models import Bag


class Engine:
    """A model ready to separate songs; one serves any number of songs and threads.

    `workers` is how many threads will separate songs at the same time. On a CPU as many steps of
    the network run at once, or more, each on its share of the cores; a GPU has lanes of its own
    number. `shares_memory` tells that other processes of this machine separate songs too.
    Raises OptionError for less than one, and DeviceError for a device that isn't there.
    """

    def __init__(
        self,
        network: nn.Module,
        options: EngineOptions | None = None,
        workers: int = 1,
        *,
        shares_memory: bool = False,
    ) -> None:
        if workers < 1:
            raise OptionError(f"an engine serves 1 worker or more, not {workers}")
        self._config = read_config(network)
        self.workers = workers
        self._set_options(options or EngineOptions())
        self.placement = choose_placement(self.options.device, self.options.precision)
        if isinstance(network, Bag):  # a network whose stems nobody wants needn't be held
            network = network.select(self._needed)
        # torch's loader of compiled networks holds Python's lock while they run.
        self._device = open_device(
            self.placement,
            workers,
            is_exclusive=self.options.compiled,
            shares_memory=shares_memory,
        )
        self.predictor = Predictor(
            network,
            self._device,
            self.options.batch_size,
            self.plan.segment_frames,
            compiled=self.options.compiled,
        )

    def with_options(self, options: EngineOptions) -> "Engine":
        """Return an engine for other options that shares the prepared network, without a copy.

        Raises OptionError for another device or precision, for one that is compiled where this one
        isn't, and for a stem that needs a network of a bag which this engine didn't, and so left
        out.
        """
        if _name_preparation(options) != _name_preparation(self.options):
            raise OptionError(
                "one prepared network can't be on two devices, in two precisions, or compiled and "
                "not"
            )
        other = copy.copy(self)
        other._set_options(options)
        if missing := other._needed - set(self.sources):
            raise OptionError(f"this engine left out the network of {', '.join(sorted(missing))}")
        other.predictor = self.predictor.share(
            other._needed, options.batch_size, other.plan.segment_frames
        )
        return other

    def with_stems(self, stems: tuple[str, ...] | None) -> "Engine":
        """Return an engine for other stems that shares the prepared network; see `with_options`."""
        return self.with_options(dataclasses.replace(self.options, stems=stems))

    def live(self) -> "Engine":
        """Return an engine that shares the network, for streams, which wait for each step."""
        other = copy.copy(self)
        other._device = open_live_device(self._device)
        other.predictor = self.predictor.move(other._device)
        return other

    def _set_options(self, options: EngineOptions) -> None:
        recipes = choose_recipes(self._config.sources, options.stems)
        if options.guard:
            check_guard(recipes)
        self.options, self.recipes = options, recipes
        self.plan = plan_segments(
            options.segment_seconds,
            options.overlap_seconds,
            self._config.sample_rate,
            self._config.grid_samples,
        )

    @property
    def model_sources(self) -> tuple[str, ...]:
        """The names of all sources of the model, whether or not they are computed."""
        return self._config.sources

    @property
    def _needed(self) -> set[str]:
        return {name for recipe in self.recipes for name in recipe.needed}

    @property
    def sample_rate(self) -> int:
        """The rate of the network, in Hz."""
        return self._config.sample_rate

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources that are computed, in order."""
        return self.predictor.sources

    @property
    def stems(self) -> tuple[str, ...]:
        """The names of the stems that come out, in order."""
        return tuple(recipe.name for recipe in self.recipes)

    @property
    def portion(self) -> int:
        """How many segments a song brings at a time: those of all workers fill all lanes."""
        batch_size = self.predictor.batch_size
        return min(batch_size, math.ceil(batch_size * self._device.lanes / self.workers))

    @property
    def steps_of_a_song(self) -> int:
        """How many steps of a song run at once: those of all workers fill all lanes."""
        return math.ceil(self._device.lanes / self.workers)

    def latency_at(self, sample_rate: int) -> int:
        """Return the most frames of a song of this rate that are held back after a block."""
        held = self.plan.segment_frames + (self.portion - 1) * self.plan.hop_frames
        if sample_rate == self.sample_rate:
            return held
        held += longest_delay(self.sample_rate, sample_rate)
        rounding = 2  # a frame at each conversion
        return (
            math.ceil(held * sample_rate / self.sample_rate)
            + longest_delay(sample_rate, self.sample_rate)
            + rounding
        )

    def predict(self, segments: list[Samples]) -> list[Samples]:
        """Return the sources of segments of (2, frames), each (sources, 2, frames)."""
        found = self.predictor.predict(segments)
        if self.options.guard and VOCALS in self.sources:
            vocals = self.sources.index(VOCALS)
            for segment, sources in zip(segments, found, strict=True):
                sources[vocals] = guard_vocals(segment, sources[vocals], self.sample_rate)
        return found

    def separate(
        self, mix: Samples, sample_rate: int, check: Callable[[], None] = lambda: None
    ) -> Stems:
        """Return the stems of a whole song, each of the shape of `mix`, (channels, frames).

        See `separate_blocks` for `check`.
        """
        nothing = dict.fromkeys(self.stems, mix[:, :0])
        parts = [nothing, *self.separate_blocks([mix], sample_rate, check)]
        return {stem: np.concatenate([p[stem] for p in parts], axis=1) for stem in self.stems}

    def separate_blocks(
        self,
        blocks: Iterable[Samples],
        sample_rate: int,
        check: Callable[[], None] = lambda: None,
    ) -> Iterator[Stems]:
        """Yield the stems of a song that comes in blocks of (channels, frames).

        Together they have the song's frames, channels and rate, without lag. Several segments are
        read ahead. `check` is called again and again while steps are waited for, and what it
        raises ends them. Raises NonFiniteError for NaN or infinity in the song, and DeviceError.
        """
        blocks = iter(blocks)
        first = next(blocks, None)
        if first is not None:
            stream = StemStream(self, sample_rate, len(first))
            yield from stream.separate(chain([first], blocks), check)


def _name_preparation(options: EngineOptions) -> tuple[DeviceName, Precision, bool]:
    return options.device, options.precision, options.compiled


class StemStream:
    """One song on its way through an engine."""

    def __init__(self, engine: Engine, sample_rate: int, channels: int) -> None:
        planes = channels + channels % 2
        self._engine = engine
        self._channels = channels
        self._sample_rate = sample_rate
        self._frames_in = 0
        self._mix = SampleQueue()  # what has no stems yet
        self._down = Resampler(sample_rate, engine.sample_rate, planes)
        self._up = Resampler(engine.sample_rate, sample_rate, len(engine.sources) * planes)
        self._segmenter = Segmenter(engine.plan)
        self._stitcher = Stitcher(engine.plan)
        self._waiting: list[Samples] = []  # each (2, frames)

    def push(self, block: Samples) -> Iterator[Stems]:
        """Yield what `block`, (channels, frames), completes; often nothing."""
        for portion in self._cut(block):
            yield from self._join(self._engine.predict(portion))

    def flush(self) -> Iterator[Stems]:
        """Yield the rest of the song."""
        for portion in self._cut_rest():
            yield from self._join(self._engine.predict(portion))
        yield from self._end()

    def separate(self, blocks: Iterable[Samples], check: Callable[[], None]) -> Iterator[Stems]:
        """Yield all of a song that comes in blocks; its steps run ahead in other threads."""
        portions = chain(chain.from_iterable(map(self._cut, blocks)), self._cut_rest())
        engine = self._engine
        if engine.workers == 1:
            begin = list(islice(portions, 2))
            if len(begin) == 1:  # nothing runs beside it
                engine = engine.live()
            portions = chain(begin, portions)
        for found in map_ahead(engine.predict, portions, engine.steps_of_a_song, check):
            yield from self._join(found)
        yield from self._end()

    def _cut(self, block: Samples) -> Iterator[list[Samples]]:
        """Yield the portions of segments that `block` completes, a segment for each pair."""
        check_finite(block, self._frames_in, self._sample_rate)
        self._frames_in += block.shape[1]
        self._mix.push(block)
        yield from self._gather(self._segmenter.push(self._down.process(split_pairs(block))))

    def _cut_rest(self) -> Iterator[list[Samples]]:
        yield from self._gather(self._segmenter.push(self._down.flush()))
        yield from self._gather(self._segmenter.flush())
        if self._waiting:
            yield self._take_waiting()

    def _gather(self, segments: Iterator[Samples]) -> Iterator[list[Samples]]:
        for segment in segments:
            self._waiting += np.split(segment, len(segment) // 2)
            if len(self._waiting) >= self._engine.portion:
                yield self._take_waiting()

    def _take_waiting(self) -> list[Samples]:
        waiting, self._waiting = self._waiting, []
        return waiting

    def _join(self, found: list[Samples]) -> Iterator[Stems]:
        """Yield what is settled by the sources, (sources, 2, frames), of a portion's segments."""
        pairs = (self._channels + 1) // 2
        for first in range(0, len(found), pairs):
            whole = np.concatenate(found[first : first + pairs], axis=1)
            settled = self._stitcher.push(whole)  # (sources, planes, frames)
            yield from self._release(self._up.process(_stack(settled)))

    def _end(self) -> Iterator[Stems]:
        tail = self._stitcher.flush()
        if tail is not None:
            yield from self._release(self._up.process(_stack(tail)))
        yield from self._release(self._up.flush(self._frames_in))

    def _release(self, planes: Samples) -> Iterator[Stems]:
        """Yield the stems of (sources * planes, frames), which are the next of the song."""
        frames = planes.shape[1]
        if frames == 0:
            return
        mix = self._mix.take(frames)
        shape = (len(self._engine.sources), -1, frames)
        estimates = join_pairs(planes.reshape(shape), self._channels)
        sources = dict(zip(self._engine.sources, estimates, strict=True))
        yield {recipe.name: recipe.make(mix, sources) for recipe in self._engine.recipes}


def _stack(sources: Samples) -> Samples:
    """Return (sources * planes, frames) of (sources, planes, frames)."""
    return sources.reshape(sources.shape[0] * sources.shape[1], sources.shape[2])
