"""A song's stems on the disk, as hand-offs, pictures and the review page see them."""

from dataclasses import dataclass
from pathlib import Path

from stemkit.tracks.names import ORIGINAL
from stemkit.tracks.record import MarkerRecord, TagsRecord, TrackRecord


@dataclass(frozen=True)
class Stem:
    """A stem's name and its file; `muted` where it would sound on top of its own parts."""

    name: str
    path: Path
    muted: bool = False


@dataclass(frozen=True)
class Track:
    """A song's stems, all of one length, rate and start.

    `folder` is where the files of hand-offs go, beside the stems, and `project` what they are
    called without their ending, which no other track of that folder has. `original` is the song
    itself as a file beside the stems, at their gain, if there is one. `record` is what stemkit
    wrote of them; None for stems of another origin. `frames` and `time_reference` are in samples
    of `sample_rate`.
    """

    name: str
    folder: Path
    project: str
    stems: tuple[Stem, ...]
    sample_rate: int
    channels: int
    frames: int
    original: Path | None = None
    record: TrackRecord | None = None

    @property
    def with_original(self) -> tuple[Stem, ...]:
        """The stems, and last the original, muted, if there is one."""
        original = () if self.original is None else (Stem(ORIGINAL, self.original, muted=True),)
        return self.stems + original

    @property
    def heard(self) -> tuple[Stem, ...]:
        """The stems that aren't muted."""
        return tuple(stem for stem in self.stems if not stem.muted)

    @property
    def tags(self) -> TagsRecord:
        """What the song's file says of it."""
        return self.record.tags if self.record else TagsRecord()

    @property
    def title(self) -> str:
        """The song's title, else its name."""
        return self.tags.title or self.name

    @property
    def bpm(self) -> float | None:
        """The tempo that the song's tags state, if they do and it can be one."""
        try:
            bpm = float(self.tags.bpm.replace(",", "."))
        except ValueError:
            return None
        return bpm if 10 <= bpm <= 1000 else None

    @property
    def markers(self) -> tuple[MarkerRecord, ...]:
        """The song's markers, in order."""
        return tuple(sorted(self.record.markers, key=lambda m: m.frame)) if self.record else ()

    @property
    def time_reference(self) -> int:
        """Where the song starts, in samples since midnight; 0 if that isn't known."""
        return self.record.time_reference if self.record else 0

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.frames / self.sample_rate
