"""Pedalboard's call, and what it promises, for whatever can open a stream."""

import math
import operator
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from stemkit.errors import ArgumentTypeError, OptionError
from stemkit.samples import Samples
from stemkit.separation.arrays import Layout, check_array, find_layout, read_samples

HIGHEST_RATE = 2**31 - 1  # Hz, far beyond what any format holds

DEFAULT_BUFFER_SIZE = 8192  # Pedalboard's


class SampleStream(Protocol):
    """One signal on its way through a processor: blocks in, blocks out, nothing late."""

    def push(self, block: Samples) -> Samples:
        """Return what `block` completes, both (channels, frames); either may have no frames.

        The block is never written to, and must not be changed afterwards.
        """

    def flush(self, tail_frames: int = 0) -> Samples:
        """Return the rest, and end the stream.

        All output together has the frames that were pushed and `tail_frames` more, which hold
        what still rings after the end.
        """


class Processor(ABC):
    """Pedalboard's call and contract: an array in, an array of its layout out.

    One instance serves any number of threads, one call after another.
    """

    is_effect = True
    is_instrument = False

    def __init__(self) -> None:
        self._lock = threading.RLock()  # held while audio is processed
        self._layout: Layout | None = None  # of the last array; a square one is read like it
        self._sample_rate: int | None = None  # of the last call
        self._running: _Running | None = None

    @abstractmethod
    def open_stream(
        self, sample_rate: int, channels: int, buffer_size: int = DEFAULT_BUFFER_SIZE
    ) -> SampleStream:
        """Return a new stream, which knows nothing of any other or of `process`."""

    @abstractmethod
    def latency_at(self, sample_rate: int) -> int:
        """Return the most samples that a stream of this rate holds back after any `push`."""

    @property
    def settings(self) -> object:
        """What a stream depends on: once it is another, a board doesn't go on with the stream."""
        return None

    @property
    def own_sample_rate(self) -> int:
        """The rate that `latency_samples` is given at before any call."""
        return 44100

    @property
    def latency_samples(self) -> int:
        """The most samples that a stream holds back, at the rate of the last call.

        They are late only while a stream runs: what comes out is never shifted.
        """
        running = self._running
        rate = running.sample_rate if running else self._sample_rate
        return self.latency_at(rate or self.own_sample_rate)

    def process(
        self,
        input_array: npt.NDArray[np.floating],
        sample_rate: float,
        buffer_size: int = DEFAULT_BUFFER_SIZE,
        reset: bool = True,
    ) -> Samples:
        """Return the processed audio as a fresh float32 array of the input's layout.

        `input_array` is float32 or float64 of shape (frames,), (channels, frames) or (frames,
        channels): the smaller axis is the channels, and a square array has the layout of the one
        before it. With `reset` it is a whole signal, and as much comes out as went in. Without,
        it is the next block of a stream: less may come out, none of it late, and `flush` returns
        the rest. `buffer_size` never changes the result. What is refused changes nothing. A
        stream whose first blocks have no more frames than channels begins with an empty block,
        such as (2, 0), which tells them apart.

        Unlike Pedalboard: a block with fewer frames than channels is read like the block before
        it; NaN and infinity (NonFiniteError), a buffer size below 1, a rate that isn't a positive
        whole number, and a block with another rate or number of channels than its stream
        (OptionError) are ValueErrors.

        Raises ArgumentTypeError, a TypeError, for what isn't an array of float32 or float64, and
        LayoutError, a RuntimeError, for a first array that is square or has not 1 or 2 axes.
        """
        rate, size = check_rate(sample_rate), _check_buffer_size(buffer_size)
        array = check_array(input_array)
        with self._lock:
            stream = None if reset else self._running
            last = stream.layout if stream else self._layout
            layout = find_layout(array.shape, last, streaming=not reset)
            audio = read_samples(array, layout, copy=not reset)
            if reset:
                done = self._process_whole(audio, rate, size)
            else:
                done = self._process_block(audio, layout, rate, size)
            self._layout, self._sample_rate = layout, rate
            return layout.restore(done)

    def __call__(
        self,
        input_array: npt.NDArray[np.floating],
        sample_rate: float,
        buffer_size: int = DEFAULT_BUFFER_SIZE,
        reset: bool = True,
    ) -> Samples:
        """Return the processed audio; see `process`."""
        return self.process(input_array, sample_rate, buffer_size, reset)

    def flush(self) -> Samples:
        """Return what a stream of `reset=False` calls still holds, and end the stream.

        It has the layout of the stream's last block; without a stream it is empty.
        """
        with self._lock:
            running, self._running = self._running, None
            if running is None:
                layout = self._layout or Layout(1, channels_first=False, channels=1)
                return layout.restore(np.zeros((layout.channels, 0), np.float32))
            return running.layout.restore(running.stream.flush())

    def reset(self) -> None:
        """Drop the stream that runs, and forget the layout of the last array."""
        with self._lock:
            self._running = self._layout = None

    def _process_whole(self, audio: Samples, rate: int, buffer_size: int) -> Samples:
        if audio.shape[1] == 0:
            self._running = None
            return audio
        stream = self.open_stream(rate, len(audio), buffer_size)
        self._running = None
        return np.concatenate((stream.push(audio), stream.flush()), axis=1)

    def _process_block(
        self, audio: Samples, layout: Layout, rate: int, buffer_size: int
    ) -> Samples:
        channels, frames = audio.shape
        if self._running is not None:
            self._running.check(rate, channels)
        if frames == 0:
            return audio
        if self._running is None:
            stream = self.open_stream(rate, channels, buffer_size)
            self._running = _Running(stream, rate, channels, layout)
        self._running.layout = layout
        try:
            return self._running.stream.push(audio)
        except BaseException:  # some of the stream is lost, and what is left is no whole
            self._running = None
            raise


@dataclass
class _Running:
    """The stream of `reset=False` calls, and the layout of its last block."""

    stream: SampleStream
    sample_rate: int
    channels: int
    layout: Layout

    def check(self, sample_rate: int, channels: int) -> None:
        """Raise OptionError for a block that can't be the next one."""
        if (sample_rate, channels) != (self.sample_rate, self.channels):
            raise OptionError(
                f"a stream of {self.channels} channels at {self.sample_rate} Hz can't go on with "
                f"{channels} channels at {sample_rate} Hz; call flush() or reset() first"
            )


def check_rate(sample_rate: float) -> int:
    """Return the rate as a whole number; raises ArgumentTypeError and OptionError."""
    try:
        rate = None if isinstance(sample_rate, str | bytes) else float(sample_rate)
    except TypeError:
        rate = None
    except OverflowError:
        rate = math.inf
    if rate is None:
        raise ArgumentTypeError(f"sample_rate must be a number of Hz, not {sample_rate!r}")
    if not (1 <= rate <= HIGHEST_RATE and rate == int(rate)):
        raise OptionError(f"sample_rate must be a positive whole number of Hz, not {rate:g}")
    return int(rate)


def _check_buffer_size(buffer_size: int) -> int:
    """Return the size as an int; raises ArgumentTypeError and OptionError."""
    try:
        size = operator.index(buffer_size)
    except TypeError:
        raise ArgumentTypeError(
            f"buffer_size must be a whole number of frames, not {buffer_size!r}"
        ) from None
    if size < 1:
        raise OptionError(f"buffer_size must be 1 frame or more, not {size}")
    return min(size, 2**31 - 1)  # the most that Pedalboard takes
