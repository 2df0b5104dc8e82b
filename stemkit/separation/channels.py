"""Any number of channels to the two that the networks hear, and back.

Channels go in pairs, in the file's order; one that is left over, and so a mono file, is heard on
both sides, and the mean of what comes back is kept. The pairs are separated independently.
"""

import numpy as np

from stemkit.samples import Samples


def split_pairs(audio: Samples) -> Samples:
    """Return (2 * pairs, frames) of (channels, frames), the last channel doubled if it is odd."""
    return np.concatenate((audio, audio[-1:])) if len(audio) % 2 else audio


def join_pairs(pairs: Samples, channels: int) -> Samples:
    """Undo `split_pairs` on (..., 2 * pairs, frames)."""
    if channels % 2 == 0:
        return pairs
    last = pairs[..., -2:, :].mean(axis=-2, keepdims=True)
    return np.concatenate((pairs[..., :-2, :], last), axis=-2)
