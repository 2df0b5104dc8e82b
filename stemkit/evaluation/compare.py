"""Two evaluations compared, track by track."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.stats import wilcoxon

from stemkit.errors import OptionError
from stemkit.evaluation.boxplots import PlotFormat, draw_differences
from stemkit.evaluation.evaluate import SCORES, SUMMARY, make_plain, read_summary
from stemkit.evaluation.options import BSS_METRICS
from stemkit.evaluation.scoring import take_median
from stemkit.evaluation.summary import Floats, Interval, bootstrap, list_stems
from stemkit.evaluation.tables import Row, list_metrics, read_rows, write_csv
from stemkit.files import replace_content, writing

COMPARISON = "comparison.csv"

_DECIMALS = 3  # of dB; files have four or five, by which alike scores differ


@dataclass(frozen=True)
class Difference:
    """How a metric of a stem differs over the tracks that have it in both, in dB: B minus A.

    `better` and `worse` are tracks of B; `p_value` is that of the Wilcoxon signed-rank test, two
    sided, of no difference, NaN for less than two tracks.
    """

    stem: str
    metric: str
    tracks: int
    median: Interval
    mean: Interval
    better: int
    worse: int
    p_value: float


@dataclass(frozen=True)
class Comparison:
    """Differences of two evaluations, and the tracks that only one of them has.

    `notes` say in a line each what else they don't share.
    """

    differences: list[Difference]
    values: dict[str, dict[str, Floats]]
    only_in_a: list[str]
    only_in_b: list[str]
    notes: list[str]

    def describe(self) -> object:
        """Return all but the single values, as JSON has it."""
        return make_plain(
            {
                "differences": [asdict(one) for one in self.differences],
                "only_in_a": self.only_in_a,
                "only_in_b": self.only_in_b,
                "notes": self.notes,
            }
        )


def compare_evaluations(
    a: Path, b: Path, output: Path | None = None, plots: PlotFormat = "png"
) -> Comparison:
    """Compare two evaluations, pairing tracks by their names, and write that to `output`.

    Each is a folder that `evaluate` wrote, its `scores.csv`, or a folder of museval's JSON files.
    `output` gets `comparison.csv` and a box plot of the differences. Raises OptionError for what
    isn't one evaluation, for two that share no track, and for an `output` that can't be written.
    """
    ours, theirs = load_rows(a), load_rows(b)
    tracks = [dict.fromkeys(row.track for row in rows) for rows in (ours, theirs)]
    comparison = Comparison(
        [],
        _subtract(ours, theirs),
        [track for track in tracks[0] if track not in tracks[1]],
        [track for track in tracks[1] if track not in tracks[0]],
        [*_list_odds(a, b), *_list_alone(a, ours, theirs), *_list_alone(b, theirs, ours)],
    )
    for metric, stems in comparison.values.items():
        comparison.differences.extend(
            measure_difference(values, stem, metric) for stem, values in stems.items()
        )
    if not comparison.differences:
        raise OptionError(f"{a} and {b} share no score of a track; compare runs of the same songs")
    if output:
        with writing(output):
            _write(output, comparison, f"{b.name} minus {a.name}", plots)
    return comparison


def load_rows(place: Path) -> list[Row]:
    """Return the rows of an evaluation; see `compare_evaluations`."""
    if _find_summary(place).get("finished") is False:
        raise OptionError(f"the evaluation in {place} isn't finished; give its command again")
    if place.is_file():
        rows = read_rows(place)
    elif (place / SCORES).is_file():
        rows = read_rows(place / SCORES)
    else:
        rows = _read_folder(place)
    counts = Counter((row.track, row.stem) for row in rows)
    for track, stem in (one for one, count in counts.items() if count > 1):
        raise OptionError(f"{place} has the {stem} of {track!r} twice; give one evaluation")
    return rows


def measure_difference(values: Floats, stem: str, metric: str) -> Difference:
    """Return what the differences of one or more tracks amount to."""
    p_value = math.nan
    if len(values) > 1:
        p_value = float(wilcoxon(values).pvalue) if values.any() else 1.0
    return Difference(
        stem,
        metric,
        len(values),
        bootstrap(values, np.median),
        bootstrap(values, np.mean),
        int((values > 0).sum()),
        int((values < 0).sum()),
        p_value,
    )


def _find_summary(place: Path) -> Mapping[str, object]:
    """Return what the summary of an evaluation says, nothing for museval's."""
    return read_summary(place.parent if place.name == SCORES else place)


