"""Medians and means over tracks, with bootstrap confidence intervals."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stemkit.evaluation.tables import Row, list_metrics

CONFIDENCE = 0.95
RESAMPLES = 10_000
_SEED = 0  # so that the same scores have the same intervals
_AT_ONCE = 2**22  # numbers that are drawn at once, for the memory's sake

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A statistic and its confidence interval, in dB; NaN for an interval of a single value."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "-"
        interval = "" if math.isnan(self.low) else f" [{self.low:.2f}, {self.high:.2f}]"
        return f"{self.value:.2f}{interval}"


@dataclass(frozen=True)
class SummaryRow:
    """A metric of a stem over the tracks of a group, or over all, where `grouping` is empty.

    `tracks` are those with a score; `unscored` the others, whose reference or estimate is silent.
    """

    grouping: str
    group: str
    stem: str
    metric: str
    tracks: int
    unscored: int
    median: Interval
    mean: Interval


def summarize(rows: Sequence[Row]) -> list[SummaryRow]:
    """Return all stems and metrics, over all tracks and then over those of each group.

    A grouping that has all tracks in one group is left out.
    """
    found = list(_summarize_group(rows, "", ""))
    for grouping in rows[0].groups if rows else ():
        groups = sorted({row.groups[grouping] for row in rows})
        for group in groups if len(groups) > 1 else ():
            chosen = [row for row in rows if row.groups[grouping] == group]
            found += _summarize_group(chosen, grouping, group)
    return found


def bootstrap(values: Floats, statistic: Callable[..., Floats]) -> Interval:
    """Return a statistic of one or more values and its 95 % percentile bootstrap interval.

    `statistic` is NumPy's median or mean (Efron and Tibshirani 1993, chapter 13).
    """
    value = float(statistic(values))
    if len(values) < 2:
        return Interval(value, float("nan"), float("nan"))
    random = np.random.default_rng(_SEED)
    step = max(_AT_ONCE // len(values), 1)
    sizes = [min(step, RESAMPLES - start) for start in range(0, RESAMPLES, step)]
    drawn = [
        statistic(values[random.integers(len(values), size=(size, len(values)))], axis=1)
        for size in sizes
    ]
    tails = (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2
    low, high = np.quantile(np.concatenate(drawn), tails)
    return Interval(value, float(low), float(high))


def list_stems(rows: Sequence[Row]) -> list[str]:
    """Return the stems, in the order in which they come first."""
    return list(dict.fromkeys(row.stem for row in rows))


def take_finite(rows: Sequence[Row], metric: str) -> Floats:
    """Return the scores that are numbers."""
    scores = np.array([row.scores.get(metric, np.nan) for row in rows])
    finite: Floats = scores[np.isfinite(scores)]
    return finite


def _summarize_group(rows: Sequence[Row], grouping: str, group: str) -> Iterator[SummaryRow]:
    for stem in list_stems(rows):
        own = [row for row in rows if row.stem == stem]
        for metric in list_metrics(own):
            scores = take_finite(own, metric)
            if len(scores):
                intervals = bootstrap(scores, np.median), bootstrap(scores, np.mean)
            else:
                intervals = (Interval(*[float("nan")] * 3),) * 2
            unscored = len(own) - len(scores)
            yield SummaryRow(grouping, group, stem, metric, len(scores), unscored, *intervals)
