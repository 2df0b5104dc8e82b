"""What the pages of a review say of a track."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from stemkit.review.drawing import Drawing, Lane
from stemkit.tracks.colours import colour_of
from stemkit.tracks.record import Measures, SourceRecord, StemRecord, TrackRecord
from stemkit.tracks.track import Track

_CHANNELS = {1: "mono", 2: "stereo"}
_TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200)
_MOST_TICKS = 9


@dataclass(frozen=True)
class Levels:
    """A row of the table of numbers; the source has no gain, and no colour."""

    name: str
    measures: Measures
    gain_db: float | None = None
    colour: str | None = None


@dataclass(frozen=True)
class Entry:
    """A track of a review.

    `name` is what its page is called, `drawn` the folder of its drawing, beside the page, and
    `where` the track's folder below that of the review.
    """

    track: Track
    name: str
    drawn: str
    drawing: Drawing
    where: str

    @property
    def page(self) -> str:
        """The file of its page."""
        return f"{self.name}.html"

    @property
    def record(self) -> TrackRecord | None:
        """What stemkit wrote of the track."""
        return self.track.record

    @property
    def source(self) -> SourceRecord | None:
        """What stemkit wrote of the song."""
        return self.record.source if self.record else None

    @property
    def stems(self) -> list[str]:
        """The names of its stems."""
        return [lane.name for lane in self.drawing.lanes if lane.role == "stem"]

    @property
    def notes(self) -> list[str]:
        """What the separation warned of."""
        return self.record.warnings if self.record else []

    @property
    def warnings(self) -> int:
        """How many findings and notes there are."""
        return len(self.drawing.findings) + len(self.notes)

    @property
    def kinds(self) -> list[str]:
        """The kinds of its findings, each once."""
        return list(dict.fromkeys(finding.kind for finding in self.drawing.findings))

    @property
    def plays(self) -> bool:
        """Whether its page has a player."""
        return self.drawing.playable_seconds is not None

    @property
    def first_key(self) -> int:
        """The digit that solos the first lane: stems have 1 and on, what stands above them 0."""
        return int(self.drawing.lanes[0].role == "stem")

    @property
    def ticks(self) -> range:
        """Where times are written over the lanes, in seconds."""
        fitting = (step for step in _TICKS if self.track.seconds / step <= _MOST_TICKS)
        step = next(fitting, int(self.track.seconds / _MOST_TICKS) + 1)
        return range(0, int(self.track.seconds) + 1, step)

    @property
    def facts(self) -> list[str]:
        """A line on the track, in parts."""
        track, tags = self.track, self.track.tags
        channels = _CHANNELS.get(track.channels, f"{track.channels} channels")
        rate = f"{track.sample_rate / 1000:g} kHz {channels}"
        model = self.record.model.name if self.record and self.record.model else ""
        return [part for part in (tags.artist, tags.album, rate, model) if part]

    @property
    def levels(self) -> Iterator[Levels]:
        """The rows of the table of numbers.

        Only the peak is known of stems without a record, and of those that were changed since.
        """
        if self.record:
            yield Levels("source", self.record.source)
        for lane, stem in self._rows:
            colour = colour_of(stem.stem if stem else lane.name).hex
            if stem and stem.sha256 == lane.sha256:
                yield Levels(stem.stem, stem, stem.gain_db, colour)
            else:
                yield Levels(lane.name, _measure_peak(lane.peak), None, colour)

    @property
    def _rows(self) -> list[tuple[Lane, StemRecord | None]]:
        """The lanes that have numbers of their own, each with what the record says of it."""
        if self.record is None:
            return [(lane, None) for lane in self.drawing.lanes]
        records = {stem.stem: stem for stem in self.record.stems}
        lanes = [lane for lane in self.drawing.lanes if lane.role == "stem"]
        named = zip(lanes, self.track.stems, strict=True)
        return [(lane, records[stem.name]) for lane, stem in named]

    @property
    def provenance(self) -> Iterator[tuple[str, str]]:
        """What the record says besides levels, settings and warnings: names and values."""
        yield "Folder", self.where
        if self.record is None:
            yield "Length", f"{self.track.frames} frames at {self.track.sample_rate} Hz"
            return
        source = self.record.source
        yield "Source", source.path
        yield (
            "Format",
            (
                f"{source.container} ({source.codec}), {source.sample_rate} Hz, "
                f"{source.channels} channels, {source.frames} frames, {source.size_bytes} bytes"
            ),
        )
        yield "SHA-256", source.sha256
        drawn = {lane.sha256 for lane in self.drawing.lanes}
        for stem in self.record.stems:
            since = "" if stem.sha256 in drawn else "; changed or removed since"
            yield (
                f"Stem {stem.stem}",
                f"{stem.file}, {stem.size_bytes} bytes, SHA-256 {stem.sha256}{since}",
            )
        if self.record.model:
            yield "Model", f"{self.record.model.name}, SHA-256 {self.record.model.sha256}"
        if self.record.preset:
            yield "Preset", self.record.preset
        for name, value in self.record.tags.model_dump().items():
            if value:
                yield name.upper() if name in ("bpm", "isrc") else name.capitalize(), value
        if self.record.versions:
            yield (
                "Versions",
                ", ".join(f"{name} {one}" for name, one in self.record.versions.items()),
            )


def _measure_peak(peak: float) -> Measures:
    peak_db = 20 * math.log10(peak) if peak > 0 else None
    return Measures(peak_db=peak_db, true_peak_db=None, loudness_lufs=None, energy_db=None)
