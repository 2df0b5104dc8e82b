"""One run in several processes, which torchrun starts: who this one is, and what they share."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from stemkit.errors import OptionError, TrainingError
from stemkit.separation.device import choose_placement
from stemkit.separation.options import DeviceName
from stemkit.training.config import TrainingConfig
from stemkit.training.shared_norm import share_norms

Value = TypeVar("Value")
PATIENCE = timedelta(hours=2)
"""How long a process waits for the others: one may decode all audio, or validate."""


@dataclass(frozen=True)
class Ranks:
    """Which of `count` processes this one is, and which of those on its machine."""

    number: int = 0
    count: int = 1
    local: int = 0

    @property
    def leads(self) -> bool:
        """Whether this is the process that validates, writes and reports."""
        return self.number == 0


def read_ranks() -> Ranks:
    """Return what torchrun says of this process; without it, that it is alone."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    number, count, local = (os.environ.get(name) for name in names)
    if number is None or count is None or local is None:
        return Ranks()
    return Ranks(int(number), int(count), int(local))


def choose_device(config: TrainingConfig, ranks: Ranks) -> torch.device:
    """Return where this process trains; each one of a machine has a GPU of its own.

    Raises DeviceError for what isn't there, and OptionError for more processes than GPUs and for a
    batch that can't be cut evenly.
    """
    if config.batch_size % ranks.count:
        raise OptionError(
            f"a batch_size of {config.batch_size} can't be shared evenly by {ranks.count} "
            f"processes; choose a multiple of {ranks.count}"
        )
    if config.remix > config.batch_size // ranks.count:
        raise OptionError(
            f"remix {config.remix} is more than the {config.batch_size // ranks.count} examples of "
            f"each process, and would mix them the same way twice; raise batch_size"
        )
    name = config.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = choose_placement(name, config.precision).device
    if device.type == "cpu":
        return device
    if ranks.local >= torch.cuda.device_count():
        raise OptionError(
            f"{torch.cuda.device_count()} GPUs are here, too few for one for each process; lower "
            f"torchrun's --nproc-per-node"
        )
    torch.cuda.set_device(ranks.local)
    return torch.device("cuda", ranks.local)


def choose_dtype(config: TrainingConfig, device: torch.device) -> torch.dtype:
    """Return the precision of the U-Net; no GPU takes float16 unasked, whose gradients overflow."""
    if config.precision == "auto" and device.type == "cuda":
        return torch.bfloat16
    name: DeviceName = "cuda" if device.type == "cuda" else "cpu"
    return choose_placement(name, config.precision).dtype


@contextmanager
def join_ranks(ranks: Ranks, device: torch.device) -> Iterator[None]:
    """Meet the other processes, and say goodbye when all went well.

    Raises TrainingError where one of them was lost: torchrun ends the others then, and a process
    that it can't reach gives up by itself.
    """
    if ranks.count == 1:
        yield
        return
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=PATIENCE)
    try:
        yield
    except RuntimeError as error:
        if not _is_lost_peer(error):
            raise
        raise TrainingError(
            f"process {ranks.number} lost another one; see what that one says, and run it again to "
            f"go on from the last state"
        ) from error
    dist.destroy_process_group()


def _is_lost_peer(error: RuntimeError) -> bool:
    signs = ("gloo", "Connection closed by peer", "Connection reset by peer")
    return isinstance(error, dist.DistError) or any(sign in str(error) for sign in signs)


def share_network(module: nn.Module, ranks: Ranks, device: torch.device) -> nn.Module:
    """Return a module whose gradients are the means of all processes', from equal weights.

    Batch norms, in place, get their statistics from the whole batch, so that a run in several
    processes is the same as in one.
    """
    if ranks.count == 1:
        return module
    share_norms(module)
    ids = [device.index] if device.type == "cuda" else None
    return DistributedDataParallel(module, device_ids=ids)


def add_up(values: Tensor, ranks: Ranks) -> Tensor:
    """Return the sums of all processes' values; every process must call it."""
    total = values.detach().clone()
    if ranks.count > 1:
        dist.all_reduce(total)
    return total


def hand_round(value: Value, ranks: Ranks) -> Value:
    """Return the leader's value to every process, each of which must call it."""
    values = [value]
    if ranks.count > 1:
        dist.broadcast_object_list(values)
    return values[0]
