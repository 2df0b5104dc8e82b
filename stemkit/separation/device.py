"""Which device and precision a run uses, and how a network is run there."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from queue import SimpleQueue
from typing import Protocol

import numpy as np
import torch
from joblib import cpu_count
from threadpoolctl import threadpool_limits
from torch import nn

from stemkit.errors import DeviceError
from stemkit.samples import Samples
from stemkit.separation.memory import count_fitting_steps
from stemkit.separation.options import DeviceName, Precision

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Placement:
    """Where the network runs, and the precision of its convolutions."""

    device: torch.device
    dtype: torch.dtype

    @property
    def is_float32(self) -> bool:
        """Whether nothing is rounded on purpose."""
        return self.dtype == torch.float32


def choose_placement(device: DeviceName, precision: Precision) -> Placement:
    """Return what `auto` means on this machine, and what was asked for otherwise.

    `auto` precision is half precision on CUDA, bfloat16 on a CPU that is faster with it (AMX, or
    AMD's AVX512-BF16), and float32 anywhere else. Raises DeviceError for a device that isn't here,
    and for float16 on a CPU, which gains nothing there.
    """
    chosen = _choose_device(device)
    if precision == "auto":
        return Placement(chosen, _fast_dtype(chosen))
    if precision == "float16" and chosen.type == "cpu":
        raise DeviceError("float16 gains nothing on a CPU; choose bfloat16 or float32")
    return Placement(chosen, _DTYPES[precision])


def _choose_device(device: DeviceName) -> torch.device:
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": _has_mps()}
    if device == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if present[name]))
    if not present[device]:
        here = ", ".join(name for name, there in present.items() if there)
        raise DeviceError(f"no device {device!r} on this machine; choose one of: auto, {here}")
    return torch.device(device)


def _has_mps() -> bool:
    return torch.backends.mps.is_available()


def _fast_dtype(device: torch.device) -> torch.dtype:
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(False) else torch.float16
    if device.type == "cpu" and is_bfloat16_fast(_describe_cpu()):
        return torch.bfloat16
    return torch.float32


def is_bfloat16_fast(capabilities: Mapping[str, object]) -> bool:
    """Return whether a CPU computes faster in bfloat16, by what torch tells of it.

    Intel's AVX512-BF16 without AMX, as virtual machines may have it, takes twice as long as
    float32.
    """
    is_amd = str(capabilities.get("cpu_name", "")).startswith("AMD")
    return bool(capabilities.get("amx_bf16") or (is_amd and capabilities.get("avx512_bf16")))


def _describe_cpu() -> Mapping[str, object]:
    """Return what torch tells of this CPU; older ones tell of AMX alone."""
    if hasattr(torch.cpu, "get_capabilities"):
        found: Mapping[str, object] = torch.cpu.get_capabilities()
        return found
    return {"amx_bf16": torch.cpu._is_amx_tile_supported()}


@dataclass(frozen=True)
class MemoryUse:
    """What a device had free before a step, and what the step took at its peak, in bytes."""

    free: int
    peak: int


class Device(Protocol):
    """Where batches are run.

    `lanes` is how many may run at the same time. `lengths` is how many lengths segments come in,
    so that short ones meet others like them; None where each keeps its own.
    """

    @property
    def placement(self) -> Placement: ...
    @property
    def lanes(self) -> int: ...
    @property
    def lengths(self) -> int | None: ...

    def run(self, network: nn.Module, batch: Samples) -> Samples:
        """Return (batch, sources, channels, frames) for (batch, channels, frames)."""
        ...

    def measure_step(self, network: nn.Module, shape: tuple[int, int, int]) -> MemoryUse | None:
        """Run a step on silence and return what it took; None where bigger batches gain nothing."""
        ...

    def free_memory(self) -> None:
        """Give back memory that is kept for later, after a step ran out of it."""
        ...


MOST_LANES_OF_A_SONG = 4
"""On a CPU: each takes as much memory as a song does on a single one."""


def open_device(
    placement: Placement, workers: int, *, is_exclusive: bool = False, shares_memory: bool = False
) -> Device:
    """Return the device on which `workers` threads of this process separate songs.

    A CPU gets through more segments one a core than one after another on all cores, so that a song
    alone has several lanes too, where the memory has room for them and isn't shared with other
    processes that do the same. There is one lane for a network that is exclusive: of which only one
    step can run at a time.
    """
    if placement.device.type == "cuda":
        return CudaDevice(placement)
    if placement.device.type != "cpu" or is_exclusive:
        return PlainDevice(placement, 1)
    alone = 1 if shares_memory else _count_lanes_of_a_song()
    return PlainDevice(placement, max(min(workers, cpu_count()), alone))


def _count_lanes_of_a_song() -> int:
    """Return how many lanes leave the fewest cores idle, the most of those."""
    cores = torch.get_num_threads()
    most = min(cores, MOST_LANES_OF_A_SONG, count_fitting_steps())
    return max(range(1, most + 1), key=lambda lanes: (cores // lanes * lanes, lanes))


def open_live_device(device: Device) -> Device:
    """Return the same device for streams, which wait for each step: on a CPU it has all cores."""
    if device.lanes == 1 or not isinstance(device, PlainDevice):
        return device
    return PlainDevice(device.placement, 1)


def round_nothing() -> None:
    """Let float32 convolutions on GPUs be that in all of this process; torch rounds to 10 bits."""
    torch.backends.cudnn.allow_tf32 = False


@cache
def survive_forks() -> None:
    """Give torch one thread in processes that are forked from this one.

    GNU's OpenMP would wait for ever for the threads that it had here, which a fork doesn't copy.
    """
    if hasattr(os, "register_at_fork"):  # not on Windows
        os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


def is_memory_error(error: Exception) -> bool:
    """Return whether a step failed for want of memory, for which torch has several errors."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    signs = ("out of memory", "not enough memory", "can't allocate memory", "ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs)


class PlainDevice:
    """A CPU, whose cores the lanes share evenly, or Apple's GPU."""

    lengths = None

    def __init__(self, placement: Placement, lanes: int) -> None:
        self.placement = placement
        self.lanes = lanes
        survive_forks()

    def run(self, network: nn.Module, batch: Samples) -> Samples:
        """Return (batch, sources, channels, frames) for (batch, channels, frames)."""
        with torch.inference_mode(), self._use_threads():
            stems = network(torch.from_numpy(batch).to(self.placement.device))
            return np.asarray(stems.cpu().numpy())

    def measure_step(self, network: nn.Module, shape: tuple[int, int, int]) -> MemoryUse | None:
        """Return None: bigger batches gain nothing."""
        return None

    def free_memory(self) -> None:
        """Keep no memory of its own."""

    @contextmanager
    def _use_threads(self) -> Iterator[None]:
        """Give a step its share of the cores, by what is this thread's own.

        What torch can be told itself would be the start of all later threads too.
        """
        if self.lanes == 1:
            yield
            return
        cores = torch.get_num_threads()  # a thread's first question sets what was set for all
        with threadpool_limits(max(1, cores // self.lanes), user_api="openmp"):
            yield


class CudaDevice:
    """An NVIDIA GPU: each lane has a stream, so that one batch is copied while another is run."""

    lanes = 2
    lengths = 8

    def __init__(self, placement: Placement) -> None:
        self.placement = placement
        if placement.is_float32:
            round_nothing()
        self._idle: SimpleQueue[torch.cuda.Stream] = SimpleQueue()
        for _ in range(self.lanes):
            self._idle.put(torch.cuda.Stream(placement.device))  # type: ignore[no-untyped-call]

    def run(self, network: nn.Module, batch: Samples) -> Samples:
        """Return (batch, sources, channels, frames) for (batch, channels, frames)."""
        stream = self._idle.get()
        try:
            with torch.inference_mode(), torch.cuda.stream(stream):
                return self._run_on(stream, network, batch)
        finally:
            self._idle.put(stream)

    def _run_on(self, stream: torch.cuda.Stream, network: nn.Module, batch: Samples) -> Samples:
        """All that is allocated here is used on `stream` alone, so its order keeps it safe."""
        pinned = torch.from_numpy(batch).pin_memory()
        stems = network(pinned.to(self.placement.device, non_blocking=True))
        found = torch.empty(stems.shape, dtype=stems.dtype, pin_memory=True)
        found.copy_(stems, non_blocking=True)
        stream.synchronize()
        return np.asarray(found.numpy())

    def measure_step(self, network: nn.Module, shape: tuple[int, int, int]) -> MemoryUse | None:
        """Run a step on silence and return what it took; too much where other steps run."""
        device = self.placement.device
        torch.cuda.empty_cache()
        free, _ = torch.cuda.mem_get_info(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        self.run(network, np.zeros(shape, np.float32))
        return MemoryUse(free, torch.cuda.max_memory_allocated(device) - before)

    def free_memory(self) -> None:
        """Give cached memory back to the GPU."""
        torch.cuda.empty_cache()
