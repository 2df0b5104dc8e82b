"""Random mixes of the pools; example number n is the same whoever asks for it, and when."""

from dataclasses import dataclass

import numpy as np
import pedalboard
import soxr
import torch
from torch import Tensor
from torch.utils.data import Dataset

from stemkit.samples import Samples
from stemkit.training.config import Mixing
from stemkit.training.pools import ClipPool

SILENCE = 1e-4  # an excerpt with less RMS than this is left as it is


@dataclass(frozen=True)
class Example:
    """A mix and its vocals, (2, frames), and the highest frequency the vocals were recorded at."""

    mix: Samples
    vocals: Samples
    bandwidth_hz: float


class MixDataset(Dataset[tuple[Tensor, Tensor, float]]):
    """Endless examples, addressed by number."""

    def __init__(
        self,
        vocals: list[ClipPool],
        accompaniment: list[ClipPool],
        mixing: Mixing,
        frames: int,
        sample_rate: int,
        seed: int,
    ) -> None:
        self.vocals = vocals
        self.accompaniment = accompaniment
        self.mixing = mixing
        self.frames = frames
        self.sample_rate = sample_rate
        self.seed = seed

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor, float]:
        example = self.make_example(np.random.default_rng((self.seed, number)))
        return (
            torch.from_numpy(example.mix),
            torch.from_numpy(example.vocals),
            example.bandwidth_hz,
        )

    def make_example(self, rng: np.random.Generator) -> Example:
        """Return one mix drawn with `rng`."""
        mixing = self.mixing
        vocals, bandwidth_hz = self._draw(self.vocals, rng, rng.random() < mixing.second_vocal)
        music, _ = self._draw(self.accompaniment, rng, rng.random() < mixing.second_accompaniment)
        vocals = vocals * _gain(rng.uniform(*mixing.vocal_gain_db))
        kind = rng.random()
        if kind < mixing.no_vocals:
            vocals = np.zeros_like(vocals)
        elif kind < mixing.no_vocals + mixing.no_accompaniment:
            music = np.zeros_like(music)
        gain = float(_gain(rng.uniform(*mixing.mix_level_db))) / max(_rms(vocals + music), SILENCE)
        gain = min(gain, 1 / max(float(np.abs(vocals + music).max()), SILENCE))
        return Example((vocals + music) * gain, vocals * gain, bandwidth_hz)

    def _draw(
        self, pools: list[ClipPool], rng: np.random.Generator, second: bool
    ) -> tuple[Samples, float]:
        one, bandwidth_hz = self._draw_one(pools, rng)
        if not second:
            return one, bandwidth_hz
        other, other_hz = self._draw_one(pools, rng)
        both = one + other * _gain(rng.uniform(-9, 0))
        return _normalize(both), min(bandwidth_hz, other_hz)

    def _draw_one(self, pools: list[ClipPool], rng: np.random.Generator) -> tuple[Samples, float]:
        weights = np.array([pool.weight for pool in pools])
        pool = pools[rng.choice(len(pools), p=weights / weights.sum())]
        speed = rng.uniform(*self.mixing.speed)
        excerpt, bandwidth_hz = pool.draw(rng, int(self.frames * speed) + 16)
        audio = soxr.resample(excerpt.T, speed, 1.0, quality="MQ").T[:, : self.frames]
        audio = np.pad(audio, ((0, 0), (0, self.frames - audio.shape[1])))
        audio = self._color(_place(audio, rng), rng)
        return _normalize(audio), bandwidth_hz * speed

    def _color(self, audio: Samples, rng: np.random.Generator) -> Samples:
        board = pedalboard.Pedalboard()
        share = self.mixing.effects
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
        return board(np.ascontiguousarray(audio), self.sample_rate)


def _place(audio: Samples, rng: np.random.Generator) -> Samples:
    """Return stereo with its polarity, sides and pan changed at random."""
    sides = audio[::-1] if rng.random() < 0.5 else audio
    pan = rng.uniform(-0.4, 0.4) if rng.random() < 0.5 else 0.0
    sign = -1.0 if rng.random() < 0.5 else 1.0
    return sides * np.array([[sign * (1 - pan)], [sign * (1 + pan)]], dtype=np.float32)


def _normalize(audio: Samples) -> Samples:
    """Return `audio` at an RMS of 0.1, or as it is where it is silent."""
    rms = _rms(audio)
    return audio if rms < SILENCE else (audio * (0.1 / rms)).astype(np.float32)


def _rms(audio: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(audio))))


def _gain(gain_db: float) -> np.float32:
    return np.float32(10 ** (gain_db / 20))
