"""How a model is run."""

from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Literal, get_args

from stemkit.errors import ArgumentTypeError, OptionError

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
LONGEST_SECONDS = 3600
"""A segment is held in memory, several times over."""

SHORTEST_GUARDED_SECONDS = 2.0
"""What is shorter tells too little to be guarded."""

Precision = Literal["auto", "float32", "bfloat16", "float16"]
BatchSize = int | Literal["auto"]


@dataclass(frozen=True)
class EngineOptions:
    """How a model is run. More overlap is nearer to one pass over the whole song, and slower.

    Raises OptionError for a value that makes no sense, and ArgumentTypeError for what isn't a
    number where one is needed. Whether this machine has the device is found out later.
    """

    stems: tuple[str, ...] | None = None  # None: the model's own, and their complement
    device: DeviceName = "auto"
    precision: Precision = "auto"
    batch_size: BatchSize = "auto"  # what fits in a GPU's memory, and 1 elsewhere
    segment_seconds: float = 30.0
    overlap_seconds: float = 4.0
    guard: bool = False  # see stemkit.separation.guard
    compiled: bool = False  # see stemkit.separation.compiled

    def __post_init__(self) -> None:
        if self.stems is not None:
            object.__setattr__(self, "stems", _read_names("stems", self.stems))
        check_choice("device", self.device, get_args(DeviceName))
        check_choice("precision", self.precision, get_args(Precision))
        for name in ("segment_seconds", "overlap_seconds"):
            object.__setattr__(self, name, _read_seconds(name, getattr(self, name)))
        object.__setattr__(self, "batch_size", _read_batch_size(self.batch_size))
        check_switch("guard", self.guard)
        check_switch("compiled", self.compiled)
        if self.overlap_seconds > self.segment_seconds / 2:
            raise OptionError(
                f"a segment may overlap by at most half of its {self.segment_seconds:g} s, "
                f"not by {self.overlap_seconds:g} s"
            )
        if self.guard and self.segment_seconds < SHORTEST_GUARDED_SECONDS:
            raise OptionError(
                f"segments of {self.segment_seconds:g} s are too short to be guarded; take "
                f"{SHORTEST_GUARDED_SECONDS:g} s or more"
            )


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise OptionError for what is none of the choices that an option has."""
    if not isinstance(value, str) or value not in choices:
        raise OptionError(f"no {name} {value!r}; choose one of: {', '.join(choices)}")


def _read_names(name: str, value: object) -> tuple[str, ...]:
    names = None if isinstance(value, str) or not isinstance(value, Iterable) else tuple(value)
    if names is None or not all(isinstance(one, str) for one in names):
        raise ArgumentTypeError(f"{name} must be several names, not {value!r}")
    return names


def _read_seconds(name: str, seconds: object) -> float:
    if not isinstance(seconds, Real):
        raise ArgumentTypeError(f"{name} must be a number, not {seconds!r}")
    if not 0 <= float(seconds) <= LONGEST_SECONDS:
        raise OptionError(f"{name} must be 0 to {LONGEST_SECONDS}, not {float(seconds):g}")
    return float(seconds)


def check_switch(name: str, value: object) -> None:
    """Raise ArgumentTypeError for what is neither True nor False."""
    if not isinstance(value, bool):
        raise ArgumentTypeError(f"{name} must be True or False, not {value!r}")


def _read_batch_size(size: object) -> BatchSize:
    if isinstance(size, str) and size == "auto":
        return "auto"
    if not isinstance(size, Integral):
        raise ArgumentTypeError(f"batch_size must be a whole number or 'auto', not {size!r}")
    if int(size) < 1:
        raise OptionError(f"a batch holds 1 segment or more, not {size}")
    return int(size)
