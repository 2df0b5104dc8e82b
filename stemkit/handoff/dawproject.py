"""Stems as a DAWproject, which Bitwig Studio, Studio One and Cubase open.

A ZIP archive of project.xml, metadata.xml and audio, version 1.0 of the format. Its schemas, and
what they mean: https://github.com/bitwig/dawproject (Project.xsd, MetaData.xsd, Reference.html).
"""

import os
import re
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import BinaryIO
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from stemkit import __version__
from stemkit.audio.decode import AudioReader
from stemkit.audio.encode import OutputFormat, encode_file
from stemkit.audio.info import AudioInfo
from stemkit.audio.probe import probe_audio
from stemkit.errors import HandoffError
from stemkit.files import partial_path, replace_file, writing
from stemkit.handoff.text import flatten, replace_unfit
from stemkit.tracks.colours import colour_of
from stemkit.tracks.record import TagsRecord
from stemkit.tracks.track import Stem, Track

_READABLE_CODECS = re.compile(r"pcm_(16|24|32)|float|flac")
_NOT_FOR_FILES = re.compile(r"[^\w .()-]")
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True)
class _Sound:
    """A stem's audio: what it is, and where, in the archive or beside it."""

    stem: str
    info: AudioInfo
    place: str
    external: bool = False
    is_muted: bool = False

    @property
    def seconds(self) -> float:
        return (self.info.frames or 0) / self.info.sample_rate


def write_dawproject(track: Track, *, embed: bool = True) -> Path:
    """Write a project of the stems of `track`, which plays them from 0, and return its file.

    Each stem is a clip on a track of its own, with its colour, and so is the original, which is
    muted, as the mix of a preset is. All times are in seconds, so that no tempo stretches a stem;
    the tempo is stated where the tags do. Of a marker that has a length the start is kept, since
    the format has points only.

    wav, aiff and flac go into the archive as they are. With `embed` false they are left where they
    are and referred to by paths relative to the project. What programs trim differently at its
    ends, as mp3, or don't all read, as opus, goes in as 32-bit float wav either way, and so does a
    file whose name XML can't hold.

    Raises HandoffError where the project can't be written, and AudioError for an unreadable stem.
    """
    path = track.folder / f"{track.project}.dawproject"
    with writing(path, HandoffError):
        replace_file(path, lambda part: _write(part, track, embed))
    return path


def _write(path: Path, track: Track, embed: bool) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        sounds = [
            replace(_add_sound(archive, number, stem, track.folder, embed), is_muted=stem.muted)
            for number, stem in enumerate(track.with_original, start=1)
        ]
        _add_xml(archive, "project.xml", _make_project(track, sounds))
        _add_xml(archive, "metadata.xml", _make_metadata(track))


def _add_sound(
    archive: zipfile.ZipFile, number: int, stem: Stem, folder: Path, embed: bool
) -> _Sound:
    info = probe_audio(stem.path)
    if not _is_read_by_all(info):
        return _add_decoded(archive, number, stem, folder)
    if not embed and (reference := _refer(stem.path, folder)):
        return _Sound(stem.name, info, reference, external=True)
    return _add_file(archive, number, stem.name, info)


def _is_read_by_all(info: AudioInfo) -> bool:
    is_plain = info.container in ("wav", "aiff", "flac") and info.frames is not None
    return is_plain and _READABLE_CODECS.fullmatch(info.codec) is not None


def _refer(path: Path, folder: Path) -> str | None:
    """Return the path relative to the project, or None where none would be understood."""
    reference = Path(os.path.relpath(path, folder)).as_posix()
    return None if replace_unfit(reference) != reference or _DRIVE.match(reference) else reference


def _add_decoded(archive: zipfile.ZipFile, number: int, stem: Stem, folder: Path) -> _Sound:
    wav = partial_path(folder / stem.path.name)
    try:
        with AudioReader(stem.path) as reader:
            shape = reader.info.sample_rate, reader.info.channels
            encode_file(wav, reader.blocks(), *shape, OutputFormat("wav", "32f"))
        return _add_file(archive, number, stem.name, probe_audio(wav))
    finally:
        wav.unlink(missing_ok=True)


def _add_file(archive: zipfile.ZipFile, number: int, stem: str, info: AudioInfo) -> _Sound:
    place = f"audio/{number} {_NOT_FOR_FILES.sub('_', stem)}.{info.container}"
    with info.path.open("rb") as source, _open_entry(archive, place, info.path) as target:
        shutil.copyfileobj(source, target, 2**20)
    return _Sound(stem, info, place)


