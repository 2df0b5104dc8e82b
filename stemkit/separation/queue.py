"""A queue of samples."""

import numpy as np

from stemkit.samples import Samples


class SampleQueue:
    """Blocks of (channels, frames) in, any number of frames out, first come first served.

    What was ever returned stays as it was. Pushing costs the same however short the blocks are.
    """

    def __init__(self) -> None:
        self._store: Samples = np.zeros((0, 0), np.float32)
        self._start = 0  # where the queue begins in the store, of which no sample changes later
        self.frames = 0

    def push(self, block: Samples) -> None:
        """Append `block`, which must not be changed afterwards."""
        frames = block.shape[1]
        if self.frames == 0:
            self._store, self._start, self.frames = block, 0, frames
            return
        if frames == 0:  # nothing to write into what may be someone's read-only array
            return
        if self._start + self.frames + frames > self._store.shape[1]:
            self._grow(2 * (self.frames + frames))
        end = self._start + self.frames
        self._store[:, end : end + frames] = block
        self.frames += frames

    def peek(self, frames: int) -> Samples:
        """Return the first `frames`, or all where there are fewer; they stay."""
        return self._store[:, self._start : self._start + min(frames, self.frames)]

    def take(self, frames: int) -> Samples:
        """Return the first `frames`, or all where there are fewer, and forget them."""
        taken = self.peek(frames)
        self.drop(frames)
        return taken

    def drop(self, frames: int) -> None:
        """Forget the first `frames`, or all where there are fewer."""
        dropped = min(frames, self.frames)
        self._start += dropped
        self.frames -= dropped

    def _grow(self, frames: int) -> None:
        """Move to a store with room for `frames`."""
        held = self.peek(self.frames)
        self._store = np.empty((len(held), frames), np.float32)
        self._store[:, : self.frames] = held
        self._start = 0
