"""Run a network over segments: device, precision and batches."""

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from stemkit.errors import DeviceError
from stemkit.nn.fold import cast_unet, fold_batch_norm
from stemkit.nn.resunet import ResUNet
from stemkit.samples import Samples
from stemkit.separation.device import Placement
from stemkit.separation.memory import keep_freed_memory


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
            raise DeviceError(
                f"the network's numbers don't fit in {self._placement.dtype}; choose float32"
            )
        return np.asarray(stems, dtype=np.float32)


def _prepare(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Return a copy of `network` whose ResUNets, one or a bag of them, are folded and cast."""
    if isinstance(network, ResUNet):
        return cast_unet(fold_batch_norm(network), dtype)
    ready = copy.copy(network)
    ready._modules = {name: _prepare(part, dtype) for name, part in network.named_children()}
    return ready
