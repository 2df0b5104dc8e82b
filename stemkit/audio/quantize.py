"""Float samples to whole numbers, at the very end: dithered to 16 bits, rounded to 24."""

import numpy as np
import numpy.typing as npt

from stemkit.samples import Samples


def to_int16(block: Samples, random: np.random.Generator) -> npt.NDArray[np.int16]:
    """Dither `block` to 16 bits, frames by channels.

    TPDF dither: triangular, two steps from peak to peak, independent for each sample and channel,
    so that the error has no mean, a variance of a quarter of a step squared and no harmonics
    (Lipshitz, Wannamaker and Vanderkooy, "Quantization and dither", JAES 40, 1992). A sample that
    16 bits hold exactly is kept: untouched 16-bit audio comes back bit for bit, and digital silence
    stays silent. How a signal is cut into blocks makes no difference. Beyond full scale it
    saturates.
    """
    scaled = np.multiply(block.T, np.float32(2**15), order="C")
    draws = random.integers(2**32, size=(*scaled.shape, 1), dtype=np.uint32).view(np.int16)
    steps = np.subtract(draws[..., 0], draws[..., 1], dtype=np.float32)  # 2 ** -16 of a step each
    steps *= np.float32(2**-16)
    steps += scaled
    np.rint(steps, out=steps)
    whole = np.rint(scaled)
    np.copyto(steps, whole, where=whole == scaled)
    np.clip(steps, -(2**15), 2**15 - 1, out=steps)
    return steps.astype(np.int16)


def to_int24(block: Samples) -> npt.NDArray[np.int32]:
    """Round `block` to 24 bits, frames by channels; beyond full scale it saturates.

    There is no dither: the rounding is 144 dB below full scale.
    """
    steps = np.rint(block.T * np.float32(2**23))
    saturated: npt.NDArray[np.float32] = np.clip(steps, -(2**23), 2**23 - 1)
    return saturated.astype(np.int32)
