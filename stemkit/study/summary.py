"""What the examples of a study come to: medians and quartiles, and the leakage matrix."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stemkit.study.conditions import VOICES
from stemkit.study.run import Score, StemScore

MEASURES = tuple(
    f"{stem}_{measure}_db"
    for stem in ("vocals", "accompaniment")
    for measure in ("sdr", "si_sdr", "mix_sdr", "gain")
)
"""The measures of an example; a gain is how much higher the SDR is than that of the mix."""


@dataclass(frozen=True)
class Spread:
    """The quartiles of some examples, in dB."""

    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Summary:
    """One model in one condition: of `measures`, those of `MEASURES` that any example has."""

    model: str
    condition: str
    examples: int
    measures: Mapping[str, Spread]
    leakage_db: Mapping[str, Spread]


@dataclass(frozen=True)
class Leak:
    """How much of an instrument is in a model's vocals: alone, and with a voice and a band."""

    alone_db: float | None
    mixed_db: float | None


def summarize(scores: Sequence[Score]) -> list[Summary]:
    """Return a summary for each model and condition, in the order in which they were run."""
    groups: dict[tuple[str, str], list[Score]] = {}
    for score in scores:
        groups.setdefault((score.model, score.condition), []).append(score)
    return [
        Summary(
            model,
            condition,
            len(group),
            _spread([list_measures(score) for score in group]),
            _spread([score.leakage_db for score in group]),
        )
        for (model, condition), group in groups.items()
    ]


def list_measures(score: Score) -> dict[str, float]:
    """Return the `MEASURES` that an example has."""
    return _list_stem("vocals", score.vocals) | _list_stem("accompaniment", score.accompaniment)


def _list_stem(stem: str, score: StemScore) -> dict[str, float]:
    sdr_db, mix_sdr_db = score.sdr_db, score.mix_sdr_db
    measures = {
        "sdr": sdr_db,
        "si_sdr": score.si_sdr_db,
        "mix_sdr": mix_sdr_db,
        "gain": None if sdr_db is None or mix_sdr_db is None else sdr_db - mix_sdr_db,
    }
    return {f"{stem}_{name}_db": value for name, value in measures.items() if value is not None}


def _spread(rows: Sequence[Mapping[str, float]]) -> dict[str, Spread]:
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row[name] for row in rows if name in row] for name in names}
    return {
        name: Spread(*(float(value) for value in np.percentile(values, (25, 50, 75))))
        for name, values in columns.items()
    }


def tabulate_leakage(summaries: Sequence[Summary]) -> dict[str, dict[str, Leak]]:
    """Return the leakage matrix: by instrument, then by model, medians over the examples.

    Voices come first, then the other kinds, the most leaking first.
    """
    found = {(one.model, one.condition): one.leakage_db for one in summaries}
    models = dict.fromkeys(model for model, _ in found)
    kinds = [name.removeprefix("alone-") for _, name in found if name.startswith("alone-")]

    def median(model: str, condition: str, kind: str) -> float | None:
        spread = found.get((model, condition), {}).get(kind)
        return spread.median if spread else None

    matrix = {
        kind: {
            model: Leak(
                median(model, f"alone-{kind}", kind),
                median(model, "band" if kind in ("singing", "band") else f"with-{kind}", kind),
            )
            for model in models
        }
        for kind in dict.fromkeys(kinds)
    }
    return dict(sorted(matrix.items(), key=_rank))


def format_level(level_db: float) -> str:
    """Return a level to a tenth of a dB, and none of -0.0."""
    return f"{round(level_db, 1) + 0.0:.1f}"


def _rank(row: tuple[str, dict[str, Leak]]) -> tuple[int, float]:
    kind, leaks = row
    if kind in VOICES:
        return VOICES.index(kind), 0.0
    told = [
        leak.mixed_db if leak.mixed_db is not None else leak.alone_db for leak in leaks.values()
    ]
    return len(VOICES), -max((level for level in told if level is not None), default=-np.inf)
