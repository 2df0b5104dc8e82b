"""What is known of a song and its stems: the JSON file that stands beside them."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stemkit.errors import RecordError

Count = Annotated[int, Field(gt=0)]
Decibels = Annotated[float, Field(allow_inf_nan=False)] | None
"""Null for what is silent, or too short to have a loudness."""


class _Table(BaseModel):
    model_config = ConfigDict(
        extra="ignore", frozen=True, use_attribute_docstrings=True, protected_namespaces=()
    )


class Measures(_Table):
    """How loud some audio is, relative to full scale."""

    peak_db: Decibels
    """The highest sample, in dBFS."""

    true_peak_db: Decibels
    """The highest point of the waveform between the samples (BS.1770), in dBTP."""

    loudness_lufs: Decibels
    """Integrated loudness (BS.1770), in LUFS."""

    energy_db: Decibels
    """The mean square of all samples of all channels, in dB; 0 for a full-scale square wave."""


class SourceRecord(Measures):
    """The song as it was read; the levels are those of its decoded samples."""

    path: str
    """The absolute path, or the URL, that it was read from."""

    size_bytes: int
    """Its length."""

    sha256: str
    """The SHA-256 of its bytes."""

    container: str
    """Such as wav, mp3 or mp4."""

    codec: str
    """Such as pcm_16, mp3 or aac."""

    sample_rate: Count
    """In Hz."""

    channels: Count
    """How many it has."""

    frames: Annotated[int, Field(ge=0)]
    """Samples of each channel."""


class StemRecord(Measures):
    """A stem as it was written; the levels are those after the gain, before any rounding."""

    stem: str
    """Its name, such as vocals."""

    file: str
    """Its file, relative to this one, with '/' between folders."""

    size_bytes: int
    """The file's length."""

    sha256: str
    """The SHA-256 of the file's bytes."""

    sample_rate: Count
    """Of the samples that went into the file, in Hz."""

    file_sample_rate: Count
    """Of the file: some codecs exist at some rates only."""

    channels: Count
    """How many it has."""

    frames: Annotated[int, Field(ge=0)]
    """Samples of each channel, at `sample_rate`."""

    gain_db: float
    """What was added to the stem as the model and the preset made it."""

    is_levelled: bool = False
    """Whether the preset asked for its loudness or its true peak."""

    is_mix: bool = False
    """Whether it is the preset's mix, of which the others are parts."""


class MarkerRecord(_Table):
    """A place in the song that its file marks."""

    frame: Annotated[int, Field(ge=0)]
    """Where it is, in samples of the song's rate."""

    label: str
    """What it's called; may be empty."""

    frames: Annotated[int, Field(ge=0)] = 0
    """How long it lasts; 0 for a point."""


class ModelRecord(_Table):
    """The weights that separated the song."""

    name: str
    """Its name, or the path of its file."""

    sha256: str
    """The SHA-256 of its weights; of a bag, of its members' hashes."""


class TagsRecord(_Table):
    """What the song's file says of it, in words; several values of one kind are joined by '; '."""

    title: str = ""
    """The song's name."""

    artist: str = ""
    """Who performs it."""

    album: str = ""
    """What it was released on."""

    track: str = ""
    """Its number there, such as 3 or 3/12."""

    disc: str = ""
    """The number of its disc, written alike."""

    date: str = ""
    """When it was released: a year, or more exactly."""

    genre: str = ""
    """What kind of music it is."""

    bpm: str = ""
    """Its tempo, in beats a minute."""

    key: str = ""
    """Its musical key, such as Am."""

    isrc: str = ""
    """Its International Standard Recording Code."""


class TrackRecord(_Table):
    """Where the stems of a song come from, and how loud they are."""

    format: Literal["stemkit track"] = "stemkit track"
    """What tells such a file from others."""

    version: Literal[1] = 1
    """Fields may be added within a version; none changes its meaning."""

    name: str
    """The song's name, as its file has it."""

    source: SourceRecord
    """The song."""

    stems: list[StemRecord]
    """Its stems, in the order of the model or the preset."""

    model: ModelRecord | None = None
    """What separated it; null where nothing did."""

    preset: str | None = None
    """The name of the preset, if one was used."""

    settings: dict[str, Any] = {}
    """All settings that the stems depend on."""

    versions: dict[str, str] = {}
    """Of stemkit, Python and the libraries that compute."""

    tags: TagsRecord = TagsRecord()
    """What the song's file says of it."""

    markers: list[MarkerRecord] = []
    """Cue markers and chapters of the song's file."""

    time_reference: int = 0
    """Where the song starts, in samples since midnight, if its file says so (BWF)."""

    warnings: list[str] = []
    """What went less well than it could, a line each."""


class RunRecord(_Table):
    """The records of all tracks of an output folder, in one file."""

    format: Literal["stemkit run"] = "stemkit run"
    """What tells such a file from others."""

    version: Literal[1] = 1
    """Fields may be added within a version; none changes its meaning."""

    tracks: list[TrackRecord]
    """A record a track; its files are relative to this file."""


def read_record(path: Path) -> TrackRecord | RunRecord | None:
    """Return what a file holds, or None where it isn't a record at all.

    Raises RecordError for a record that is damaged or of a newer stemkit, or that can't be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path} can't be read: {error.strerror}") from error
    mark = re.match(rb'\s*\{\s*"format"\s*:\s*"stemkit (track|run)"', data)
    if mark is None:
        return None
    kind = TrackRecord if mark[1] == b"track" else RunRecord
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "it"
        raise RecordError(
            f"{path} isn't a record of this stemkit: {place}: {first['msg']}"
        ) from error
