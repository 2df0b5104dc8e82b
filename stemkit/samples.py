"""The one type that audio has between the rooms."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Samples: TypeAlias = npt.NDArray[np.float32]
"""Float32 audio of shape (channels, frames), full scale at 1."""