def _list_odds(a: Path, b: Path) -> Iterator[str]:
    """Say which options of BSS Eval differ, as far as both are known."""
    theirs = dict(_read_options(b))
    for name, value in _read_options(a):
        if name in theirs and value != theirs[name]:
            values = f"{value} in {a} and {theirs[name]} in {b}"
            yield f"{name} is {values}; BSS Eval's scores of these can't be compared"


def _read_options(place: Path) -> Iterator[tuple[str, object]]:
    options = _find_summary(place).get("options")
    if isinstance(options, dict) and "bsseval" in options.get("methods", ()):
        names = ("window_seconds", "hop_seconds", "round_references")
        yield from ((name, options[name]) for name in names if name in options)


def _list_alone(place: Path, own: Sequence[Row], others: Sequence[Row]) -> Iterator[str]:
    """Say which stems and metrics are only in `own`, the rows of `place`."""
    for kind, names, known in (
        ("stem", list_stems(own), list_stems(others)),
        ("metric", list_metrics(own), list_metrics(others)),
    ):
        yield from (f"the {kind} {n}: only in {place}; left out" for n in names if n not in known)


def _subtract(ours: Sequence[Row], theirs: Sequence[Row]) -> dict[str, dict[str, Floats]]:
    """Return the differences of tracks by metric and stem; none where either has no score."""
    pairs = {(row.track, row.stem): row for row in theirs}
    found: dict[str, dict[str, Floats]] = {}
    for metric in list_metrics(ours):
        for stem in list_stems(ours):
            values = [
                pairs[row.track, stem].scores.get(metric, math.nan) - row.scores[metric]
                for row in ours
                if row.stem == stem and metric in row.scores and (row.track, stem) in pairs
            ]
            finite = np.array([round(v, _DECIMALS) for v in values if math.isfinite(v)])
            if len(finite):
                found.setdefault(metric, {})[stem] = finite
    return found


def _read_folder(place: Path) -> list[Row]:
    """Return the rows of museval's files in a folder."""
    summaries = (path.parent for path in sorted(place.rglob(SUMMARY)) if path.parent != place)
    if inside := [str(one.relative_to(place)) for one in summaries if read_summary(one)]:
        raise OptionError(
            f"{place} is no evaluation; choose one of those in it: {', '.join(inside)}"
        )
    rows = [row for path in sorted(place.rglob("*.json")) for row in _read_museval(path)]
    if not rows:
        raise OptionError(f"{place} has no {SCORES} and no JSON files of museval's")
    return rows


def _read_museval(path: Path) -> list[Row]:
    """Return the rows of a file of museval's, none for another JSON file."""
    try:
        targets = json.loads(path.read_text(encoding="utf-8"))["targets"]
        return [Row(path.stem, one["name"], _take_medians(one["frames"])) for one in targets]
    except OSError as error:
        raise OptionError(f"can't read {path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError):
        return []


def _take_medians(frames: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, float]:
    return {
        metric: take_median([float(frame["metrics"][metric]) for frame in frames])
        for metric in BSS_METRICS
    }


def _write(output: Path, comparison: Comparison, title: str, plots: PlotFormat) -> None:
    header = ["stem", "metric", "tracks", "better", "worse", "p_value"]
    header += [f"{name}_db" for name in ("median", "median_low", "median_high")]
    header += [f"{name}_db" for name in ("mean", "mean_low", "mean_high")]
    lines = [
        [one.stem, one.metric, one.tracks, one.better, one.worse, f"{one.p_value:.3g}"]
        + [f"{number:.4f}" for part in (one.median, one.mean) for number in asdict(part).values()]
        for one in comparison.differences
    ]
    write_csv(output / COMPARISON, [header, *lines])
    picture = draw_differences(comparison.values, title, plots)
    replace_content(output / f"comparison.{plots}", picture)
