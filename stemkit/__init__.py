"""Separate a music library into stems: batch, whole or not at all, in bounded memory.

Importing this package doesn't import torch; the names below do so when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stemkit.weights.models import load_network as load_network

__version__ = "0.1.0"

_HOMES = {"load_network": "stemkit.weights.models"}

__all__ = ["__version__", "load_network"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'stemkit' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
