"""A study as pictures: SDR by condition, and the leakage matrix as a heat map."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stemkit.figures import render_figure
from stemkit.study.conditions import GRADED, VOICES
from stemkit.study.leakage import FLOOR_DB
from stemkit.study.summary import Summary, format_level, tabulate_leakage

_COLOURS = ("#d1495b", "#2e86ab", "#3c916b", "#edae49", "#8e6c8a", "#52606d")
_MIX_COLOUR = "#9aa5b1"
_GRID = "#e4e7eb"
_INK = "#323f4b"
_DPI = 150
_LEAST_DB, _MOST_DB = -40.0, 0.0


def draw_sdr(summaries: Sequence[Summary]) -> bytes:
    """Return a PNG: a row for each condition; medians as dots on their quartiles.

    What the mix itself scores is a hollow diamond. Left are the vocals, right the accompaniment.
    """
    made = {one.condition for one in summaries}
    conditions = [one for one in GRADED if one.name in made]
    models = list(dict.fromkeys(one.model for one in summaries))
    figure = Figure(figsize=(11, 1.5 + len(conditions) * (0.22 + 0.14 * len(models))), dpi=_DPI)
    panels = figure.subplots(1, 2, sharey=True)
    rows = {one.name: row for row, one in enumerate(conditions)}
    for axes, stem in zip(panels, ("vocals", "accompaniment"), strict=True):
        for number, model in enumerate(models):
            shift = (number - (len(models) - 1) / 2) * 0.7 / len(models)
            own = [one for one in summaries if one.model == model and one.condition in rows]
            _add_dots(axes, stem, [(rows[one.condition] + shift, one) for one in own], number)
        _dress(axes, f"{stem}, SDR in dB")
    panels[0].set_yticks(range(len(conditions)), [one.title for one in conditions])
    panels[0].set_ylim(len(conditions) - 0.4, -0.6)
    handles, labels = panels[0].get_legend_handles_labels()
    by_label = dict(zip(labels, handles, strict=True))
    legend = figure.legend(
        by_label.values(), by_label.keys(), loc="lower center", ncols=4, frameon=False, fontsize=9
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    figure.set_layout_engine("tight", rect=(0, 0.4 / figure.get_figheight(), 1, 1))
    return render_figure(figure, "png", facecolor="white")


def _add_dots(axes: Axes, stem: str, rows: Sequence[tuple[float, Summary]], number: int) -> None:
    colour = _COLOURS[number % len(_COLOURS)]
    for place, one in rows:
        found, mix = one.measures.get(f"{stem}_sdr_db"), one.measures.get(f"{stem}_mix_sdr_db")
        if mix and not number:
            axes.plot(
                mix.median, place, "D", color=_MIX_COLOUR, fillstyle="none", markersize=5,
                label="the mix itself", linestyle="none",
            )  # fmt: skip
        if found:
            axes.plot([found.low, found.high], [place, place], color=colour, alpha=0.45, lw=3,
                      solid_capstyle="round")  # fmt: skip
            axes.plot(found.median, place, "o", color=colour, markersize=6, label=one.model,
                      linestyle="none")  # fmt: skip


def draw_leakage(summaries: Sequence[Summary]) -> bytes:
    """Return a PNG: the leakage matrix, instruments down, models across, in dB."""
    matrix = tabulate_leakage(summaries)
    models = list(next(iter(matrix.values()), {}))
    levels = np.array(
        [
            [level for model in models for level in (row[model].alone_db, row[model].mixed_db)]
            for row in matrix.values()
        ],
        dtype=np.float64,  # None becomes NaN, which is drawn as nothing
    ).reshape(len(matrix), 2 * len(models))
    figure = Figure(figsize=(3.6 + 2.1 * len(models), 1.6 + 0.36 * len(matrix)), dpi=_DPI)
    axes = figure.subplots()
    image = axes.imshow(levels, cmap="magma", vmin=_LEAST_DB, vmax=_MOST_DB, aspect="auto")
    for (row, column), level in np.ndenumerate(levels):
        if not np.isnan(level):
            text = f"≤ {FLOOR_DB:.0f}" if level <= FLOOR_DB else format_level(level)
            dark = level > (_LEAST_DB + _MOST_DB) / 2 + 4
            axes.text(column, row, text, ha="center", va="center", fontsize=9,
                      color="#1f2933" if dark else "white")  # fmt: skip
    kinds = [_name_row(kind) for kind in matrix]
    axes.set_yticks(range(len(matrix)), kinds, color=_INK, parse_math=False)
    names = [f"{name}\n{how}" for name in models for how in ("alone", "with voice + band")]
    axes.set_xticks(range(len(names)), names, fontsize=8, color=_INK, parse_math=False)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    for edge in range(2, len(names), 2):
        axes.axvline(edge - 0.5, color="white", lw=3)
    voices = sum(kind in VOICES for kind in matrix)
    if 0 < voices < len(matrix):
        axes.axhline(voices - 0.5, color="white", lw=3)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, pad=0.03)
    bar.set_label("of its energy in “vocals”, dB", color=_INK, fontsize=9)
    bar.outline.set_visible(False)
    figure.set_layout_engine("tight")
    return render_figure(figure, "png", facecolor="white")


def _name_row(kind: str) -> str:
    return f"{kind} (a voice)" if kind in VOICES else kind


def _dress(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=10, color=_INK)
    axes.grid(axis="x", color=_GRID)
    axes.axvline(0, color=_INK, lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, colors=_INK, labelsize=9)
