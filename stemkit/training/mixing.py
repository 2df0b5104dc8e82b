"""Random mixes; example number n is the same whoever asks for it, and when."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from stemkit.samples import Samples
from stemkit.training.augment import (
    SILENCE,
    change_speed,
    color,
    measure_rms,
    normalize,
    place,
    record,
    to_gain,
)
from stemkit.training.config import ACCOMPANIMENT, VOCALS, TrainingConfig
from stemkit.training.doubling import double
from stemkit.training.mastering import encode, limit
from stemkit.training.material import Material
from stemkit.training.pools import SongPool, TakePool
from stemkit.training.unsplit import UNSPLIT

AnyPool = TypeVar("AnyPool", TakePool, SongPool)
Batch = tuple[Tensor, Tensor, Tensor]
"""Mixes (batch, 2, frames), sources (batch, sources, 2, frames), bandwidths (batch, sources)."""


@dataclass(frozen=True)
class Example:
    """A mix, (2, frames), and its sources, (sources, 2, frames).

    Above its `bandwidth_hz` a source was lost before we had it; infinite where nothing was, and
    `UNSPLIT` where the source is known only as a part of the first one after the vocals.
    """

    mix: Samples
    sources: Samples
    bandwidth_hz: tuple[float, ...]


class MixDataset(Dataset[Batch]):
    """Endless examples, addressed by number."""

    def __init__(self, config: TrainingConfig, material: Material) -> None:
        self.config = config
        self.material = material
        self.sample_rate = config.network_config().sample_rate
        self.frames = int(config.segment_seconds * self.sample_rate)

    def __getitem__(self, number: int) -> Batch:
        example = self.make_example(np.random.default_rng((self.config.seed, number)))
        return (
            torch.from_numpy(example.mix),
            torch.from_numpy(example.sources),
            torch.tensor(example.bandwidth_hz),
        )

    def make_example(self, rng: np.random.Generator) -> Example:
        """Return one mix drawn with `rng`."""
        mixing, rate = self.config.mixing, self.sample_rate
        if self.material.songs and rng.random() < mixing.paired:
            parts, bandwidths = self._draw_song(rng), [math.inf] * len(self.material.parts)
        else:
            parts, bandwidths = self._draw_parts(rng)
        if mixing.mix_level_db is not None:
            parts *= _choose_gain(parts.sum(axis=0), rng.uniform(*mixing.mix_level_db))
        if rng.random() < mixing.limiter:
            parts = limit(parts, rate, rng)
        mix = parts.sum(axis=0)
        if rng.random() < mixing.codec:
            mix = encode(mix, rate, rng)
        sources, bandwidths = self._take_sources(parts, bandwidths)
        return Example(mix, sources, tuple(bandwidths))

    def _take_sources(self, parts: Samples, bandwidths: list[float]) -> tuple[Samples, list[float]]:
        """Return what is learnt of all parts, and the bandwidths of that."""
        names, count = tuple(self.material.parts), len(self.config.sources)
        whole = names.index(ACCOMPANIMENT) if self.config.mixing.unsplit else None
        if whole is None or not parts[whole].any():
            return parts[:count], bandwidths[:count]
        sources = np.zeros_like(parts[:count])
        sources[0], sources[1] = parts[0], parts[[*range(1, count), whole]].sum(axis=0)
        rest = [UNSPLIT] * (count - 2)
        return sources, [bandwidths[0], bandwidths[whole], *rest]

    def _draw_song(self, rng: np.random.Generator) -> Samples:
        """Return every part of one song at one moment, in its own balance."""
        pool = _choose_pool(self.material.songs, rng)
        speed = rng.uniform(*self.config.mixing.speed)
        excerpts = pool.draw(rng, tuple(self.material.parts), self._needed_frames(speed))
        if self.config.mixing.placement and rng.random() < 0.5:
            excerpts = excerpts[:, ::-1]
        return np.stack([change_speed(excerpt, speed, self.frames) for excerpt in excerpts])

    def _draw_parts(self, rng: np.random.Generator) -> tuple[Samples, list[float]]:
        """Return each part drawn by itself, and its bandwidth; one of them may be silent."""
        kept, silence = self._choose_parts(rng), np.zeros((2, self.frames), dtype=np.float32)
        drawn = [
            self._draw_part(part, rng) if part in kept else (silence, math.inf)
            for part in self.material.parts
        ]
        parts = np.stack([audio for audio, _ in drawn])
        kind = rng.random()
        for number, part in enumerate(self.material.parts):
            missing = self.config.mixing.of(part).missing
            if 0 <= kind < missing:
                parts[number] = 0
            kind -= missing
        return parts, [bandwidth_hz for _, bandwidth_hz in drawn]

    def _choose_parts(self, rng: np.random.Generator) -> set[str]:
        """Return the parts to draw: not both a whole accompaniment and what it is made of."""
        share, parts = self.config.mixing.unsplit, set(self.material.parts)
        if not share:
            return parts
        is_whole = rng.random() < share
        return parts - (set(self.config.sources[1:]) if is_whole else {ACCOMPANIMENT})

    def _draw_part(self, part: str, rng: np.random.Generator) -> tuple[Samples, float]:
        mixing = self.config.mixing
        settings = mixing.of(part)
        audio, bandwidth_hz = self._draw_one(part, rng)
        if rng.random() < settings.second:
            other, other_hz = self._draw_one(part, rng)
            bandwidth_hz = min(bandwidth_hz, other_hz)
            gain = to_gain(rng.uniform(-9, 0)) if mixing.normalize else np.float32(1)
            audio = audio + other * gain
        if part == VOCALS and rng.random() < mixing.doubling:
            audio = double(audio, self.sample_rate, rng)
        audio = normalize(audio) if mixing.normalize else audio
        return audio * to_gain(rng.uniform(*settings.gain_db)), bandwidth_hz

    def _draw_one(self, part: str, rng: np.random.Generator) -> tuple[Samples, float]:
        mixing = self.config.mixing
        settings = mixing.of(part)
        pool = _choose_pool(self.material.parts[part], rng)
        speed = rng.uniform(*(settings.speed or mixing.speed))
        excerpt, bandwidth_hz = pool.draw(rng, self._needed_frames(speed))
        audio = change_speed(excerpt, speed, self.frames)
        audio = place(audio, rng) if mixing.placement else audio
        # Without a share nothing is drawn, so that examples stay what they were.
        if settings.microphone and rng.random() < settings.microphone:
            audio = record(audio, self.sample_rate, rng)
        audio = color(audio, settings.effects, self.sample_rate, rng)
        return normalize(audio) if mixing.normalize else audio, bandwidth_hz * speed

    def _needed_frames(self, speed: float) -> int:
        return self.frames if speed == 1 else int(self.frames * speed) + 16


def _choose_pool(pools: Sequence[AnyPool], rng: np.random.Generator) -> AnyPool:
    weights = np.array([pool.weight for pool in pools])
    return pools[rng.choice(len(pools), p=weights / weights.sum())]


def _choose_gain(mix: Samples, level_db: float) -> np.float32:
    """Return what brings a mix to an RMS, or to full scale where that comes first."""
    gain = float(to_gain(level_db)) / max(measure_rms(mix), SILENCE)
    return np.float32(min(gain, 1 / max(float(np.abs(mix).max()), SILENCE)))
