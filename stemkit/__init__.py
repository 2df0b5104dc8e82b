"""Separate a music library into stems: batch, whole or not at all, in bounded memory.

Importing this package doesn't import torch; the names below do so when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stemkit.batch.api import separate_files as separate_files
    from stemkit.batch.cancel import CancelToken as CancelToken
    from stemkit.batch.outcomes import Done as Done
    from stemkit.batch.outcomes import Dropped as Dropped
    from stemkit.batch.outcomes import Failed as Failed
    from stemkit.batch.outcomes import Outcome as Outcome
    from stemkit.batch.outcomes import Progress as Progress
    from stemkit.batch.request import OutputOptions as OutputOptions
    from stemkit.effects.board import Board as Board
    from stemkit.effects.preset import load_preset as load_preset
    from stemkit.effects.schema import Preset as Preset
    from stemkit.errors import StemkitError as StemkitError
    from stemkit.separation.options import EngineOptions as EngineOptions
    from stemkit.separation.separator import Separator as Separator
    from stemkit.spreading.spread import Spreading as Spreading
    from stemkit.weights.models import load_network as load_network

__version__ = "0.1.0"

_HOMES = {
    "Board": "stemkit.effects.board",
    "CancelToken": "stemkit.batch.cancel",
    "Done": "stemkit.batch.outcomes",
    "Dropped": "stemkit.batch.outcomes",
    "EngineOptions": "stemkit.separation.options",
    "Failed": "stemkit.batch.outcomes",
    "Outcome": "stemkit.batch.outcomes",
    "OutputOptions": "stemkit.batch.request",
    "Preset": "stemkit.effects.schema",
    "Progress": "stemkit.batch.outcomes",
    "Separator": "stemkit.separation.separator",
    "Spreading": "stemkit.spreading.spread",
    "StemkitError": "stemkit.errors",
    "load_network": "stemkit.weights.models",
    "load_preset": "stemkit.effects.preset",
    "separate_files": "stemkit.batch.api",
}

__all__ = ["__version__", *_HOMES]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'stemkit' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
