"""The curves of a run as a picture."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from stemkit.figures import render_figure

if TYPE_CHECKING:
    from stemkit.training.log import Line


def draw_curves(lines: "Sequence[Line]") -> bytes:
    """Return a PNG of the loss and, where there are any, of the scores, over the steps."""
    losses = [(line.step, line.loss) for line in lines if line.loss is not None]
    stems = dict.fromkeys(stem for line in lines for stem in line.scores)
    figure = Figure(figsize=(10, 8 if stems else 4))
    axes = figure.subplots(2 if stems else 1, sharex=True, squeeze=False)[:, 0]
    axes[0].plot(*_split(losses))
    axes[0].set_ylabel("loss")
    for stem in stems:
        scores = [(line.step, line.scores[stem]) for line in lines if stem in line.scores]
        axes[1].plot(*_split(scores), marker=".", label=stem)
    if stems:
        axes[1].set_ylabel("SDR in dB, median of the songs")
        axes[1].legend()
    axes[-1].set_xlabel("step")
    for part in axes:
        part.grid(alpha=0.3)
    return render_figure(figure, "png")


def _split(points: Sequence[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [step for step, _ in points], [value for _, value in points]
