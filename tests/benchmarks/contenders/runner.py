"""A model that a process has loaded."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stemkit.samples import Samples

RATE = 44100  # of the song and of every model


@dataclass(frozen=True)
class Runner:
    """A model ready to separate songs.

    `separate` takes a song and the folder in which it leaves all stems, written and closed.
    `predict` is the network alone: vocals for a segment of (2, segment_frames), of which
    `segments_at_once` are predicted by as many threads.
    """

    separate: Callable[[Path, Path], None]
    predict: Callable[[Samples], Samples]
    segment_frames: int
    segments_at_once: int = 1
