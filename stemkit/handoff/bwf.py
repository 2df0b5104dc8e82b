"""Broadcast Wave files (EBU Tech 3285) of stems that are no such files yet."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

from stemkit.audio.decode import AudioReader
from stemkit.audio.encode import OutputFormat, encode_file
from stemkit.audio.probe import probe_audio
from stemkit.audio.tags.markers import has_bext
from stemkit.audio.tags.metadata import Marker, name_program
from stemkit.audio.tags.read import read_metadata
from stemkit.errors import TagsError
from stemkit.files import replace_file
from stemkit.tracks.track import Stem, Track
from stemkit.weights.sources import name_model

FOLDER = "bwf"


def write_bwf(track: Track) -> list[Path]:
    """Write each stem that has no bext chunk as a Broadcast Wave file, into a folder `bwf`.

    Wave files that stemkit wrote have one already. The copies have 24 bits, the tags and markers of
    the stem, and the time reference of the song. Raises AudioError and OSError.
    """
    wanted = _list_stems(track)
    return [_write_copy(track, stem, target) for stem, target in wanted]


def list_copies(track: Track) -> list[Path]:
    """Return the files that `write_bwf` writes; raises OSError."""
    return [target for _, target in _list_stems(track)]


def _list_stems(track: Track) -> list[tuple[Stem, Path]]:
    """Return the stems that aren't Broadcast Wave files yet, and where such copies go."""
    wanted = [
        stem
        for stem in track.stems
        if not (stem.path.suffix.lower() == ".wav" and has_bext(stem.path))
    ]
    names = Counter(stem.path.stem for stem in wanted)
    return [(stem, stem.path.parent / FOLDER / f"{_name(stem, names)}.wav") for stem in wanted]


def _name(stem: Stem, names: Counter[str]) -> str:
    return stem.path.name if names[stem.path.stem] > 1 else stem.path.stem


def _write_copy(track: Track, stem: Stem, target: Path) -> Path:
    info = probe_audio(stem.path)
    try:
        metadata = read_metadata(info)
    except TagsError as error:  # the samples are what counts here
        metadata = error.rest
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
    if record is None:
        return name_program("", None, None)
    model = name_model(record.model.name) if record.model else None
    return name_program(record.versions.get("stemkit", ""), model, record.preset)
