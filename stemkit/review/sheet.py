"""A sheet of pictures with axes, for one file or for a song and its stems below one another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

from stemkit.figures import render_figure, without_glyph_warnings
from stemkit.review.pictures import add_spectrogram, add_waveform
from stemkit.review.scan import Scan
from stemkit.tracks.colours import colour_of
from stemkit.tracks.record import MarkerRecord

FORMATS = ("png", "webp", "jpg", "jpeg", "gif", "tif", "tiff", "svg", "pdf")
"""What sheets can be; of what matplotlib writes, the rest is without transparency or dated."""

WIDTH = 1600
LANE_HEIGHT = 320
"""Pixels of a sheet, and of each of its lanes; vector formats take 100 for an inch."""

_DPI = 100
_HEAD_HEIGHT = 80  # of title, markers and time
_FREQUENCIES_HZ = (100, 500, 1000, 2000, 5000, 10000, 20000)
_TICKS_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200,
                  1800, 3600, 7200, 14400, 28800)  # fmt: skip
_MOST_TICKS = 16
_LETTER_WIDTH = 8  # pixels, about, of a marker's label
_FEWEST_LETTERS = 4
_NAME_LETTERS = 18  # as many as stand beside a waveform


@dataclass(frozen=True)
class Lane:
    """A waveform and the spectrogram below it; `name` also decides the colour."""

    name: str
    scan: Scan


@dataclass(frozen=True)
class Sheet:
    """What is drawn: lanes on one time axis, and marks over all of them.

    `markers` are in frames of the first lane. Without `height`, each lane gets `LANE_HEIGHT`.
    """

    title: str
    lanes: Sequence[Lane]
    markers: Sequence[MarkerRecord] = ()
    width: int = WIDTH
    height: int | None = None


def draw_sheet(sheet: Sheet, file_format: str) -> bytes:
    """Return the sheet in one of `FORMATS`; the same sheet gives the same bytes.

    It sets matplotlib's settings for a moment, so that only one thread may call it.
    """
    with without_glyph_warnings():
        figure = _draw_figure(sheet)
    return render_figure(figure, file_format)


def _draw_figure(sheet: Sheet) -> Figure:
    count = len(sheet.lanes)
    height = sheet.height or _HEAD_HEIGHT + count * LANE_HEIGHT
    figure = Figure(figsize=(sheet.width / _DPI, height / _DPI), dpi=_DPI, layout="constrained")
    figure.suptitle(_clean(sheet.title), parse_math=False)
    grid = figure.subplots(2 * count, 1, sharex=True, squeeze=False, height_ratios=[2, 3] * count)
    axes: list[Axes] = list(grid[:, 0])
    full_scale = 1.05 * max(lane.scan.peak for lane in sheet.lanes) or 1
    for lane, waveform in zip(sheet.lanes, axes[::2], strict=True):
        _draw_waveform(waveform, lane, full_scale)
        if count > 1:
            _name_lane(waveform, lane.name)
    images = [
        _draw_spectrogram(spectrogram, lane.scan)
        for lane, spectrogram in zip(sheet.lanes, axes[1::2], strict=True)
    ]
    _draw_time(axes[-1], max(lane.scan.seconds for lane in sheet.lanes))
    _draw_markers(axes, sheet)
    figure.colorbar(images[0], ax=axes, label="dB", aspect=30 * count, pad=0.01)
    return figure


def _draw_waveform(axes: Axes, lane: Lane, full_scale: float) -> None:
    add_waveform(axes, lane.scan, colour_of(lane.name))
    axes.set_ylim(-full_scale, full_scale)
    axes.yaxis.set_major_locator(MaxNLocator(4, symmetric=True))
    axes.grid(axis="x", alpha=0.3)


def _name_lane(axes: Axes, name: str) -> None:
    label = _shorten(_clean(name), _NAME_LETTERS)
    axes.set_ylabel(label, color=colour_of(name).hex, fontweight="bold", parse_math=False)


def _draw_spectrogram(axes: Axes, scan: Scan) -> AxesImage:
    image = add_spectrogram(axes, scan)
    row_hz = scan.spectrogram.row_hz
    shown = [hz for hz in _FREQUENCIES_HZ if hz <= row_hz[-1]]
    rows = np.interp(shown, row_hz, np.arange(len(row_hz)) + 0.5)
    axes.set_yticks(rows, [f"{hz // 1000}k" if hz >= 1000 else str(hz) for hz in shown])
    axes.set_ylabel("Hz")
    return image


def _draw_time(axes: Axes, seconds: float) -> None:
    step = next((one for one in _TICKS_SECONDS if seconds / one <= _MOST_TICKS), 86400)
    digits = 2 if step < 0.1 else 1 if step < 1 else 0
    axes.xaxis.set_major_locator(MultipleLocator(step))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda second, _: format_time(second, digits)))
    axes.set_xlabel("time")
    axes.set_xlim(0, seconds)


def format_time(second: float, digits: int = 0) -> str:
    """Return a time as 4:05, with `digits` after the second, and with hours if there are any."""
    whole = round(second * 10**digits)
    seconds, fraction = divmod(whole, 10**digits)
    hours, minutes = seconds // 3600, seconds // 60 % 60
    head = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{head}:{seconds % 60:02}" + (f".{fraction:0{digits}}" if digits else "")


def _draw_markers(axes: Sequence[Axes], sheet: Sheet) -> None:
    """Draw a line at each marker, and above as much of its label as there is room for."""
    first = sheet.lanes[0].scan
    markers = [marker for marker in sheet.markers if 0 <= marker.frame < first.frames]
    ends = [*(marker.frame for marker in markers[1:]), first.frames]
    for marker, end in zip(markers, ends, strict=False):
        second = marker.frame / first.sample_rate
        for one, colour in zip(axes, ("black", "white") * len(sheet.lanes), strict=True):
            one.axvline(second, color=colour, linewidth=0.8, linestyle=(0, (4, 3)), alpha=0.8)
        letters = int((end - marker.frame) / first.frames * sheet.width / _LETTER_WIDTH)
        if letters < _FEWEST_LETTERS:
            continue
        axes[0].annotate(
            _shorten(_clean(marker.label), letters), (second, 1), (2, 3), fontsize="small",
            xycoords=("data", "axes fraction"), textcoords="offset points", parse_math=False,
            annotation_clip=False,
        )  # fmt: skip


def _shorten(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1].rstrip() + "…"


def _clean(text: str) -> str:
    """Return text in one line, without what can't be drawn."""
    line = " ".join(text.split())
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in line)
