"""Scores as tables: a row for each stem of each track, in CSV files, and groups of tracks."""

import csv
import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stemkit.errors import OptionError
from stemkit.evaluation.options import METRICS
from stemkit.evaluation.tasks import Scored
from stemkit.files import replace_file

COLUMNS = {metric: f"{metric.lower().replace('-', '_')}_db" for metric in METRICS}
"""The column of each metric."""

_TRACK, _STEM, _FRAMES, _SILENT = "track", "stem", "frames", "silent_frames"
_RESERVED = frozenset({_TRACK, _STEM, _FRAMES, _SILENT, *COLUMNS.values()})
FOLDER = "folder"
"""The grouping of tracks that no table groups: the folder that their references are in."""

Groups = dict[str, str]
"""A track's group, by the name of the grouping: {"genre": "Rock"}."""


@dataclass(frozen=True)
class Row:
    """The scores of one stem of one track, in dB; NaN for what has none."""

    track: str
    stem: str
    scores: dict[str, float]
    groups: Groups = field(default_factory=dict)
    frames: int = 0
    silent_frames: int = 0


def make_rows(scored: Iterable[Scored], groups: Mapping[str, Groups] | None) -> list[Row]:
    """Return the rows of tracks, sorted; a track that `groups` lacks is in the group "".

    `groups` names tracks as scores do, or with their folder: `test/A - B`. Without it the folder is
    the group.
    """
    names = {name: "" for one in (groups or {}).values() for name in one}
    rows = []
    for track in sorted(scored, key=lambda one: one.track):
        if groups is None:
            own = {FOLDER: track.title.rpartition("/")[0]}
        else:
            own = names | dict(groups.get(track.title) or groups.get(track.track) or {})
        rows += [
            Row(track.track, stem, one.scores, own, one.frame_count, one.silent_frames)
            for stem, one in track.stems.items()
        ]
    return rows


def list_metrics(rows: Sequence[Row]) -> list[str]:
    """Return the metrics that were measured, in their usual order."""
    return [metric for metric in METRICS if any(metric in row.scores for row in rows)]


def read_groups(path: Path) -> dict[str, Groups]:
    """Return the groups of tracks, by the column `track` of a CSV file; others are groupings.

    Raises OptionError for a file that isn't such a table.
    """
    lines = _read_csv(path)
    header = list(lines[0]) if lines else []
    if "" in header:
        raise OptionError(
            f"{path}: column {header.index('') + 1} has no name; give it one, or leave it out as "
            f"pandas does with index=False"
        )
    if _TRACK not in header or len(header) < 2:
        raise OptionError(f"{path} needs a header with track and the names of groupings after it")
    if taken := sorted(set(header) & _RESERVED - {_TRACK}):
        raise OptionError(f"{path}: no grouping can be called {taken[0]!r}; rename the column")
    groups: dict[str, Groups] = {}
    for line in lines:
        track = unicodedata.normalize("NFC", line.pop(_TRACK))
        if track in groups:
            raise OptionError(f"{path} has the track {track!r} twice; give each one line")
        groups[track] = line
    return groups


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write rows as CSV; what has no score is empty. Raises OSError."""
    groupings = list(rows[0].groups) if rows else []
    present = list_metrics(rows)
    header = [_TRACK, _STEM, *groupings, *(COLUMNS[metric] for metric in present)]
    lines = [
        [
            row.track,
            row.stem,
            *row.groups.values(),
            *(_print_number(row.scores.get(metric, math.nan)) for metric in present),
            row.frames,
            row.silent_frames,
        ]
        for row in rows
    ]
    write_csv(path, [[*header, _FRAMES, _SILENT], *lines])


def read_rows(path: Path) -> list[Row]:
    """Return the rows that `write_rows` wrote; raises OptionError for another file."""
    lines = _read_csv(path)
    if not lines:
        raise OptionError(f"{path} has no scores of any track")
    if not {_TRACK, _STEM} <= set(lines[0]):
        raise OptionError(f"{path} isn't a table of scores; give what stemkit evaluate wrote")
    try:
        return [_read_row(line) for line in lines]
    except ValueError as error:
        raise OptionError(f"{path} has a score that isn't a number: {error}") from error


def write_csv(path: Path, lines: Sequence[Sequence[object]]) -> None:
    """Write lines, the first being the header; raises OSError."""

    def write(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8", errors="replace", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(lines)

    replace_file(path, write)


def _read_row(line: dict[str, str]) -> Row:
    scores = {m: float(line[c] or "nan") for m, c in COLUMNS.items() if c in line}
    groups = {name: value for name, value in line.items() if name not in _RESERVED}
    counts = int(line.get(_FRAMES) or 0), int(line.get(_SILENT) or 0)
    return Row(line[_TRACK], line[_STEM], scores, groups, *counts)


def _read_csv(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="", strict=True)
            names = list(reader.fieldnames or ())
            lines = list(reader)
    except OSError as error:
        raise OptionError(f"can't read {path}: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise OptionError(f"{path} isn't a CSV file in UTF-8: {error}") from error
    if twice := [name for name in names if names.count(name) > 1]:
        raise OptionError(f"{path} has two columns {twice[0]!r}; rename one")
    for number, line in enumerate(lines, 2):
        if None in line:
            raise OptionError(f"{path}: line {number} has more fields than the header")
    return lines


def _print_number(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else ""
