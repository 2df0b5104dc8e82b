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


def measure_si_sdr(reference: Samples, estimate: Samples) -> float:
    """Return the scale-invariant signal-to-distortion ratio, in dB; NaN if either is silent.

    Both are (channels, frames); one gain, of either sign, is found for all channels together, and
    no mean is removed (Le Roux et al. 2019, SDR: half-baked or well done?, equation 3). An estimate
    that is the reference up to a gain has +inf, or what rounding leaves.
    """
    wanted = reference.astype(np.float64).ravel()
    given = estimate.astype(np.float64).ravel()
    energy = wanted @ wanted
    if not energy or not given.any():
        return float("nan")
    target = (given @ wanted / energy) * wanted
    error = given - target
    with np.errstate(divide="ignore"):
        return float(10 * np.log10((target @ target) / (error @ error)))
