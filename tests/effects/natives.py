"""Every native effect, with parameters that let it be heard."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pedalboard as pb

from stemkit.effects.board import Board
from stemkit.samples import Samples

RATE = 44100

Maker = Callable[[], pb.Plugin]


def impulse_response() -> Samples:
    decay = np.exp(-np.arange(3000) / 500)
    return (np.random.default_rng(9).normal(0, 0.1, 3000) * decay).astype(np.float32)


EFFECTS: dict[str, Maker] = {
    "Bitcrush": lambda: pb.Bitcrush(6.5),
    "BrickwallLimiter": lambda: pb.BrickwallLimiter(-12, release_ms=50, lookahead_ms=7),
    "Chorus": lambda: pb.Chorus(2, 0.4),
    "Clipping": lambda: pb.Clipping(-12),
    "Compressor": lambda: pb.Compressor(-30, 4, 2, 80),
    "Convolution": lambda: pb.Convolution(impulse_response(), 0.5, RATE),
    "Delay": lambda: pb.Delay(0.02, 0.4, 0.5),
    "Distortion": lambda: pb.Distortion(12),
    "GSMFullRateCompressor": lambda: pb.GSMFullRateCompressor(),
    "Gain": lambda: pb.Gain(3.3),
    "HighShelfFilter": lambda: pb.HighShelfFilter(5000, 6),
    "HighpassFilter": lambda: pb.HighpassFilter(200),
    "Invert": lambda: pb.Invert(),
    "LadderFilter": lambda: pb.LadderFilter(pb.LadderFilter.LPF24, 1500, 0.4),
    "Limiter": lambda: pb.Limiter(-20, 60),
    "LowShelfFilter": lambda: pb.LowShelfFilter(300, -6),
    "LowpassFilter": lambda: pb.LowpassFilter(2000),
    "MP3Compressor": lambda: pb.MP3Compressor(4),
    "NoiseGate": lambda: pb.NoiseGate(-25, 5, 1, 50),
    "PeakFilter": lambda: pb.PeakFilter(1000, 9, 2),
    "Phaser": lambda: pb.Phaser(2, 0.6),
    "PitchShift": lambda: pb.PitchShift(3),
    "Resample": lambda: pb.Resample(8000),
    "Reverb": lambda: pb.Reverb(0.8),
    "Chain": lambda: pb.Chain([pb.Reverb(0.3), pb.BrickwallLimiter(-12)]),
    "Mix": lambda: pb.Mix([pb.Gain(-6), pb.Chain([pb.Delay(0.01, 0.2, 1), pb.Reverb()])]),
    "Mix with latency": lambda: pb.Mix([pb.Gain(-6), pb.Chain([pb.BrickwallLimiter(-20)])]),
    "Pedalboard": lambda: pb.Pedalboard([pb.Compressor(-30, 4), pb.PitchShift(-2)]),
}

INEXACT = ["Convolution", "HighShelfFilter", "HighpassFilter", "LowShelfFilter"]
INEXACT += ["LowpassFilter", "PeakFilter"]
"""Effects whose last bits depend on the size of the blocks that Pedalboard cuts."""


def music(frames: int, channels: int = 2, seed: int = 0) -> Samples:
    """Return noise that swells, and is different in each channel."""
    noise = np.random.default_rng(seed).normal(0, 0.2, (channels, frames))
    return (noise * np.sin(np.linspace(0.3, 9, frames))).astype(np.float32)


def run_native(plugins: list[pb.Plugin], audio: Samples) -> Samples:
    """Return what Pedalboard makes of (channels, frames) in one call.

    It is cut into MP3 frames, since in blocks of 8192 MP3Compressor may lose samples.
    """
    array = audio[0] if len(audio) == 1 else audio
    return pb.Pedalboard(plugins)(array, RATE, buffer_size=576).reshape(audio.shape)


def stream(board: Board, audio: Samples, lengths: Sequence[int], tail_frames: int = 0) -> Samples:
    """Return what comes out when `audio` goes in in blocks of these lengths, over and over."""
    running = board.open_stream(RATE, len(audio))
    parts, start = [], 0
    for length in itertools.cycle(lengths):
        if start >= audio.shape[1]:
            break
        parts.append(running.push(audio[:, start : start + length]))
        start += length
    return np.concatenate([*parts, running.flush(tail_frames)], axis=1)
