"""Mixes whose accompaniment isn't split: of its sources, only the sum is known and learnt."""

import torch
from torch import Tensor

UNSPLIT = -1.0
"""In place of a bandwidth: the source is known only as a part of the first one after the vocals."""


def has_unsplit(bandwidth_hz: Tensor) -> bool:
    """Return whether a batch's bandwidths, (batch, sources), have one in place of which is UNSPLIT.

    Two sources have nothing to split, and a GPU isn't waited for to see that.
    """
    return bandwidth_hz.shape[1] > 2 and bool((bandwidth_hz < 0).any())


def add_unsplit(errors: Tensor, bandwidth_hz: Tensor) -> Tensor:
    """Return errors, (batch, sources, ...), where those of what isn't split are one error.

    `bandwidth_hz` is (batch, sources). The second source, the first after the vocals, gets the sum,
    and what was added to it is zero.
    """
    if not has_unsplit(bandwidth_hz):
        return errors
    is_part = (bandwidth_hz < 0).reshape(*bandwidth_hz.shape, *[1] * (errors.ndim - 2))
    parts = torch.where(is_part, errors, 0)
    second = errors[:, 1:2] + parts.sum(1, keepdim=True)
    return torch.cat((errors[:, :1], second, (errors - parts)[:, 2:]), dim=1)
