"""How a model is run."""

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Literal, get_args

from stemkit.errors import ArgumentTypeError, OptionError

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
LONGEST_SECONDS = 3600
"""A segment is held in memory, several times over."""

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
        if isinstance(self.stems, str):
            raise ArgumentTypeError(f"stems must be a tuple of names, not {self.stems!r}")
        check_choice("device", self.device, get_args(DeviceName))
        check_choice("precision", self.precision, get_args(Precision))
        _check_number("segment_seconds", self.segment_seconds)
        _check_number("overlap_seconds", self.overlap_seconds)
        _check_batch_size(self.batch_size)
        _check_switch("guard", self.guard)
        _check_switch("compiled", self.compiled)
        if self.overlap_seconds > self.segment_seconds / 2:
            raise OptionError(
                f"a segment may overlap by at most half of its {self.segment_seconds:g} s, "
                f"not by {self.overlap_seconds:g} s"
            )


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise OptionError for what is none of the choices that an option has."""
    if not isinstance(value, str) or value not in choices:
        raise OptionError(f"no {name} {value!r}; choose one of: {', '.join(choices)}")


def _check_number(name: str, seconds: object) -> None:
    if not isinstance(seconds, Real):
        raise ArgumentTypeError(f"{name} must be a number, not {seconds!r}")
    if not 0 <= float(seconds) <= LONGEST_SECONDS:
        raise OptionError(f"{name} must be 0 to {LONGEST_SECONDS}, not {float(seconds):g}")


def _check_switch(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise ArgumentTypeError(f"{name} must be True or False, not {value!r}")


def _check_batch_size(size: object) -> None:
    if isinstance(size, str) and size == "auto":
        return
    if not isinstance(size, Integral):
        raise ArgumentTypeError(f"batch_size must be a whole number or 'auto', not {size!r}")
    if int(size) < 1:
        raise OptionError(f"a batch holds 1 segment or more, not {size}")
