"""Run a network over segments: device, precision and batches."""

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from stemkit.errors import DeviceError, ModelError
from stemkit.nn.config import NetworkConfig
from stemkit.nn.fold import cast_unet, fold_batch_norm
from stemkit.nn.resunet import ResUNet
from stemkit.samples import Samples
from stemkit.separation.device import Placement
from stemkit.separation.memory import keep_freed_memory
from stemkit.weights.models import Bag


class Predictor:
    """A network made ready to be run: folded, placed, and never trained again.

    The network that is given stays as it is. `predict` may be called from several threads.
    """

    def __init__(self, network: nn.Module, placement: Placement, batch_size: int) -> None:
        keep_freed_memory()
        self._placement = placement
        self._batch_size = batch_size
        ready = _prepare(network, placement.dtype)
        self._network = ready.eval().requires_grad_(requires_grad=False).to(placement.device)

    def share(self, sources: set[str], batch_size: int) -> "Predictor":
        """Return a predictor of `sources` by the same network, of which no copy is made.

        Of a bag it runs only the members that give any of them.
        """
        other = copy.copy(self)
        other._batch_size = batch_size
        if isinstance(self._network, Bag):
            other._network = self._network.select(sources)
        return other

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources, in the order of the output."""
        return read_config(self._network).sources

    def predict(self, segments: Sequence[Samples]) -> list[Samples]:
        """Return (sources, channels, frames) for each segment of shape (channels, frames).

        Neighbours of one length share a batch. Raises DeviceError where memory runs out or where
        the precision can't hold the numbers.
        """
        results: list[Samples] = []
        while len(results) < len(segments):
            results.extend(self._run(self._next_batch(segments[len(results) :])))
        return results

    def _next_batch(self, waiting: Sequence[Samples]) -> Samples:
        alike = [waiting[0]]
        for segment in waiting[1 : self._batch_size]:
            if segment.shape != alike[0].shape:
                break
            alike.append(segment)
        return np.stack(alike)  # (batch, channels, frames)

    def _run(self, batch: Samples) -> Samples:
        device = self._placement.device
        try:
            with torch.inference_mode():
                mix = torch.from_numpy(batch).to(device)
                stems = self._network(mix).cpu().numpy()  # (batch, sources, channels, frames)
        except torch.OutOfMemoryError as error:
            raise DeviceError(
                f"out of memory on {device} with a batch of {len(batch)} segments of "
                f"{batch.shape[-1]} frames; lower the batch size or the segment seconds"
            ) from error
        if not np.isfinite(stems).all():
            remedy = "turn the input down" if self._placement.is_float32 else "choose float32"
            raise DeviceError(
                f"the network's numbers don't fit in {self._placement.dtype}; {remedy}"
            )
        return np.asarray(stems, dtype=np.float32)


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
    ready._modules = {name: _prepare(part, dtype) for name, part in network.named_children()}
    return ready
