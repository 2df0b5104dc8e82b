"""What the processes of a run tell the one that started them."""

from dataclasses import dataclass

from stemkit.separation.options import Precision


@dataclass(frozen=True)
class Figures:
    """What one turn of a contender took; seconds are for each minute of audio."""

    end_to_end_seconds: float
    network_seconds: float
    peak_mb: float


@dataclass(frozen=True)
class Machine:
    """What torch says of the machine, and the precision that stemkit chooses there."""

    threads: int
    capability: str
    auto_precision: Precision
