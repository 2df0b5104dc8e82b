"""Which axis of an array is its channels, and that arrays go there and back."""

import numpy as np
import pytest

from stemkit.errors import LayoutError
from stemkit.separation.arrays import Layout, find_layout, read_samples

STEREO = Layout(2, channels_first=True, channels=2)
INTERLEAVED = Layout(2, channels_first=False, channels=2)
MONO = Layout(1, channels_first=False, channels=1)


@pytest.mark.parametrize(
    ("shape", "channels_first", "channels"),
    [
        *(((2, 9), True, 2), ((9, 2), False, 2), ((1, 9), True, 1), ((9, 1), False, 1)),
        *(((2, 1), False, 1), ((1, 2), True, 1), ((1, 1), True, 1), ((6, 7), True, 6)),
        *(((2, 0), True, 2), ((0, 2), False, 2), ((1, 0), True, 1), ((0, 1), False, 1)),
    ],
    ids=str,
)
@pytest.mark.parametrize("last", [None, STEREO, INTERLEAVED, MONO])
def test_the_smaller_axis_is_the_channels(
    shape: tuple[int, int], channels_first: bool, channels: int, last: Layout | None
) -> None:
    found = find_layout(shape, last, streaming=False)
    assert found == Layout(2, channels_first, channels)


@pytest.mark.parametrize("last", [STEREO, INTERLEAVED, MONO])
@pytest.mark.parametrize("side", [2, 3])
def test_a_square_array_is_like_the_last(last: Layout, side: int) -> None:
    """A mono one counts as interleaved, as for Pedalboard."""
    found = find_layout((side, side), last, streaming=False)
    assert found == Layout(2, last.channels_first, side)


@pytest.mark.parametrize("shape", [(2, 2), (0, 0), (), (1, 2, 3)], ids=str)
def test_what_cannot_be_told_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(LayoutError):
        find_layout(shape, None, streaming=True)


@pytest.mark.parametrize(
    ("shape", "last", "found"),
    [
        *(((2, 1), STEREO, STEREO), ((2, 2), STEREO, STEREO), ((2, 0), STEREO, STEREO)),
        *(((1, 2), INTERLEAVED, INTERLEAVED), ((2, 2), INTERLEAVED, INTERLEAVED)),
        *(((9, 2), STEREO, INTERLEAVED), ((2, 9), INTERLEAVED, STEREO)),
        *(((1,), STEREO, MONO), ((2, 1), MONO, Layout(2, channels_first=False, channels=1))),
        ((0, 9), Layout(2, channels_first=True, channels=0), Layout(2, False, 9)),
    ],
    ids=str,
)
def test_a_block_that_can_be_like_the_last_is(
    shape: tuple[int, ...], last: Layout, found: Layout
) -> None:
    assert find_layout(shape, last, streaming=True) == found


@pytest.mark.parametrize("shape", [(9,), (2, 9), (9, 2), (0,), (2, 0), (0, 2)], ids=str)
@pytest.mark.parametrize("copy", [True, False])
def test_there_and_back_is_a_fresh_array(shape: tuple[int, ...], copy: bool) -> None:
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    layout = find_layout(shape, None, streaming=False)
    audio = read_samples(array, layout, copy=copy)
    assert audio.shape == (layout.channels, max(shape) if array.size else 0)
    assert not (copy and np.shares_memory(audio, array))
    back = layout.restore(audio)
    assert back.flags.c_contiguous
    assert not np.shares_memory(back, array)
    assert not np.shares_memory(back, audio)
    np.testing.assert_array_equal(back, array)
