"""Stems for Audacity: a list of files that it opens as one project, and the song's labels.

What it takes is written in its manual and its source (ImportLOF.cpp, LabelTrack.cpp): a file is
named between double quotes, for which there is no escape, relative to the list.
"""

from pathlib import Path

from stemkit.errors import HandoffError
from stemkit.handoff.text import flatten, relate, write_lines
from stemkit.tracks.record import MarkerRecord
from stemkit.tracks.track import Stem, Track


def write_audacity(track: Track) -> list[Path]:
    """Write the list of a track's stems, and its markers as labels if it has any.

    The original isn't listed, nor the mix of a preset: nothing in a list could mute them, and they
    would sound on top of the stems. Returns the files written. Raises HandoffError for a stem that
    can't be listed.
    """
    stems = [f'file "{_name(stem, track.folder)}"' for stem in track.heard]
    written = [write_lines(track.folder / f"{track.project}.lof", stems)]
    if track.markers:
        labels = [_describe(marker, track.sample_rate) for marker in track.markers]
        written.append(write_lines(track.folder / f"{track.project} labels.txt", labels))
    return written


def _name(stem: Stem, folder: Path) -> str:
    name = relate(stem.path, folder)
    if '"' in name:
        raise HandoffError(
            f"Audacity's lists can't name '{stem.path}', which holds a double quote; rename it"
        )
    return name


def _describe(marker: MarkerRecord, sample_rate: int) -> str:
    """Return a label: start, end and text; a point ends where it starts. Six digits as Audacity."""
    start, end = marker.frame / sample_rate, (marker.frame + marker.frames) / sample_rate
    return f"{start:.6f}\t{end:.6f}\t{flatten(marker.label)}"
