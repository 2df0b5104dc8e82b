"""Broadcast Wave files (EBU Tech 3285) of stems that are no such files yet."""

from dataclasses import replace
from pathlib import Path

from stemkit.audio.decode import AudioReader
from stemkit.audio.encode import OutputFormat, encode_file
from stemkit.audio.probe import probe_audio
from stemkit.audio.tags.markers import has_bext
from stemkit.audio.tags.metadata import Marker, Metadata
from stemkit.audio.tags.read import read_metadata
from stemkit.errors import TagsError
from stemkit.files import replace_file
from stemkit.tracks.track import Stem, Track

FOLDER = "bwf"


def write_bwf(track: Track) -> list[Path]:
    """Write each stem that has no bext chunk as a Broadcast Wave file, into a folder `bwf`.

    Wave files that stemkit wrote have one already. The copies have 24 bits, the tags and markers of
    the stem, and the time reference of the song. Raises AudioError and OSError.
    """
    return [
        _write_copy(track, stem)
        for stem in track.stems
        if not (stem.path.suffix.lower() == ".wav" and has_bext(stem.path))
    ]


def _write_copy(track: Track, stem: Stem) -> Path:
    target = stem.path.parent / FOLDER / f"{stem.path.stem}.wav"
    info = probe_audio(stem.path)
    try:
        metadata = read_metadata(info)
    except TagsError:  # the samples are what counts here
        metadata = Metadata()
    scale = info.sample_rate / track.sample_rate
    metadata = replace(
        metadata,
        markers=tuple(
            Marker(round(one.frame * scale), one.label, round(one.frames * scale))
            for one in track.markers
        ),
        time_reference=round(track.time_reference * scale),
        encoded_by=_name_program(track),
    )
    with AudioReader(stem.path) as reader:
        replace_file(
            target,
            lambda path: encode_file(
                path, reader.blocks(), info.sample_rate, info.channels, OutputFormat("wav"),
                metadata=metadata,
            ),
        )  # fmt: skip
    return target


def _name_program(track: Track) -> str:
    record = track.record
    parts = [f"stemkit {record.versions.get('stemkit', '')}".strip() if record else "stemkit"]
    if record and record.model:
        parts.append(f"model {Path(record.model.name).stem}")
    if record and record.preset:
        parts.append(f"preset {Path(record.preset).stem}")
    return ", ".join(parts)
