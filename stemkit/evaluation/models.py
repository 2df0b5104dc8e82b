"""Estimates that a model makes of a mix, in memory."""

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from stemkit.samples import Samples
from stemkit.separation.options import EngineOptions
from stemkit.separation.stems import Stems

if TYPE_CHECKING:
    from stemkit.separation.engine import Engine


@dataclass(frozen=True)
class ModelOptions:
    """A model, by its name or as a weights file, and how it is run."""

    model: str | Path
    engine: EngineOptions = field(default_factory=EngineOptions)


def check_model(model: ModelOptions, *, keep: bool) -> None:
    """Raise ModelError, DeviceError or OptionError for a model that can't be run here.

    `keep` leaves it loaded for the songs of this process.
    """
    (_load_engine if keep else _load_engine.__wrapped__)(model)


def separate_mix(model: ModelOptions, mix: Samples, sample_rate: int) -> Stems:
    """Return the stems as `separate` makes them; the model stays loaded for the next song."""
    return _load_engine(model).separate(mix, sample_rate)


@lru_cache(maxsize=1)
def _load_engine(model: ModelOptions) -> "Engine":
    from stemkit.separation.engine import Engine  # torch's import takes seconds
    from stemkit.weights.models import load_network

    return Engine(load_network(model.model), model.engine, shares_memory=True)
