"""Pictures of a scan as WebP bytes: without margins, so that x is time, from start to end.

The page lays its playhead over them. Their ground is transparent, or the colour map's own, so that
they do on light and dark pages. The same scan gives the same bytes. Threads may draw at once.
"""

from collections.abc import Mapping
from io import BytesIO

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from PIL import Image

from stemkit.review.frames import Floats
from stemkit.review.scan import Scan
from stemkit.tracks.colours import Colour, colour_of

WAVEFORM_SIZE = (1600, 96)
SPECTROGRAM_SIZE = (1600, 192)
THUMBNAIL_SIZE = (480, 80)
"""Width and height of the pictures, in pixels; pages may stretch or shrink them."""

COLOUR_MAP = "magma"
"""Even in lightness, so that it does without colours too."""

LEVELS_DB = (-85.0, -15.0)
"""What is black, and what is brightest, in spectrograms."""

_DPI = 100
_PEAK_OPACITY = 0.5
_HAIRLINE = 0.5  # points: what is left of silence
_LANE_GAP = 0.08  # between the lanes of a thumbnail, of a lane's height


def draw_waveform(scan: Scan, colour: Colour, *, full_scale: float = 1.0) -> bytes:
    """Return the waveform as WebP, on a transparent ground; its middle is 0.

    The top and bottom edge are ±`full_scale`: give the loudest peak of a track to all its stems, so
    that their heights compare; 0 does as 1.
    """
    figure, axes = _open_picture(WAVEFORM_SIZE)
    add_waveform(axes, scan, colour)
    top = full_scale or 1
    axes.set(xlim=(0, scan.seconds), ylim=(-top, top))
    return _close_picture(figure, lossless=True)


def draw_spectrogram(scan: Scan) -> bytes:
    """Return the spectrogram as WebP: low tones at the bottom, loud ones bright."""
    figure, axes = _open_picture(SPECTROGRAM_SIZE)
    add_spectrogram(axes, scan)
    axes.set(xlim=(0, scan.seconds), ylim=(0, len(scan.spectrogram.levels)))
    return _close_picture(figure, lossless=False)


def draw_thumbnail(scans: Mapping[str, Scan]) -> bytes:
    """Return a small picture as WebP, transparent: a lane for each stem, in the stem's colour.

    `scans` has the stems' names, top lane first. A lane is full where the loudest stem is loudest.
    """
    figure, axes = _open_picture(THUMBNAIL_SIZE)
    outlines = [_thin_out(scan.envelope.rms) for scan in scans.values()]
    full = max((float(outline.max()) for outline in outlines), default=0) or 1
    for lane, (stem, outline) in enumerate(zip(scans, outlines, strict=True)):
        half = _extend(outline) / full * (0.5 - _LANE_GAP / 2)
        axes.fill_between(
            np.linspace(0, 1, len(half)), -lane - half, half - lane,
            step="post", color=colour_of(stem).hex, linewidth=0,
        )  # fmt: skip
    axes.set(xlim=(0, 1), ylim=(0.5 - len(scans), 0.5))
    return _close_picture(figure, lossless=True)


def add_waveform(axes: Axes, scan: Scan, colour: Colour) -> None:
    """Draw peaks and, stronger, the root mean square over time in seconds."""
    seconds, outline = _list_edges(scan), scan.envelope
    for low, high, opacity in (
        (outline.low, outline.high, _PEAK_OPACITY),
        (-outline.rms, outline.rms, 1.0),
    ):
        axes.fill_between(
            seconds, _extend(low), _extend(high),
            step="post", color=colour.hex, alpha=opacity, linewidth=0,
        )  # fmt: skip
    axes.axhline(0, color=colour.hex, linewidth=_HAIRLINE)


def add_spectrogram(axes: Axes, scan: Scan) -> AxesImage:
    """Draw levels over time in seconds and rows from 0 on; return the image, for a colour bar."""
    picture = scan.spectrogram
    rows, columns = picture.levels.shape
    span_db = np.float32((picture.top_db - picture.floor_db) / 255)
    end = columns * picture.column_frames / scan.sample_rate
    return axes.imshow(
        picture.floor_db + picture.levels * span_db, cmap=COLOUR_MAP, vmin=LEVELS_DB[0],
        vmax=LEVELS_DB[1], origin="lower", aspect="auto", extent=(0, end, 0, rows),
        interpolation="bilinear",
    )  # fmt: skip


def _list_edges(scan: Scan) -> npt.NDArray[np.float64]:
    """Return where the columns of the waveform begin, and the end, in seconds."""
    frames = np.arange(len(scan.envelope.rms) + 1) * scan.envelope.column_frames
    return np.minimum(frames, scan.frames) / scan.sample_rate


def _thin_out(rms: Floats) -> Floats:
    """Return the root mean square of so many columns that a thumbnail has pixels for."""
    columns = min(len(rms), THUMBNAIL_SIZE[0] // 2)
    starts = np.linspace(0, len(rms), columns, endpoint=False).astype(int)
    counts = np.diff(starts, append=len(rms))
    return np.sqrt(np.add.reduceat(np.square(rms), starts) / counts, dtype=np.float32)


def _extend(columns: Floats) -> Floats:
    """Return the columns and the last one once more, as steps are drawn up to the next."""
    return np.append(columns, columns[-1:])


def _open_picture(size: tuple[int, int]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(size[0] / _DPI, size[1] / _DPI), dpi=_DPI, facecolor="none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    return figure, axes


def _close_picture(figure: Figure, *, lossless: bool) -> bytes:
    pixels, file = BytesIO(), BytesIO()
    FigureCanvasAgg(figure).print_raw(pixels)  # type: ignore[no-untyped-call]
    image = Image.frombytes("RGBA", figure.canvas.get_width_height(), pixels.getvalue())
    if lossless:
        image.save(file, "WEBP", lossless=True, quality=60, method=1)
    else:
        image.convert("RGB").save(file, "WEBP", quality=45, method=3)
    return file.getvalue()
