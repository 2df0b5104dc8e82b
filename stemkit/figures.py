"""Figures as files of which the same content gives the same bytes."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None},
    "svg": {"Date": None},
}


def render_figure(figure: Figure, file_format: str, facecolor: str = "auto") -> bytes:
    """Return a figure as a file, which tells neither when nor by what it was made."""
    file = BytesIO()
    with mpl.rc_context({"svg.hashsalt": "stemkit"}), without_glyph_warnings():
        FigureCanvasAgg(figure)
        figure.savefig(
            file, format=file_format, facecolor=facecolor, metadata=_METADATA.get(file_format)
        )
    return file.getvalue()


@contextmanager
def without_glyph_warnings() -> Iterator[None]:
    """Let no warning tell of letters that the font lacks: boxes stand for them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        yield
