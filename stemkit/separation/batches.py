"""Segments of many callers in one queue, run through a network in full batches.

No thread is kept for it: of the callers that wait, whoever finds a free lane runs the next batch.
"""

import logging
import sys
import threading
import traceback
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from stemkit.errors import DeviceError
from stemkit.samples import Samples
from stemkit.separation.device import Device, is_memory_error

_logger = logging.getLogger("stemkit")


@dataclass(frozen=True)
class Step:
    """What a batch goes through. Of networks in one queue, the sources tell which it is."""

    network: nn.Module
    sources: tuple[str, ...]
    batch_size: int


@dataclass(eq=False)
class _Call:
    """What became of a caller."""

    step: Step
    error: Exception | None = None
    has_left: bool = False


@dataclass(eq=False)
class _Item:
    """A segment of a caller, and what became of it."""

    call: _Call
    segment: Samples
    result: Samples | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """Segments with one key may share a batch."""
        return self.call.step.sources, self.call.step.batch_size, self.segment.shape

    @property
    def is_settled(self) -> bool:
        return self.result is not None or self.call.error is not None or self.call.has_left


@dataclass(frozen=True)
class _Batch:
    items: list[_Item]
    lanes: int  # how many batches might run at once, this one included


class Batches:
    """The queue and the lanes of a prepared network; all who run it in this process share them.

    The segment that has waited longest is next, and takes along those like it. Where memory runs
    out, batches are halved for good, and then the lanes.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        # An interrupt between `with` and its block can leave a Condition locked, but no RLock.
        self._lock = threading.RLock()  # guards what follows
        self._changed = threading.Condition(self._lock)
        self._waiting: list[_Item] = []
        self._running: dict[_Call, _Batch] = {}  # by who runs it
        self._lanes = device.lanes
        self._most = sys.maxsize  # segments in a batch, whatever was asked for
        self._has_warned = False

    def run(self, step: Step, segments: Sequence[Samples]) -> list[Samples]:
        """Return (sources, channels, frames) for each segment of shape (channels, frames).

        Blocks until all are there, and may run segments of others meanwhile. Raises DeviceError
        where one segment is too much for the memory, and whatever a batch raises in which one of
        these segments is.
        """
        call = _Call(step)
        items = [_Item(call, segment) for segment in segments]
        try:
            with self._lock:
                self._waiting += items
            while batch := self._await_turn(call, items):
                self._run(batch)
                self._release(call)
        finally:
            self._leave(call)
        if call.error is not None:
            raise call.error
        return [item.result for item in items if item.result is not None]

    def _await_turn(self, call: _Call, items: list[_Item]) -> _Batch | None:
        """Return the batch that this caller is to run; None once its own segments are settled."""
        with self._lock:
            while not all(item.is_settled for item in items):
                is_queued = any(item.call is call for item in self._waiting)
                if is_queued and len(self._running) < self._lanes:
                    return self._take(call)
                self._changed.wait()
        return None

    def _take(self, call: _Call) -> _Batch:
        first = self._waiting[0]
        alike = [item for item in self._waiting if item.key == first.key]
        batch = _Batch(alike[: min(first.call.step.batch_size, self._most)], self._lanes)
        self._running[call] = batch  # before they leave the queue: an interrupt loses none
        self._waiting = [item for item in self._waiting if item not in batch.items]
        return batch

    def _run(self, batch: _Batch) -> None:
        network = batch.items[0].call.step.network
        try:
            mixes = np.stack([item.segment for item in batch.items])  # (batch, channels, frames)
            results = self._device.run(network, mixes)  # (batch, sources, channels, frames)
        except Exception as error:  # it goes to all whose segments these are
            if is_memory_error(error):
                self._lower(batch, error)
            else:
                _fail(batch, error)
            return
        for item, result in zip(batch.items, results, strict=True):
            item.result = result

    def _lower(self, batch: _Batch, error: Exception) -> None:
        """Use less memory from now on; a segment that was alone in it fails."""
        traceback.clear_frames(error.__traceback__)  # which hold what fills the memory
        self._device.free_memory()
        count, place = len(batch.items), self._device.placement.device
        if count == 1 and batch.lanes == 1:
            frames = batch.items[0].segment.shape[-1]
            refusal = DeviceError(
                f"out of memory on {place} with one segment of {frames} frames; "
                f"lower the segment seconds"
            )
            refusal.__cause__ = error
            _fail(batch, refusal)
            return
        with self._lock:
            if count > 1:
                self._most = min(self._most, count // 2)
            else:
                self._lanes = min(self._lanes, batch.lanes // 2)
            is_first, self._has_warned = not self._has_warned, True
        if is_first:
            _logger.warning("memory ran out on %s; going on with less of it at a time", place)

    def _release(self, call: _Call) -> None:
        """Give up a caller's lane, if it has one; what isn't settled is next in the queue again.

        An interrupt may fall between any two lines, so that this may run again from the start.
        """
        with self._lock:
            if batch := self._running.get(call):
                undone = [item for item in batch.items if not item.is_settled]
                self._waiting = list(dict.fromkeys([*undone, *self._waiting]))
                del self._running[call]
            self._changed.notify_all()

    def _leave(self, call: _Call) -> None:
        """Let go of all that is a caller's, however it ended."""
        with self._lock:
            call.has_left = True
            self._waiting = [item for item in self._waiting if item.call is not call]
        self._release(call)


def _fail(batch: _Batch, error: Exception) -> None:
    for item in batch.items:
        item.call.error = error
