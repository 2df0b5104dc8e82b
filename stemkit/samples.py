"""The one type that audio has between the rooms, and what all of it must be."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from stemkit.errors import NonFiniteError

Samples: TypeAlias = npt.NDArray[np.float32]
"""Float32 audio of shape (channels, frames), full scale at 1."""


def check_finite(block: Samples, first_frame: int, sample_rate: int) -> None:
    """Raise NonFiniteError where a block, which begins at a frame of a song, has no numbers."""
    finite = np.isfinite(block)
    if not finite.all():
        frame = first_frame + int(np.argmin(finite.all(axis=0)))
        seconds = frame / sample_rate
        raise NonFiniteError(f"NaN or infinity at {seconds:.3f} s (frame {frame})")
