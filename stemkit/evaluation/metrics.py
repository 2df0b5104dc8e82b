"""Scores of one estimate against its reference, in dB."""

import numpy as np

from stemkit.samples import Samples

DELTA = 1e-7  # what the Sound Demixing Challenge adds to both energies


def measure_sdr(reference: Samples, estimate: Samples) -> float:
    """Return the signal-to-distortion ratio of the Sound Demixing Challenge, in dB.

    Both are (channels, frames); all samples of all channels count alike and no filter is allowed
    (Fabbro et al. 2024, The Sound Demixing Challenge 2023, equation 1).
    """
    signal = np.square(reference, dtype=np.float64).sum()
    error = np.square(reference - estimate, dtype=np.float64).sum()
    return float(10 * np.log10((signal + DELTA) / (error + DELTA)))
