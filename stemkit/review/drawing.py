"""What a track's page shows: pictures, previews and findings, drawn once into a folder."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from stemkit.files import hash_content
from stemkit.review.findings import Finding, find_findings
from stemkit.review.pictures import draw_spectrogram, draw_thumbnail, draw_waveform
from stemkit.review.preview import RATE, make_preview, preview_channels
from stemkit.review.scan import Scan, scan_audio
from stemkit.review.sources import Role, Source, list_sources, write_sum
from stemkit.tracks.colours import colour_of
from stemkit.tracks.track import Track

VERSION = 2
"""Of what is drawn: raise it, and every track is drawn again."""

MOST_DECODED_BYTES = 2**31
"""What a browser has to hold of a track's previews; those of longer tracks are cut."""

THUMBNAIL = "thumbnail.webp"
STATE = ".drawn"
"""The file beside the pictures that tells what they were made from."""


class Lane(BaseModel):
    """A row of a track's page; its files are named by its number, the first is 0.

    `sha256` is that of the audio file's bytes; the sum of the stems has no such file.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    role: Role
    peak: float
    sha256: str = ""


class Drawing(BaseModel):
    """What was drawn of a track.

    `made_from` is what `describe_sources` gave. `playable_seconds` is how much of the track the
    previews hold; None where there are none.
    """

    model_config = ConfigDict(frozen=True)

    made_from: str
    lanes: tuple[Lane, ...]
    findings: tuple[Finding, ...]
    playable_seconds: float | None


def name_picture(lane: int, kind: Literal["waveform", "spectrogram"]) -> str:
    """Return the file of a lane's picture."""
    return f"{lane}-{kind}.webp"


def name_preview(lane: int) -> str:
    """Return the file of a lane's preview; the sum of the stems has none."""
    return f"{lane}.js"


def describe_sources(track: Track, *, with_audio: bool) -> str:
    """Return a hash of all that a drawing depends on; of files, the size and time of change.

    Raises OSError for a file that isn't there.
    """
    files = [(one.name, one.role, one.path.stat()) for one in list_sources(track)]
    states = [(name, role, state.st_size, state.st_mtime_ns) for name, role, state in files]
    text = json.dumps([VERSION, with_audio, track.sample_rate, track.frames, states])
    return hashlib.sha256(text.encode()).hexdigest()


def read_drawings(tracks: Path) -> dict[tuple[str, str], tuple[str, Drawing]]:
    """Return the folders in `tracks` and what was drawn into them.

    They are found by what stands before the dot of their name, and by what they were made from.
    """
    found = {}
    for folder in sorted(tracks.iterdir()):
        try:
            drawing = Drawing.model_validate_json((folder / STATE).read_bytes())
        except (OSError, ValidationError):  # a page, or a drawing of another version
            continue
        found[folder.name.partition(".")[0], drawing.made_from] = folder.name, drawing
    return found


def draw_track(track: Track, folder: Path, *, with_audio: bool) -> Drawing:
    """Draw a track into an empty folder, and say what was drawn.

    Raises AudioError for a file that can't be used, and OSError.
    """
    made_from = describe_sources(track, with_audio=with_audio)
    sources = list_sources(track)
    seconds = _limit_seconds(track, len(sources)) if with_audio else None
    rows = [*_add_sum(sources, folder), *((one, scan_audio(one.path)) for one in sources)]
    _draw_pictures(rows, folder)
    if seconds is not None:
        for number, (source, _) in enumerate(rows):
            if source.role != "sum":
                script = make_preview(source.path, number, seconds)
                (folder / name_preview(number)).write_text(script, encoding="ascii")
    drawing = Drawing(
        made_from=made_from,
        lanes=tuple(_describe_lane(source, scan) for source, scan in rows),
        findings=_find(rows),
        playable_seconds=seconds,
    )
    (folder / STATE).write_text(drawing.model_dump_json(), encoding="utf-8")
    return drawing


def _describe_lane(source: Source, scan: Scan) -> Lane:
    sha256 = "" if source.role == "sum" else hash_content(source.path)
    return Lane(name=source.name, role=source.role, peak=scan.peak, sha256=sha256)


def _limit_seconds(track: Track, lanes: int) -> float:
    """Return how much of a track is played: all of it, if its previews aren't too much to hold."""
    bytes_a_second = lanes * RATE * preview_channels(track.channels) * 4
    return min(track.seconds, MOST_DECODED_BYTES / bytes_a_second)


def _add_sum(sources: list[Source], folder: Path) -> Iterable[tuple[Source, Scan]]:
    """Yield the sum of the stems where there is no original, and more than one stem."""
    if sources[0].role == "original" or len(sources) == 1:
        return
    path = folder / ".sum.wav"
    try:
        source = write_sum(sources, path)
        yield source, scan_audio(path)
    finally:
        path.unlink(missing_ok=True)


def _draw_pictures(rows: list[tuple[Source, Scan]], folder: Path) -> None:
    full_scale = max(scan.peak for _, scan in rows) or 1.0
    for number, (source, scan) in enumerate(rows):
        waveform = draw_waveform(scan, colour_of(source.name), full_scale=full_scale)
        (folder / name_picture(number, "waveform")).write_bytes(waveform)
        (folder / name_picture(number, "spectrogram")).write_bytes(draw_spectrogram(scan))
    (folder / THUMBNAIL).write_bytes(draw_thumbnail(_select_stems(rows)))


def _find(rows: list[tuple[Source, Scan]]) -> tuple[Finding, ...]:
    mix = next((scan for source, scan in rows if source.role == "original"), None)
    return tuple(find_findings(_select_stems(rows), mix))


def _select_stems(rows: list[tuple[Source, Scan]]) -> dict[str, Scan]:
    return {source.name: scan for source, scan in rows if source.role == "stem"}
