"""Stems as a session of Ardour 7, the digital audio workstation.

A session is a folder: a file of XML, and the audio in `interchange/<name>/audiofiles`. Audio there
goes by its bare file name, so the session finds it wherever it is moved; anything outside goes by
its absolute path. A path from the session to the stems beside it could be written, but when Ardour
saves, it leaves the bare name. So the stems have to be in there: as hard links, which take no room
and are files like any other to whatever copies, packs or syncs the folder, Windows included, and
which keep working when the session is moved away alone. Symbolic links do neither. Where a file
system has no hard links, the stems are copied.

The file is written here in every case, Ardour installed or not. Ardour's Lua API can't do it:
outside the editor it has no call that takes in an audio file (only `Editor:do_import` and
`Editor:do_embed` do).

At 24000 Hz and less Ardour 7.3 opens a session, but plays and exports silence.
"""

import os
import re
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path

from stemkit.audio.decode import AudioReader
from stemkit.audio.encode import OutputFormat, encode_file
from stemkit.audio.info import AudioInfo
from stemkit.audio.probe import probe_audio
from stemkit.audio.resample import Resampler
from stemkit.errors import HandoffError
from stemkit.files import link_or_copy, partial_path, replace_content, replace_file, writing
from stemkit.handoff.ardour_session import CLICK, MASTER, Lane, make_session
from stemkit.samples import Samples
from stemkit.tracks.colours import colour_of
from stemkit.tracks.track import Stem, Track

_READABLE = ("wav", "aiff", "flac")
_UNFIT = re.compile(r'[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff<>:;"/\\|?*]')
_RESERVED = (MASTER, CLICK, "Monitor", "auditioner")
_NAME_BYTES = 150  # leaves room for what Ardour makes of a name in names of files and ports


def write_ardour_session(track: Track) -> Path:
    """Write a session that plays the stems of `track` from 0, and return its file.

    Each stem is on a track of its own, in its colour, and so is the original, which is muted, as
    the mix of a preset is. The session has the stems' rate, the song's markers, and its tempo where
    the tags state it, by which no stem is stretched. Played or exported at full level, the stems
    sum to the mix.

    wav, aiff and flac are linked or copied as they are; others, and files at another rate than the
    stems', are decoded to 32-bit float wav. A session of that name that is there already gets the
    stems anew and keeps what else is in it, and its file, if it differs, is kept with `.bak` added,
    as Ardour does on saving.

    Raises HandoffError where the session can't be written, EncodeError where a decoded stem can't
    be, and AudioError for a stem that can't be read.
    """
    name = name_session(track.project)
    folder = track.folder / name
    with writing(folder, HandoffError):
        if folder.exists():
            _fill(folder, name, track)
        else:
            _build(folder, name, track)
    return folder / f"{name}.ardour"


def name_session(project: str) -> str:
    """Return what a project's session and its folder are called.

    What Ardour or Windows forbids in such names is replaced, and what is too long cut; a hash then
    tells it apart from others that look the same.
    """
    name = _fit(project)
    if name != project:
        name = f"{name} {zlib.crc32(os.fsencode(project)):08x}".strip()
    return f"{name} (Ardour)"


def _build(folder: Path, name: str, track: Track) -> None:
    temporary = partial_path(folder)
    try:
        _fill(temporary, name, track)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _fill(folder: Path, name: str, track: Track) -> None:
    # Below a folder whose path has a ":" Ardour 7 finds audio only where Ardour 2 kept it.
    audio = folder / "interchange" / re.sub("[^A-Za-z0-9_+=: ]", "_", name) / "audiofiles"
    stems = track.with_original
    lanes = [
        _add_lane(stem, lane, audio, track)
        for stem, lane in zip(stems, _name_lanes(stems), strict=True)
    ]
    session = folder / f"{name}.ardour"
    content = make_session(name, track, lanes)
    if session.exists() and session.read_bytes() != content:
        backup = session.with_name(f"{session.name}.bak")
        replace_file(backup, lambda part: shutil.copyfile(session, part))
    replace_content(session, content)


def _add_lane(stem: Stem, name: str, audio: Path, track: Track) -> Lane:
    info = probe_audio(stem.path)
    if info.container in _READABLE and info.frames and info.sample_rate == track.sample_rate:
        frames, file = info.frames, audio / f"{name}.{info.container}"
        replace_file(file, lambda part: link_or_copy(stem.path.resolve(), part))
    else:
        frames, file = track.frames, audio / f"{name}.wav"
        replace_file(file, lambda part: _decode(info, part, track))
    return Lane(name, colour_of(stem.name), file.name, info.channels, frames, stem.muted)


def _decode(info: AudioInfo, target: Path, track: Track) -> None:
    with AudioReader(info.path) as reader:
        blocks = _resample(reader.blocks(), info, track)
        encode_file(target, blocks, track.sample_rate, info.channels, OutputFormat("wav", "32f"))


def _resample(blocks: Iterator[Samples], info: AudioInfo, track: Track) -> Iterator[Samples]:
    """Yield `blocks` at the stems' rate, and of their length."""
    resampler = Resampler(info.sample_rate, track.sample_rate, info.channels)
    left = track.frames
    for block in blocks:
        resampled = resampler.process(block)[:, :left]
        left -= resampled.shape[1]
        yield resampled
    yield resampler.flush(track.frames)


def _name_lanes(stems: tuple[Stem, ...]) -> Iterator[str]:
    """Yield a name for each stem, all different to any file system, that fits ports and files."""
    taken = {name.casefold() for name in _RESERVED}
    for stem in stems:
        name = fitting = _fit(stem.name) or "stem"
        number = 1
        while name.casefold() in taken:
            number += 1
            name = f"{fitting} {number}"
        taken.add(name.casefold())
        yield name


def _fit(name: str) -> str:
    clean = _UNFIT.sub("_", name).strip()
    return clean.encode()[:_NAME_BYTES].decode(errors="ignore")
