"""Batches of examples, made ahead by other processes, in the same order whoever makes them."""

import atexit
import itertools
import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from stemkit.errors import StemkitError, TrainingError, describe_error
from stemkit.training.config import TrainingConfig
from stemkit.training.material import Material
from stemkit.training.mixing import Batch, MixDataset
from stemkit.training.ranks import Ranks


@dataclass(frozen=True)
class Failure:
    """Why an example couldn't be made, in a line."""

    reason: str


class _Examples(Dataset[Batch | Failure]):
    """Examples, or why there is none: another process's exception comes with its traceback."""

    def __init__(self, mixes: MixDataset) -> None:
        self._mixes = mixes

    def __getitem__(self, number: int) -> Batch | Failure:
        try:
            return self._mixes[number]
        except StemkitError as error:
            return Failure(str(error))
        except Exception as error:
            return Failure(f"can't make example {number}: {describe_error(error)}")


def open_batches(
    config: TrainingConfig, material: Material, ranks: Ranks, seen: int, device: torch.device
) -> DataLoader[Batch | Failure]:
    """Return this process's share of every batch after `seen` examples, without end.

    It is a `Failure` where one of its examples can't be made.
    """
    if config.workers:
        atexit.unregister(_end_workers)
        atexit.register(_end_workers)
    return DataLoader(
        _Examples(MixDataset(config, material)),
        batch_size=config.batch_size // ranks.count,
        sampler=itertools.count(seen + ranks.number, ranks.count),
        num_workers=config.workers,
        prefetch_factor=6 if config.workers else None,
        collate_fn=_collate,
        pin_memory=device.type == "cuda",
        worker_init_fn=_prepare_worker,
    )


@contextmanager
def explaining_lost_workers() -> Iterator[None]:
    """Raise TrainingError for what torch raises, wherever it may be, where a process was killed."""
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise TrainingError(
            "a process that makes examples was killed, as for want of memory; run it again to go "
            "on from the last state, with fewer workers or more memory"
        ) from error


def _collate(examples: list[Batch | Failure]) -> Batch | Failure:
    batch: list[Batch] = []
    for example in examples:
        if isinstance(example, Failure):
            return example
        batch.append(example)
    mixes, sources, bandwidths = default_collate(batch)
    return mixes, sources, bandwidths


def _end_workers() -> None:
    """End what Python would only ask to end, and then wait for: they heed no SIGTERM."""
    for worker in multiprocessing.active_children():
        if worker.daemon:
            worker.kill()


def _prepare_worker(worker: int) -> None:
    """Use one thread, and leave it to the process that trains to end in good order."""
    torch.set_num_threads(1)
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
