"""Batches of examples, made ahead by other processes, in the same order whoever makes them."""

import signal
from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, Sampler

from stemkit.training.config import TrainingConfig
from stemkit.training.material import Material
from stemkit.training.mixing import Batch, MixDataset
from stemkit.training.ranks import Ranks


class _Onward(Sampler[int]):
    """Example numbers from `first` on, every `stride`-th of them, without end."""

    def __init__(self, first: int, stride: int) -> None:
        self.first = first
        self.stride = stride

    def __iter__(self) -> Iterator[int]:
        number = self.first
        while True:
            yield number
            number += self.stride


def open_batches(
    config: TrainingConfig, material: Material, ranks: Ranks, seen: int, device: torch.device
) -> DataLoader[Batch]:
    """Return this process's share of every batch after `seen` examples, without end."""
    return DataLoader(
        MixDataset(config, material),
        batch_size=config.batch_size // ranks.count,
        sampler=_Onward(seen + ranks.number, ranks.count),
        num_workers=config.workers,
        prefetch_factor=6 if config.workers else None,
        pin_memory=device.type == "cuda",
        worker_init_fn=_prepare_worker,
    )


def _prepare_worker(worker: int) -> None:
    """Use one thread, and leave it to the process that trains to end in good order."""
    torch.set_num_threads(1)
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
