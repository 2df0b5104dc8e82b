"""Which scores there are, and how they are made."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from stemkit.errors import OptionError

Method = Literal["bsseval", "sdr", "si-sdr"]
METHODS: tuple[Method, ...] = get_args(Method)

BSS_METRICS = ("SDR", "ISR", "SIR", "SAR")
"""BSS Eval's: the median of frames is a song's score."""

METRICS = (*BSS_METRICS, "uSDR", "SI-SDR")
"""All scores, in dB; uSDR is the SDR of the Sound Demixing Challenge, over the whole song."""

Frames = dict[str, list[float]]
"""A score in dB for each frame, by metric; NaN where a source or an estimate is silent, and for
infinity."""


@dataclass(frozen=True)
class FrameScores:
    """BSS Eval's frames of a stem, and in how many of them something is silent.

    `is_doubtful` tells that references are so clean that ISR, SIR and SAR mean little: see
    `measure_floor_db`.
    """

    frames: Frames = field(default_factory=dict)
    is_doubtful: bool = False
    silent: int = 0


def read_methods(text: str) -> tuple[Method, ...]:
    """Return the methods of a list with commas; raises OptionError for what isn't one."""
    names = [name.strip() for name in text.split(",")]
    known = {str(method): method for method in METHODS}
    for name in names:
        if name not in known:
            raise OptionError(f"no metric {name!r}; choose of: {', '.join(known)}")
    return tuple(known[name] for name in names)


@dataclass(frozen=True)
class ScoreOptions:
    """What is measured, and the frames of BSS Eval; raises OptionError for what makes no sense.

    `round_references` gives BSS Eval references of 16 bits, as MUSDB18-HQ's are.
    """

    methods: tuple[Method, ...] = METHODS
    window_seconds: float = 1.0
    hop_seconds: float = 1.0
    round_references: bool = False

    def __post_init__(self) -> None:
        for name, seconds in (("window", self.window_seconds), ("hop", self.hop_seconds)):
            if not 0.001 <= seconds <= 3600:
                raise OptionError(f"a {name} of {seconds:g} s can't be; give 0.001 to 3600")
