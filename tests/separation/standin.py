"""A device for tests: lanes, memory and lengths as a GPU has them, on the CPU's arithmetic."""

import threading
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from stemkit.samples import Samples
from stemkit.separation.device import MemoryUse, Placement
from stemkit.separation.predictor import read_config

PATIENCE_SECONDS = 10


@dataclass
class StandIn:
    """Notes the batches it runs, and holds callers to what a device can do.

    A step takes a byte for each sample of its batch; `memory` is what all that run at once may
    take. A batch raises, once, what `faults` has for a segment that begins with that number.
    While `gate` is closed, no step ends.
    """

    lanes: int = 2
    lengths: int | None = None
    memory: int = 2**60
    faults: dict[float, BaseException] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.placement = Placement(torch.device("cpu"), torch.float32)
        self.gate = threading.Event()
        self.gate.set()
        self.batches: list[tuple[int, ...]] = []
        self.measured: list[tuple[int, ...]] = []
        self.most_at_once = 0
        self.cleanings = 0
        self._bytes: dict[int, int] = {}  # of each thread that runs a step
        self._lock = threading.Lock()

    def run(self, network: nn.Module, batch: Samples) -> Samples:
        """Run a batch, or raise what a device would."""
        me = threading.get_ident()
        with self._lock:
            if me in self._bytes or len(self._bytes) >= self.lanes:
                raise AssertionError(f"more than {self.lanes} steps at once")
            self._bytes[me] = batch.size
            self.most_at_once = max(self.most_at_once, len(self._bytes))
            self.batches.append(batch.shape)
        try:
            if not self.gate.wait(PATIENCE_SECONDS):
                raise AssertionError("the gate stayed closed")
            self._fail_where_due(batch)
            with torch.inference_mode():
                return np.asarray(network(torch.from_numpy(batch)).numpy())
        finally:
            with self._lock:
                del self._bytes[me]

    def measure_step(self, network: nn.Module, shape: tuple[int, int, int]) -> MemoryUse | None:
        """Run a step on silence and return what it took."""
        self.measured.append(shape)
        self.run(network, np.zeros(shape, np.float32))
        return MemoryUse(self.memory, int(np.prod(shape)))

    def free_memory(self) -> None:
        """Count the calls."""
        self.cleanings += 1

    def guard(self, network: nn.Module) -> "Guarded":
        """Return `network` such that only this device can run it."""
        return Guarded(network, self)

    @property
    def segments(self) -> int:
        """How many segments were in the batches that began."""
        return sum(shape[0] for shape in self.batches)

    @property
    def is_running_here(self) -> bool:
        """Whether the calling thread runs a step."""
        return threading.get_ident() in self._bytes

    def _fail_where_due(self, batch: Samples) -> None:
        with self._lock:
            if sum(self._bytes.values()) > self.memory:
                raise torch.OutOfMemoryError("CUDA out of memory")
            for first in batch[:, 0, 0].tolist():
                if (fault := self.faults.pop(first, None)) is not None:
                    raise fault


class Guarded(nn.Module):
    """A network that raises where its device doesn't run it."""

    def __init__(self, network: nn.Module, device: StandIn) -> None:
        super().__init__()
        self.config = read_config(network)
        self.network = network
        self._device = device

    def forward(self, mix: Tensor) -> Tensor:
        if not self._device.is_running_here:
            raise AssertionError("the network runs outside its device")
        stems: Tensor = self.network(mix)
        return stems
