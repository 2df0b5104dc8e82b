"""How a model is run."""

from dataclasses import dataclass
from typing import Literal

from stemkit.errors import OptionError

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class EngineOptions:
    """How a model is run. More overlap is nearer to one pass over the whole song, and slower."""

    stems: tuple[str, ...] | None = None  # None: the model's own, and their complement
    device: DeviceName = "auto"
    precision: Precision = "auto"
    batch_size: int = 1
    segment_seconds: float = 30.0
    overlap_seconds: float = 5.0

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise OptionError(f"a batch holds 1 segment or more, not {self.batch_size}")
