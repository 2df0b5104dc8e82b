"""How much of each part of a mix ends up in an estimate."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy.signal import stft

from stemkit.samples import Samples

FLOOR_DB = -60.0

_WINDOW = 2048  # samples, half of them shared with the next window
_TILE_FRAMES = 8  # 0.19 s at 44.1 kHz
_LEAST_BINS = 8  # 172 Hz
_SIXTH_OCTAVE = 2 ** (1 / 6)
_SPREAD = 2.05  # the sum of a Hann spectrogram's squared correlations: so many values say one thing
_RIDGE = 1e-4  # of a part's mean tile: from what is 40 dB below that, nothing is concluded

Tiles = npt.NDArray[np.complex128]


def measure_leakage(estimate: Samples, parts: Mapping[str, Samples]) -> dict[str, float]:
    """Return for each part how much of it is in the estimate, in dB of the part's own energy.

    All are (channels, frames) at 44.1 kHz. 0 dB is all of it; a part that passes at 0.3 of its
    amplitude reads -10.5 dB. What is below -60 dB reads -60 dB.

    All that is in the estimate of a part alone comes from that part: then it's the ratio of the
    energies. In a mix, the estimate is projected on all parts by least squares, as BSS Eval does to
    find interference (Vincent, Gribonval and Févotte 2006, Performance Measurement in Blind Audio
    Source Separation), with a complex gain for each part, channel and tile of the spectrogram in
    place of one long filter. A tile is 0.19 s by a sixth of an octave, or by 172 Hz below 1.4 kHz.
    What leaks of a part is its tiles' energy times their squared gains, less what least squares
    give to each part by chance of that which none explains. What a mask lets through only where
    another part is loud is no steady share of either, and counts less than its energy: of an ideal
    ratio mask's leakage of -12 dB this finds -16 dB.
    """
    if len(parts) == 1:
        return {part: _to_decibels(_energy(estimate) / _energy(parts[part])) for part in parts}
    spectra = np.stack([_transform(audio) for audio in parts.values()], axis=-1)
    shares = _project(_transform(estimate), spectra)
    return {part: _to_decibels(share) for part, share in zip(parts, shares, strict=True)}


def _project(estimate: Tiles, parts: Tiles) -> list[float]:
    """Return each part's share in the estimate; they are (..., bins, frames) and (..., parts)."""
    conjugate = parts.conj()
    gram = _sum_tiles(conjugate[..., :, None] * parts[..., None, :])  # (channels, tiles..., j, k)
    overlap = _sum_tiles(conjugate * estimate[..., None])
    energy = _sum_tiles(estimate * estimate.conj()).real
    values = _sum_tiles(np.ones_like(estimate)).real
    own = np.einsum("...jj->...j", gram).real
    ridge = _RIDGE * own.reshape(-1, own.shape[-1]).mean(axis=0)
    inverse = np.linalg.inv(gram + np.diag(ridge))
    gains = np.einsum("...jk,...k->...j", inverse, overlap)
    explained = np.einsum("...j,...jk,...k->...", gains.conj(), gram, gains).real
    left = energy - 2 * np.einsum("...j,...j->...", gains.conj(), overlap).real + explained
    freedom = np.maximum(values - _SPREAD * own.shape[-1], values / 2)
    chance = np.einsum("...jk,...kj->...j", inverse @ gram, inverse).real
    chance *= (_SPREAD * np.maximum(left, 0) / freedom)[..., None]
    leaked = (np.square(np.abs(gains)) - chance) * own
    axes = tuple(range(own.ndim - 1))
    shares: list[float] = (leaked.sum(axis=axes) / own.sum(axis=axes)).tolist()
    return shares


def _transform(audio: Samples) -> Tiles:
    """Return the spectrogram, (channels, bins, frames)."""
    _, _, spectrum = stft(audio.astype(np.float64), nperseg=_WINDOW, noverlap=_WINDOW // 2)
    return np.asarray(spectrum, np.complex128)


def _sum_tiles(values: Tiles) -> Tiles:
    """Sum (channels, bins, frames, ...) over each tile."""
    edges = [0]
    while (edge := max(edges[-1] + _LEAST_BINS, round(edges[-1] * _SIXTH_OCTAVE))) < values.shape[
        1
    ]:
        edges.append(edge)
    starts = np.arange(0, values.shape[2], _TILE_FRAMES)
    return np.add.reduceat(np.add.reduceat(values, edges, axis=1), starts, axis=2)


def _energy(audio: Samples) -> float:
    return float(np.square(audio, dtype=np.float64).sum())


def _to_decibels(share: float) -> float:
    return max(float(10 * np.log10(max(share, 1e-12))), FLOOR_DB)
