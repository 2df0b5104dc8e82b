"""Which audio the rows of a track's page are of: the song itself, then its stems."""

from contextlib import ExitStack
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Literal

import numpy as np

from stemkit.audio.decode import AudioReader
from stemkit.audio.wav import WavLayout, WavWriter
from stemkit.files import readable_name
from stemkit.tracks.names import ORIGINAL
from stemkit.tracks.track import Track

Role = Literal["stem", "original", "sum"]
"""The sum of the stems stands for the original where there is none; it's looked at, not played."""


@dataclass(frozen=True)
class Source:
    """An audio file and the name of its row, which no other row of the track has."""

    name: str
    role: Role
    path: Path


def list_sources(track: Track) -> list[Source]:
    """Return the files of a track: its original, if there is one, then its stems."""
    sources = [Source(ORIGINAL, "original", track.original)] if track.original else []
    for stem in track.stems:
        taken = {source.name for source in sources}
        sources.append(Source(_name_row(stem.name, stem.path, taken), "stem", stem.path))
    return sources


def _name_row(stem: str, path: Path, taken: set[str]) -> str:
    """Return a stem's name as text that can be shown, told from others by its file if need be."""
    names = [stem, path.name, *(f"{path.name} {number}" for number in range(2, len(taken) + 3))]
    return next(name for name in map(readable_name, names) if name not in taken)


def write_sum(stems: list[Source], path: Path) -> Source:
    """Write the sum of stems of one rate to `path`, as far as all of them go, and return it.

    Raises AudioError for a file that can't be used, and OSError.
    """
    with ExitStack() as stack:
        readers = [stack.enter_context(AudioReader(stem.path)) for stem in stems]
        channels = max(reader.info.channels for reader in readers)
        layout = WavLayout(readers[0].info.sample_rate, channels, "32f")
        with WavWriter(path, layout) as wav:
            for blocks in zip(*(reader.blocks() for reader in readers), strict=False):
                frames = min(block.shape[1] for block in blocks)
                total = reduce(np.add, [block[:, :frames] for block in blocks])
                wav.write(np.broadcast_to(total, (channels, frames)))
            wav.finish()
    return Source("sum of the stems", "sum", path)
