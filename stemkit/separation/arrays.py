"""Arrays as Pedalboard takes and gives them, to (channels, frames) and back."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stemkit.errors import ArgumentTypeError, LayoutError, NonFiniteError
from stemkit.samples import Samples


@dataclass(frozen=True)
class Layout:
    """How an array holds audio: its axes, which of them is the channels, and how many."""

    ndim: int
    channels_first: bool
    channels: int

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Tell whether an array of this shape can have this layout, in two dimensions."""
        axis = 0 if self.channels_first else 1
        return self.ndim == len(shape) == 2 and shape[axis] == self.channels > 0

    def view(self, array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """Return the array as (channels, frames), without a copy."""
        if self.ndim == 1:
            return array[np.newaxis]
        return array if self.channels_first else array.T

    def restore(self, audio: Samples) -> Samples:
        """Undo `view` in a fresh, C-contiguous array."""
        if self.ndim == 1:
            return np.array(audio[0], order="C")
        return np.array(audio if self.channels_first else audio.T, order="C")


def check_array(array: object) -> npt.NDArray[np.generic]:
    """Return `array` unless Pedalboard wouldn't take it.

    Raises ArgumentTypeError for anything but an array of float32 or float64, of any byte order.
    """
    if not isinstance(array, np.ndarray):
        raise ArgumentTypeError(
            f"input_array must be a NumPy array, not {type(array).__name__}; "
            f"wrap it in numpy.asarray(..., dtype=numpy.float32)"
        )
    if array.dtype.kind != "f" or array.dtype.itemsize not in (4, 8):
        raise ArgumentTypeError(
            f"stemkit only supports 32-bit and 64-bit floating point audio for processing, "
            f"not {array.dtype}; scale it to -1 .. 1 and convert it"
        )
    return np.asarray(array)


def find_layout(shape: tuple[int, ...], last: Layout | None, *, streaming: bool) -> Layout:
    """Return how an array of this shape holds audio, by Pedalboard's rules.

    The smaller axis is the channels; a square array has the layout of the `last` one. A block of
    a stream may have fewer frames than channels: with `streaming`, what can be like the last one
    is like it. Raises LayoutError for a square array with no last one, and unless there are 1 or
    2 dimensions.
    """
    if len(shape) == 1:
        return Layout(1, channels_first=False, channels=1)
    if len(shape) != 2:
        raise LayoutError(
            f"Number of input dimensions must be 1 or 2 (got {len(shape)}). "
            f"Give (frames,), (channels, frames) or (frames, channels)."
        )
    if streaming and last is not None and last.fits(shape):
        return last
    first, second = shape
    if first != second:
        channels_first = second == 0 or 0 < first < second
    elif first == 1:
        channels_first = True
    elif last is not None:
        channels_first = last.channels_first
    else:
        raise LayoutError(
            f"Unable to determine channel layout from shape: {shape}. Provide a non-square array "
            f"first to allow stemkit to determine which dimension corresponds with the number of "
            f"channels and which dimension corresponds with the number of samples."
        )
    return Layout(2, channels_first, first if channels_first else second)


def read_samples(array: npt.NDArray[np.generic], layout: Layout, *, copy: bool) -> Samples:
    """Return the array as float32 (channels, frames), a view of it only where `copy` is False.

    Raises NonFiniteError for NaN, infinity, and what is beyond float32.
    """
    with np.errstate(over="ignore"):  # of float64; found below
        samples = layout.view(array).astype(np.float32, order="C", copy=copy)
    if not np.isfinite(samples).all():
        frame = int(np.argmin(np.isfinite(samples).all(axis=0)))
        raise NonFiniteError(
            f"NaN, infinity or a number beyond float32 at frame {frame} of the array; remove it"
        )
    return samples
