"""Second-order sections over a stream, by matrix products.

It is what scipy.signal.sosfilt does, whose import takes a second. Blocks of 16,384 frames and more
cost as much or less; short ones more, for a piece that is begun is filtered again.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from stemkit.samples import Samples

Floats: TypeAlias = npt.NDArray[np.float64]

_ROW_FRAMES = 32  # of one row of the matrix products
_GROUP_ROWS = 8  # and so many groups of them at a time, and so on
_LEVELS = 3
_PIECE_ROWS = _GROUP_ROWS**_LEVELS
_PIECE_FRAMES = _PIECE_ROWS * _ROW_FRAMES
_PRODUCT_ROWS = 128  # more would be split among threads, which costs more than it saves


class SectionFilter:
    """Sections, (sections, 6) with a0 = 1, one after the other over a stream.

    Blocks of any lengths give the same, to the last bit.
    """

    def __init__(self, sections: Floats, channels: int) -> None:
        self._matrix = _find_matrix(sections)
        self._carries = _find_carries(self._matrix[_ROW_FRAMES:, _ROW_FRAMES:])
        self._state = np.zeros((channels, 2 * len(sections)))
        self._begun: Samples = np.zeros((channels, 0), np.float32)

    def push(self, block: Samples) -> Floats:
        """Return `block`, (channels, frames), filtered."""
        held = np.concatenate([self._begun, block], axis=1) if self._begun.size else block
        begun, frames = self._begun.shape[1], held.shape[1]
        self._begun = held[:, frames - frames % _PIECE_FRAMES :].copy()
        filtered = np.empty(held.shape)
        with np.errstate(invalid="ignore"):  # infinity is refused elsewhere
            for at in range(0, frames, _PIECE_FRAMES):
                piece = slice(at, at + _PIECE_FRAMES)
                filtered[:, piece] = self._filter(held[:, piece])
        return filtered[:, begun:]

    def _filter(self, piece: Samples) -> Floats:
        """Return a piece filtered; what is only begun will be again, with what follows it.

        So all pieces are whole, since a matrix product may round differently in another shape.
        """
        channels, frames = piece.shape
        if frames < _PIECE_FRAMES:
            piece = np.pad(piece, ((0, 0), (0, _PIECE_FRAMES - frames)))
        rows = np.empty((channels, _PIECE_ROWS, len(self._matrix)))
        rows[..., :_ROW_FRAMES] = piece.reshape(channels, _PIECE_ROWS, _ROW_FRAMES)
        states = self._find_states(rows[..., :_ROW_FRAMES])
        rows[:, 0, _ROW_FRAMES:] = self._state
        rows[:, 1:, _ROW_FRAMES:] = states[:, :-1]
        if frames == _PIECE_FRAMES:
            self._state = states[:, -1]
        some_rows = rows.reshape(-1, _PRODUCT_ROWS, len(self._matrix))
        filtered: Floats = some_rows @ self._matrix[:, :_ROW_FRAMES]
        return filtered.reshape(channels, _PIECE_FRAMES)[:, :frames]

    def _find_states(self, rows: Floats) -> Floats:
        """Return the state after each row."""
        left: Floats = rows @ self._matrix[:_ROW_FRAMES, _ROW_FRAMES:]  # by each row alone
        left[:, 0] += self._state @ self._matrix[_ROW_FRAMES:, _ROW_FRAMES:]
        lost = np.logical_or.accumulate(~np.isfinite(left).all(axis=2), axis=1)
        left[lost] = 0  # a product would take what isn't finite to what came before, too
        states = _carry(left, self._carries)
        states[lost] = np.nan
        return states


def _carry(left: Floats, carries: list[Floats]) -> Floats:
    """Return the sums of what all before have left, (channels, rows, numbers), and what is left.

    Within each group by one product, and from group to group in the same way.
    """
    channels, rows, numbers = left.shape
    carry, *rest = carries
    groups = left.reshape(channels, -1, _GROUP_ROWS * numbers)
    carried: Floats = groups @ carry[numbers:]
    if rest:
        after = _carry(carried[..., -numbers:], rest)
        carried[:, 1:] += after[:, :-1] @ carry[:numbers]
    return carried.reshape(channels, rows, numbers)


def _find_carries(step: Floats) -> list[Floats]:
    """Return for each level the matrix that takes a group to its sums, once a row decays by `step`.

    Its first rows, as many as there are numbers, are for what came before the group.
    """
    numbers, carries = len(step), []
    for _ in range(_LEVELS):
        powers = [np.linalg.matrix_power(step, count) for count in range(_GROUP_ROWS + 1)]
        carry = np.zeros((_GROUP_ROWS + 1, numbers, _GROUP_ROWS, numbers))
        for after in range(_GROUP_ROWS):
            for row in range(after + 2):
                carry[row, :, after] = powers[after + 1 - row]
        carries.append(carry.reshape((_GROUP_ROWS + 1) * numbers, -1))
        step = powers[_GROUP_ROWS]
    return carries


def _find_matrix(sections: Floats) -> Floats:
    """Return the matrix that takes a row and the state before it to both afterwards.

    It is what the difference equations make of the identity: (n, n) for the frames of a row and
    two numbers of state for each section.
    """
    identity = np.eye(_ROW_FRAMES + 2 * len(sections))
    states = identity[_ROW_FRAMES:].reshape(len(sections), 2, len(identity)).copy()
    filtered = []
    for frame in identity[:_ROW_FRAMES]:
        signal = frame
        for (b0, b1, b2, _, a1, a2), state in zip(sections, states, strict=True):
            given, signal = signal, b0 * signal + state[0]
            state[:] = b1 * given - a1 * signal + state[1], b2 * given - a2 * signal
        filtered.append(signal)
    return np.concatenate([filtered, states.reshape(-1, len(identity))]).T
