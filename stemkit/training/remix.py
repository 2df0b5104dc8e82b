"""More mixes of a batch: its sources in each other's company, where making examples takes longest.

As Demucs's `Remix` does, and with what was drawn only for the mix too.
"""

import torch
from torch import Tensor

from stemkit.training.augment import SILENCE
from stemkit.training.mixing import Batch
from stemkit.training.unsplit import has_unsplit


def remix(batch: Batch, times: int) -> Batch:
    """Return `times` as many examples: the batch itself, then what mixing it anew gives.

    In those a source stays with its place, and each further one, and the rest of the mix, comes
    from another example, at the loudness of what it replaces. Where some accompaniment isn't split,
    all sources after the first come from the same example, so that it stays a sum of them.
    """
    if times == 1:
        return batch
    mixes, sources, bandwidth_hz = batch
    rest = mixes - sources.sum(1)  # (batch, 2, frames)
    count = sources.shape[1]
    farthest = 1 if has_unsplit(bandwidth_hz) else count
    made = [batch]
    for turn in range(1, times):
        places = [turn * min(n, farthest) for n in range(count)]
        others = [_roll(sources[:, n], places[n]) for n in range(count)]
        bands = [bandwidth_hz[:, n].roll(places[n]) for n in range(count)]
        company = torch.stack(others, dim=1)
        beside = _roll(rest, turn * count)
        made.append((company.sum(1) + beside, company, torch.stack(bands, dim=1)))
    return tuple(torch.cat(parts) for parts in zip(*made, strict=True))  # type: ignore[return-value]


def _roll(parts: Tensor, places: int) -> Tensor:
    """Return each example's part as another's, as loud as its own was, if both can be heard."""
    moved = parts.roll(places, dims=0)
    own, other = _measure_rms(parts), _measure_rms(moved)
    heard = (own > SILENCE) & (other > SILENCE)
    return moved * torch.where(heard, own / other.clamp(min=SILENCE), torch.ones_like(own))


def _measure_rms(parts: Tensor) -> Tensor:
    return parts.square().mean((1, 2), keepdim=True).sqrt()
