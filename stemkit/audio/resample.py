"""Streaming sample rate conversion, by soxr at its very high quality."""

import math
from functools import cache

import numpy as np
import soxr

from stemkit.errors import OptionError
from stemkit.samples import Samples

MAX_RATIO = 1000  # beyond, soxr takes gigabytes, and then crashes


def resampled_frames(frames: int, rate_in: int, rate_out: int) -> int:
    """Return round(frames * rate_out / rate_in), halves rounded up, in whole numbers."""
    return (2 * frames * rate_out + rate_in) // (2 * rate_in)


@cache
def longest_delay(rate_in: int, rate_out: int) -> int:
    """Return the most input frames that a Resampler holds back between blocks, by trying."""
    if rate_in == rate_out:
        return 0
    resampler = Resampler(rate_in, rate_out, 1)
    step = 16
    silence = np.zeros((1, step), np.float32)
    # filters span about 2000 frames of the lower rate, and are run in chunks
    blocks = (2**16 + 4096 * rate_in // rate_out) // step
    frames_out, longest = 0, 0.0
    for frames_in in range(step, step * blocks, step):
        frames_out += resampler.process(silence).shape[1]
        longest = max(longest, frames_in - frames_out * rate_in / rate_out)
    return math.ceil(longest) + step


def resample(audio: Samples, rate_in: int, rate_out: int) -> Samples:
    """Return a whole signal, (channels, frames), at another rate."""
    resampler = Resampler(rate_in, rate_out, len(audio))
    return np.concatenate((resampler.process(audio), resampler.flush()), axis=1)


class Resampler:
    """Convert a stream of blocks from one rate to another, with no lag.

    The concatenation of what `process` and `flush` return is the same, to the bit, however the
    input is cut into blocks. Equal rates pass through untouched. Up to 0.9 of the lower Nyquist
    frequency nothing changes but the level, by less than 0.01 dB.

    Raises OptionError for a rate or a channel count below 1, and for rates too far apart.
    """

    def __init__(self, rate_in: int, rate_out: int, channels: int) -> None:
        if min(rate_in, rate_out, channels) < 1:
            raise OptionError(
                f"can't resample {channels} channels from {rate_in} Hz to {rate_out} Hz; "
                "give at least 1 of each"
            )
        if max(rate_in, rate_out) > MAX_RATIO * min(rate_in, rate_out):
            raise OptionError(
                f"can't resample from {rate_in} Hz to {rate_out} Hz; one may be at most "
                f"{MAX_RATIO} times the other"
            )
        self.rate_in = rate_in
        self.rate_out = rate_out
        self.channels = channels
        self._frames_in = 0
        self._frames_out = 0
        self._stream = soxr.ResampleStream(
            rate_in, rate_out, channels, dtype="float32", quality="VHQ"
        )

    def process(self, block: Samples) -> Samples:
        """Return what `block`, (channels, frames), completes; it may be nothing at first."""
        self._frames_in += block.shape[1]
        return self._convert(block, last=False)

    def flush(self, frames_out: int | None = None) -> Samples:
        """Return the rest, so that all output together has exactly `frames_out` frames.

        Without `frames_out` that is `resampled_frames` of all input. On the way back to a file's
        own rate pass the file's frames: a length that was rounded twice would differ from it.
        """
        if frames_out is None:
            frames_out = resampled_frames(self._frames_in, self.rate_in, self.rate_out)
        missing = max(frames_out - self._frames_out, 0)
        silence = np.zeros((self.channels, self._silence_frames(frames_out)), np.float32)
        return self._convert(silence, last=True)[:, :missing]

    def _silence_frames(self, frames_out: int) -> int:
        """Return how much silent input makes the stream reach `frames_out` frames."""
        return max(-(-frames_out * self.rate_in // self.rate_out) + 1 - self._frames_in, 0)

    def _convert(self, block: Samples, *, last: bool) -> Samples:
        if self.rate_in == self.rate_out:
            self._frames_out += block.shape[1]
            return block
        frames_first = np.ascontiguousarray(block.T, np.float32)
        resampled = self._stream.resample_chunk(frames_first, last=last)
        self._frames_out += len(resampled)
        return np.ascontiguousarray(resampled.T)
