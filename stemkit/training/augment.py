"""What is done to one excerpt at random: its speed, its place, its colour."""

import numpy as np
import pedalboard
import soxr

from stemkit.samples import Samples

SILENCE = 1e-4  # an excerpt with less RMS than this is left as it is


def change_speed(audio: Samples, speed: float, frames: int) -> Samples:
    """Return (2, frames) of `audio` played `speed` times as fast."""
    played = audio if speed == 1 else soxr.resample(audio.T, speed, 1.0, quality="MQ").T
    played = played[:, :frames]
    return np.pad(played, ((0, 0), (0, frames - played.shape[1])))


def place(audio: Samples, rng: np.random.Generator) -> Samples:
    """Return stereo with its polarity, sides and pan changed at random."""
    sides = audio[::-1] if rng.random() < 0.5 else audio
    pan = rng.uniform(-0.4, 0.4) if rng.random() < 0.5 else 0.0
    sign = -1.0 if rng.random() < 0.5 else 1.0
    return sides * np.array([[sign * (1 - pan)], [sign * (1 + pan)]], dtype=np.float32)


def color(audio: Samples, share: float, sample_rate: int, rng: np.random.Generator) -> Samples:
    """Return `audio` with EQ, compression and reverb, each in `share` of the cases."""
    board = pedalboard.Pedalboard()
    if rng.random() < share:
        board.append(pedalboard.LowShelfFilter(rng.uniform(80, 300), rng.uniform(-8, 6)))
        board.append(
            pedalboard.PeakFilter(
                float(np.exp(rng.uniform(np.log(200), np.log(6000)))),
                rng.uniform(-8, 8),
                rng.uniform(0.4, 2),
            )
        )
        board.append(pedalboard.HighShelfFilter(rng.uniform(3000, 9000), rng.uniform(-8, 8)))
    if rng.random() < share:
        board.append(pedalboard.Compressor(rng.uniform(-30, -12), rng.uniform(2, 6), 5, 120))
    if rng.random() < share:
        wet = rng.uniform(0.05, 0.35)
        board.append(
            pedalboard.Reverb(rng.uniform(0.1, 0.9), 0.5, wet_level=wet, dry_level=1 - wet)
        )
    if not len(board):
        return audio
    return board(np.ascontiguousarray(audio), sample_rate)


def record(audio: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
    """Return `audio` as another microphone in another room hears it: tilted, thinner, nasal.

    Readers of one archive share a sound that singers elsewhere don't have.
    """
    pivot_hz, tilt_db = rng.uniform(500, 2000), rng.uniform(-8, 14)
    board = pedalboard.Pedalboard(
        [
            pedalboard.LowShelfFilter(pivot_hz, -tilt_db / 2, 0.5),
            pedalboard.HighShelfFilter(pivot_hz, tilt_db / 2, 0.5),
            pedalboard.PeakFilter(
                float(np.exp(rng.uniform(np.log(700), np.log(4500)))),
                rng.uniform(-6, 14),
                rng.uniform(0.4, 1.5),
            ),
            pedalboard.HighpassFilter(rng.uniform(20, 300)),
        ]
    )
    return board(np.ascontiguousarray(audio), sample_rate)


def normalize(audio: Samples) -> Samples:
    """Return `audio` at an RMS of 0.1, or as it is where it is silent."""
    rms = measure_rms(audio)
    return audio if rms < SILENCE else (audio * (0.1 / rms)).astype(np.float32)


def measure_rms(audio: Samples) -> float:
    """Return the root of the mean square of all samples."""
    return float(np.sqrt(np.mean(np.square(audio))))


def to_gain(gain_db: float) -> np.float32:
    """Return the factor of a gain in dB."""
    return np.float32(10 ** (gain_db / 20))
