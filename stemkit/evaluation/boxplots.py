"""Box plots of scores by stem and by group, and of the differences of two evaluations."""

from collections.abc import Mapping, Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stemkit.evaluation.summary import Floats, list_stems, take_finite
from stemkit.evaluation.tables import Row, list_metrics
from stemkit.figures import render_figure
from stemkit.tracks.colours import colour_of

PlotFormat = Literal["png", "svg"]

_DPI = 100
_PANEL_INCHES = 3.2
_BOX_INCHES = 0.45
_LETTER_INCHES = 0.08  # of names, which are aslant
_MOST_INCHES = 60  # of a side, so that no number of groups makes a picture that can't be drawn
_LETTERS = 24  # of a group's name


def draw_stems(rows: Sequence[Row], file_format: PlotFormat) -> bytes:
    """Return a picture with a panel for each metric, and a box in it for each stem."""
    metrics, stems = list_metrics(rows), list_stems(rows)
    figure, panels = _open_figure(1, len(metrics), stems)
    for axes, metric in zip(panels[0], metrics, strict=True):
        boxes = {s: take_finite([row for row in rows if row.stem == s], metric) for s in stems}
        _draw_boxes(axes, boxes, stems)
        axes.set_title(metric)
    panels[0][0].set_ylabel("dB")
    return render_figure(figure, file_format)


def draw_groups(rows: Sequence[Row], grouping: str, file_format: PlotFormat) -> bytes:
    """Return a picture with a row for each metric and a column for each stem, a box a group."""
    metrics, stems = list_metrics(rows), list_stems(rows)
    groups = sorted({row.groups[grouping] for row in rows})
    figure, panels = _open_figure(len(metrics), len(stems), groups)
    figure.suptitle(grouping, parse_math=False)
    for line, metric in zip(panels, metrics, strict=True):
        line[0].set_ylabel(f"{metric}, dB")
        for axes, stem in zip(line, stems, strict=True):
            own = [row for row in rows if row.stem == stem]
            boxes = {
                group: take_finite([row for row in own if row.groups[grouping] == group], metric)
                for group in groups
            }
            _draw_boxes(axes, boxes, [stem] * len(groups))
    for axes, stem in zip(panels[0], stems, strict=True):
        axes.set_title(stem, parse_math=False)
    return render_figure(figure, file_format)


def draw_differences(
    differences: Mapping[str, Mapping[str, Floats]], title: str, file_format: PlotFormat
) -> bytes:
    """Return a picture of differences in dB by metric and stem, with a line at none."""
    stems = list(dict.fromkeys(stem for boxes in differences.values() for stem in boxes))
    figure, panels = _open_figure(1, len(differences), stems)
    figure.suptitle(title, parse_math=False)
    for axes, (metric, boxes) in zip(panels[0], differences.items(), strict=True):
        _draw_boxes(axes, boxes, list(boxes))
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set_title(metric)
    panels[0][0].set_ylabel("difference, dB")
    return render_figure(figure, file_format)


def _draw_boxes(axes: Axes, boxes: Mapping[str, Floats], colours: Sequence[str]) -> None:
    """Draw a box and the single scores for each name, in the colours of stems."""
    positions = range(1, len(boxes) + 1)
    drawn = axes.boxplot(
        list(boxes.values()), positions=positions, widths=0.6, showfliers=False, patch_artist=True,
        medianprops={"color": "black"},
    )  # fmt: skip
    for patch, position, values, stem in zip(
        drawn["boxes"], positions, boxes.values(), colours, strict=True
    ):
        patch.set(facecolor=colour_of(stem).hex, alpha=0.6)
        axes.scatter([position] * len(values), values, s=6, color="black", alpha=0.35, zorder=3)
    names = [_shorten(name) for name in boxes]
    axes.set_xticks(positions, names, rotation=30, ha="right", parse_math=False)
    axes.grid(axis="y", alpha=0.3)


def _shorten(name: str) -> str:
    return name if len(name) <= _LETTERS else f"{name[:_LETTERS]}…"


def _open_figure(lines: int, columns: int, names: Sequence[str]) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure with room for a box, and the end of a name, for each of `names`."""
    letters = max(len(_shorten(name)) for name in names)
    panel = 0.7 + _LETTER_INCHES * letters + _BOX_INCHES * max(len(names), 2)
    width = min(columns * panel, _MOST_INCHES)
    height = min(lines * _PANEL_INCHES + 0.6, _MOST_INCHES)
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    return figure, figure.subplots(lines, columns, squeeze=False).tolist()
