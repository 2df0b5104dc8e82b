"""A queue of samples."""

import numpy as np

from stemkit.samples import Samples


class SampleQueue:
    """Blocks of (channels, frames) in, any number of frames out, first come first served."""

    def __init__(self) -> None:
        self._blocks: list[Samples] = []
        self.frames = 0

    def push(self, block: Samples) -> None:
        """Append `block`, which must not be changed afterwards."""
        self._blocks.append(block)
        self.frames += block.shape[1]

    def peek(self, frames: int) -> Samples:
        """Return the first `frames`, or all where there are fewer; they stay."""
        if len(self._blocks) > 1:
            self._blocks = [np.concatenate(self._blocks, axis=1)]
        return self._blocks[0][:, :frames]

    def take(self, frames: int) -> Samples:
        """Return the first `frames`, or all where there are fewer, and forget them."""
        taken = self.peek(frames)
        self.drop(frames)
        return taken

    def drop(self, frames: int) -> None:
        """Forget the first `frames`."""
        left = self.peek(self.frames)[:, frames:]
        self._blocks, self.frames = [left], left.shape[1]
