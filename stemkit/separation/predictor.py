"""Run a network over segments: folded, placed, and in batches that fit."""

import copy
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from stemkit.errors import DeviceError, ModelError
from stemkit.nn.blocks import ResidualBlock, SeparableBlock
from stemkit.nn.config import NetworkConfig
from stemkit.nn.fold import cast_unet, fold_batch_norm
from stemkit.nn.fused import FusedBlock, can_fuse, fuse_blocks
from stemkit.nn.resunet import ResUNet
from stemkit.samples import Samples
from stemkit.separation.ahead import stop_if_abandoned
from stemkit.separation.batches import Batches, Step
from stemkit.separation.compiled import compile_unet
from stemkit.separation.device import Device, is_memory_error
from stemkit.separation.memory import keep_freed_memory
from stemkit.separation.options import BatchSize
from stemkit.weights.models import Bag

MOST_SEGMENTS = 64  # in a batch; a GPU is full long before
SAFE_SHARE = 0.8  # of the free memory


class Predictor:
    """A network made ready to be run: folded, placed, and never trained again.

    The network that is given stays as it is. `predict` gathers the segments of all threads, also
    through predictors that `share` made, into batches.
    """

    def __init__(
        self,
        network: nn.Module,
        device: Device,
        batch_size: BatchSize,
        segment_frames: int,
        *,
        compiled: bool = False,
    ) -> None:
        if compiled and device.placement.device.type != "cpu":
            raise DeviceError(
                f"--compile is for CPUs; leave it out on {device.placement.device.type}"
            )
        keep_freed_memory()
        self._device = device
        self._batches = Batches(device)
        self._fitting: dict[tuple[tuple[str, ...], int], int] = {}
        place, dtype = device.placement.device, device.placement.dtype
        ready = _prepare(network, dtype)
        for part in list(ready.modules()):
            if isinstance(part, ResUNet) and compiled:
                part.add_module("unet", compile_unet(part.unet, part.config))
            elif isinstance(part, ResUNet) and can_fuse(place, dtype):
                fuse_blocks(part.unet)
        for part in ready.modules():
            if isinstance(part, ResidualBlock | SeparableBlock | FusedBlock):
                part.register_forward_pre_hook(lambda *_: stop_if_abandoned())
        self._network = ready.eval().requires_grad_(requires_grad=False).to(place)
        self._set_sizes(batch_size, segment_frames)

    def share(self, sources: set[str], batch_size: BatchSize, segment_frames: int) -> "Predictor":
        """Return a predictor of `sources` by the same network, of which no copy is made.

        Of a bag it runs only the members that have a part in any of them.
        """
        other = copy.copy(self)
        if isinstance(self._network, Bag):
            other._network = self._network.select(sources)
        other._set_sizes(batch_size, segment_frames)
        return other

    def move(self, device: Device) -> "Predictor":
        """Return a predictor by the same network in a queue of its own, for the same placement."""
        other = copy.copy(self)
        if device is not self._device:
            other._device, other._batches = device, Batches(device)
        return other

    def _set_sizes(self, batch_size: BatchSize, segment_frames: int) -> None:
        self._segment_frames = segment_frames
        self.batch_size = self._fill_memory() if batch_size == "auto" else batch_size
        self._step = Step(self._network, self.sources, self.batch_size)

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources, in the order of the output."""
        return read_config(self._network).sources

    def predict(self, segments: Sequence[Samples]) -> list[Samples]:
        """Return (sources, channels, frames) for each segment of shape (channels, frames).

        Those of one shape share batches, with those of other threads. Raises DeviceError where
        memory runs out or where the precision can't hold the numbers.
        """
        found = self._batches.run(self._step, [self._pad(segment) for segment in segments])
        return [
            self._finish(stems[..., : segment.shape[-1]])
            for stems, segment in zip(found, segments, strict=True)
        ]

    def _pad(self, segment: Samples) -> Samples:
        """Return a segment with silence up to the next of the device's lengths."""
        if self._device.lengths is None:
            return segment
        grid, frames = read_config(self._network).grid_samples, segment.shape[-1]
        bucket = max(1, self._segment_frames // grid // self._device.lengths) * grid
        padded = min(math.ceil(frames / bucket) * bucket, self._segment_frames)
        return np.pad(segment, ((0, 0), (0, max(0, padded - frames))))

    def _finish(self, stems: Samples) -> Samples:
        """Return a copy that holds no memory of other segments, once its numbers are checked."""
        if not np.isfinite(stems).all():
            placement = self._device.placement
            remedy = "turn the input down" if placement.is_float32 else "choose float32"
            raise DeviceError(f"the network's numbers don't fit in {placement.dtype}; {remedy}")
        return np.array(stems, dtype=np.float32)

    def _fill_memory(self) -> int:
        """Return how many full segments a batch can hold; found out once for each length."""
        key = self.sources, self._segment_frames
        if key not in self._fitting:
            shape = 1, read_config(self._network).channels, self._segment_frames
            self._fitting[key] = _count_fitting(self._device, self._network, shape)
        return self._fitting[key]


def read_config(network: nn.Module) -> NetworkConfig:
    """Return what a network says of itself; raises ModelError where it says nothing."""
    config = getattr(network, "config", None)
    if not isinstance(config, NetworkConfig):
        raise ModelError(
            f"a {type(network).__name__} doesn't say what it is; give it an attribute `config`, a "
            f"stemkit.nn.config.NetworkConfig"
        )
    return config


def _prepare(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Return a copy of `network` whose ResUNets, one or a bag of them, are folded and cast."""
    if isinstance(network, ResUNet):
        folded = copy.deepcopy(network).eval()
        fold_batch_norm(folded)
        cast_unet(folded, dtype)
        return folded
    ready = copy.copy(network)
    ready._parameters = copy.deepcopy(network._parameters)
    ready._buffers = copy.deepcopy(network._buffers)
    ready._modules = {name: _prepare(part, dtype) for name, part in network.named_children()}
    return ready


def _count_fitting(device: Device, network: nn.Module, shape: tuple[int, int, int]) -> int:
    """Return how many segments fit in each lane's part of the memory, found by running one."""
    try:
        use = device.measure_step(network, shape)
    except Exception as error:
        if not is_memory_error(error):
            raise
        return 1  # shorter segments may fit
    if use is None:
        return 1
    fitting = int(use.free * SAFE_SHARE / device.lanes / max(1, use.peak))
    return min(max(1, fitting), MOST_SEGMENTS)