def _open_entry(archive: zipfile.ZipFile, place: str, source: Path) -> BinaryIO:
    entry = _make_entry(place)
    entry.file_size = source.stat().st_size  # past 2 GiB it asks for ZIP64
    return archive.open(entry, "w")  # type: ignore[return-value]  # a binary file in all but name


def _add_xml(archive: zipfile.ZipFile, name: str, root: Element) -> None:
    indent(root)
    archive.writestr(_make_entry(name), tostring(root, "UTF-8", xml_declaration=True))


def _make_entry(name: str) -> zipfile.ZipInfo:
    """Return an entry that is the same everywhere and at any time."""
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.create_system = 3  # Unix
    entry.external_attr = 0o644 << 16
    return entry


def _make_project(track: Track, sounds: list[_Sound]) -> Element:
    ids = (f"id{number}" for number in count())
    project = Element("Project", version="1.0")
    SubElement(project, "Application", name="stemkit", version=__version__)
    if track.bpm is not None:
        transport = SubElement(project, "Transport")
        _add_real(transport, "Tempo", "bpm", track.bpm, next(ids))
    structure = SubElement(project, "Structure")
    arrangement = SubElement(project, "Arrangement", id=next(ids))
    lanes = SubElement(arrangement, "Lanes", timeUnit="seconds", id=next(ids))
    master = next(ids)
    for sound in sounds:
        lane = _add_track(structure, sound, master, ids)
        _add_clip(lanes, sound, lane, ids)
    _add_master(structure, master, ids)
    _add_markers(arrangement, track, next(ids))
    SubElement(project, "Scenes")
    return project


def _add_track(structure: Element, sound: _Sound, master: str, ids: Iterator[str]) -> str:
    lane = next(ids)
    element = SubElement(
        structure, "Track", contentType="audio", loaded="true", id=lane, name=_text(sound.stem),
        color=colour_of(flatten(sound.stem)).hex,
    )  # fmt: skip
    channel = SubElement(
        element, "Channel", audioChannels=str(sound.info.channels), destination=master,
        role="regular", solo="false", id=next(ids),
    )  # fmt: skip
    _add_mixing(channel, ids, is_muted=sound.is_muted)
    return lane


def _add_master(structure: Element, master: str, ids: Iterator[str]) -> None:
    element = SubElement(
        structure, "Track", contentType="audio notes", loaded="true", id=next(ids), name="Master"
    )
    channel = SubElement(
        element, "Channel", audioChannels="2", role="master", solo="false", id=master
    )
    _add_mixing(channel, ids, is_muted=False)


def _add_mixing(channel: Element, ids: Iterator[str], *, is_muted: bool) -> None:
    SubElement(channel, "Mute", value=str(is_muted).lower(), id=next(ids), name="Mute")
    _add_real(channel, "Pan", "normalized", 0.5, next(ids))
    _add_real(channel, "Volume", "linear", 1.0, next(ids))


def _add_real(parent: Element, name: str, unit: str, value: float, identity: str) -> None:
    SubElement(parent, name, unit=unit, value=f"{value:.6f}", id=identity, name=name)


def _add_clip(lanes: Element, sound: _Sound, lane: str, ids: Iterator[str]) -> None:
    own = SubElement(lanes, "Lanes", track=lane, id=next(ids))
    clips = SubElement(own, "Clips", id=next(ids))
    end = str(sound.seconds)
    clip = SubElement(
        clips, "Clip", time="0.0", duration=end, contentTimeUnit="seconds", playStart="0.0",
        playStop=end, name=_text(sound.stem),
    )  # fmt: skip
    audio = SubElement(
        clip, "Audio", timeUnit="seconds", algorithm="raw", channels=str(sound.info.channels),
        duration=end, sampleRate=str(sound.info.sample_rate), id=next(ids),
    )  # fmt: skip
    SubElement(audio, "File", path=sound.place, external=str(sound.external).lower())


def _add_markers(arrangement: Element, track: Track, identity: str) -> None:
    if not track.markers:
        return
    markers = SubElement(arrangement, "Markers", timeUnit="seconds", id=identity)
    for marker in track.markers:
        time = str(marker.frame / track.sample_rate)
        SubElement(markers, "Marker", time=time, name=_text(marker.label))


def _make_metadata(track: Track) -> Element:
    root = Element("MetaData")
    for name, value in _list_metadata(track.title, track.tags):
        if value:
            SubElement(root, name).text = _text(value)
    return root


def _list_metadata(title: str, tags: TagsRecord) -> Iterator[tuple[str, str]]:
    year = re.search(r"\d{4}", tags.date)
    yield "Title", title
    yield "Artist", tags.artist
    yield "Album", tags.album
    yield "Year", year[0] if year else ""
    yield "Genre", tags.genre


def _text(text: str) -> str:
    return replace_unfit(flatten(text))
