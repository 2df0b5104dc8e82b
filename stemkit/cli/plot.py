"""`stemkit plot`: the waveform and the spectrogram of a file, or of a song and its stems."""

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stemkit.cli.places import LocalType
from stemkit.errors import OptionError
from stemkit.files import replace_content

if TYPE_CHECKING:
    from stemkit.review.sheet import Sheet
    from stemkit.tracks.track import Track

_NAMED = 5  # of the tracks that a folder has
_SIZE = click.IntRange(200, 20000)


@click.command()
@click.argument("source", metavar="FILE|TRACK_DIR", type=LocalType())
@click.option("-o", "--output", required=True, metavar="FILE|-",
              type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
              help="Write it there, as its ending says; - is PNG to standard output.")  # fmt: skip
@click.option("--title", metavar="TEXT", help="[default: the song's title, or the file's name]")
@click.option("--width", type=_SIZE, default=1600, show_default=True, help="In pixels.")
@click.option("--height", type=_SIZE, help="In pixels.  [default: 80, and 320 for each sound]")
def plot(source: Path, output: Path, title: str | None, width: int, height: int | None) -> None:
    """Draw the waveform and the spectrogram of FILE, or of the song and the stems in TRACK_DIR.

    They are drawn below one another on one time axis, with the song's markers. Vector formats such
    as pdf and svg take 100 pixels for an inch.
    """
    from stemkit.review.sheet import draw_sheet

    file_format = _choose_format(output)
    sheet = _plan_track(source, title) if source.is_dir() else _plan_file(source, title)
    data = draw_sheet(dataclasses.replace(sheet, width=width, height=height), file_format)
    if str(output) == "-":
        sys.stdout.buffer.write(data)
    else:
        _write(output, data)


def _choose_format(output: Path) -> str:
    from stemkit.review.sheet import FORMATS

    ending = output.suffix.lstrip(".").lower()
    if str(output) == "-":
        return "png"
    if ending not in FORMATS:
        raise OptionError(
            f"can't draw {output.name!r}; give it one of these endings: {', '.join(FORMATS)}"
        )
    return ending


def _plan_file(path: Path, title: str | None) -> "Sheet":
    from stemkit.review.scan import scan_audio
    from stemkit.review.sheet import Lane, Sheet

    return Sheet(title or path.name, [Lane(path.stem, scan_audio(path))])


def _plan_track(folder: Path, title: str | None) -> "Sheet":
    from stemkit.review.scan import scan_audio
    from stemkit.review.sheet import Lane, Sheet
    from stemkit.tracks.names import ORIGINAL

    track = _find_track(folder)
    sounds = [(stem.name, stem.path) for stem in track.stems]
    if track.original:
        sounds.insert(0, (ORIGINAL, track.original))
    lanes = [Lane(name, scan_audio(path)) for name, path in sounds]
    by = f"{track.tags.artist}: " if track.tags.artist else ""
    return Sheet(title or by + track.title, lanes, track.markers)


def _find_track(folder: Path) -> "Track":
    from stemkit.tracks.find import find_tracks
    from stemkit.tracks.track import Track

    found = list(find_tracks(folder))
    tracks = [one for one in found if isinstance(one, Track)]
    if len(tracks) == 1:
        return tracks[0]
    if tracks:
        names = ", ".join(track.name for track in tracks[:_NAMED])
        more = f" and {len(tracks) - _NAMED} more" if len(tracks) > _NAMED else ""
        raise OptionError(
            f"{folder} has {len(tracks)} tracks; give the folder of one of them: {names}{more}"
        )
    why = next((fault[1] for fault in found if not isinstance(fault, Track)), "")
    raise OptionError(f"{folder} has no track: {why or 'it needs the stems of a song'}")


def _write(path: Path, data: bytes) -> None:
    from stemkit.files import writing

    with writing(path):
        replace_content(path, data)
