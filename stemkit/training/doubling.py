"""What production does with a voice: doubles it, harmonizes it, makes a choir of it, an echo."""

import numpy as np
import numpy.typing as npt
import soxr
from scipy.ndimage import map_coordinates
from scipy.signal import lfilter

from stemkit.samples import Samples
from stemkit.training.augment import to_gain

KIND_SHARES = {"double": 0.4, "harmony": 0.25, "choir": 0.15, "echo": 0.2}
HARMONIES = (-12, -8, -5, -4, -3, 3, 4, 5, 7, 12)  # semitones
CHOIR_PARTS = (-12, -8, -5, 0, 0, 4, 7, 12)  # semitones
CHOIR_VOICES = (3, 7)  # added to the one that is there
DELAY_SECONDS = (0.010, 0.035)
DETUNE_CENTS = (1.0, 9.0)

Mono = npt.NDArray[np.float32]


def double(voice: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
    """Return the voice, (2, frames), with doubles, harmonies, a choir or echoes of itself."""
    mono = voice.mean(axis=0, dtype=np.float32)
    kind = rng.choice(list(KIND_SHARES), p=list(KIND_SHARES.values()))
    if not mono.any():
        return voice.copy()
    if kind == "echo":
        return voice + _echo(mono, sample_rate, rng)
    if kind == "choir":
        return voice + _gather_choir(mono, sample_rate, rng)
    added = np.zeros_like(voice)
    spread = rng.uniform(0.2, 1.0)
    for side in rng.permutation((-spread, spread))[: rng.integers(1, 3)]:
        copy = mono
        if kind == "harmony":
            copy = _shift_pitch(mono, int(rng.choice(HARMONIES)), sample_rate)
        gain_db = rng.uniform(-9, -1) if kind == "double" else rng.uniform(-14, -4)
        added += _pan(_sing_again(copy, sample_rate, rng), side) * to_gain(gain_db)
    return voice + added


def _gather_choir(mono: Mono, sample_rate: int, rng: np.random.Generator) -> Samples:
    """Return several more singers from left to right, as loud as the first or less."""
    choir = np.zeros((2, len(mono)), np.float32)
    for side in np.linspace(-1, 1, rng.integers(*CHOIR_VOICES, endpoint=True)):
        part = int(rng.choice(CHOIR_PARTS))
        singer = _shift_pitch(mono, part, sample_rate) if part else mono
        choir += _pan(_sing_again(singer, sample_rate, rng), side) * to_gain(rng.uniform(-8, 0))
    return choir


def _sing_again(mono: Mono, sample_rate: int, rng: np.random.Generator) -> Mono:
    """Return a second take: a little late, its pitch drifting by a few cents."""
    time = np.arange(len(mono)) / sample_rate
    rate = 2 * np.pi * rng.uniform(0.2, 1.0)  # of the drift, in radians a second
    depth = (2 ** (rng.uniform(*DETUNE_CENTS) / 1200) - 1) / rate  # seconds
    delay = rng.uniform(*DELAY_SECONDS) + depth * np.sin(rate * time + rng.uniform(0, 2 * np.pi))
    late = (time - np.maximum(delay, 0)) * sample_rate
    taken: Mono = map_coordinates(mono, late[None], order=3, mode="constant")
    return taken


def _echo(mono: Mono, sample_rate: int, rng: np.random.Generator) -> Samples:
    """Return a slap from the middle, or repeats that go from side to side, each one duller."""
    slap = rng.random() < 0.5
    seconds = rng.uniform(0.06, 0.14) if slap else rng.uniform(0.16, 0.5)
    delay, repeats = round(seconds * sample_rate), 1 if slap else int(rng.integers(2, 6))
    side = 0.0 if slap else rng.choice((-1, 1)) * rng.uniform(0.3, 1.0)
    damping, fading = rng.uniform(0, 0.6), rng.uniform(0.35, 0.75)
    repeat, echoes = mono * to_gain(rng.uniform(-14, -4)), np.zeros((2, len(mono)), np.float32)
    for number in range(1, repeats + 1):
        repeat = lfilter([1 - damping], [1, -damping], repeat).astype(np.float32)
        late = repeat[: max(0, len(mono) - number * delay)]
        echoes[:, len(mono) - len(late) :] += _pan(late, side)
        repeat, side = repeat * np.float32(fading), -side
    return echoes


def _shift_pitch(mono: Mono, semitones: int, sample_rate: int) -> Mono:
    """Return the voice at another pitch: stretched in time, then played faster or slower.

    As pedalboard.PitchShift does at six times the cost.
    """
    ratio = 2 ** (semitones / 12)
    shifted: Mono = soxr.resample(_stretch(mono, ratio, sample_rate), ratio, 1.0, quality="MQ")
    return np.pad(shifted, (0, max(0, len(mono) - len(shifted))))[: len(mono)]


def _stretch(mono: Mono, ratio: float, sample_rate: int) -> Mono:
    """Return `mono` `ratio` times as long, by WSOLA (Verhelst and Roelands, 1993).

    Each grain is taken from where it continues the one before best, to 4 samples.
    """
    hop, reach, coarse = sample_rate // 40, sample_rate // 100, 4
    grains = int(len(mono) * ratio) // hop + 2
    padded = np.pad(mono, (reach, 3 * hop + 2 * reach + coarse))
    rough = padded[::coarse]
    window = np.hanning(2 * hop + 1)[:-1].astype(np.float32)
    stretched = np.zeros((grains + 1) * hop, np.float32)
    expected = 0
    for grain in range(grains):
        earliest = min(int(grain * hop / ratio), len(mono))  # its middle place is at + reach
        searched = rough[earliest // coarse : (earliest + 2 * reach + 2 * hop) // coarse]
        wanted = rough[expected // coarse : (expected + 2 * hop) // coarse]
        start = earliest + coarse * int(np.correlate(searched, wanted, "valid").argmax())
        stretched[grain * hop : (grain + 2) * hop] += padded[start : start + 2 * hop] * window
        expected = start + hop
    return stretched[hop:]


def _pan(mono: Mono, side: float) -> Samples:
    """Return stereo from -1, left, to 1, right."""
    return mono * np.array([[min(1, 1 - side)], [min(1, 1 + side)]], dtype=np.float32)
