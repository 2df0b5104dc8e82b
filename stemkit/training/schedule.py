"""How the learning rate changes."""

import math

from stemkit.training.config import TrainingConfig


def learning_rate(config: TrainingConfig, step: int, seconds: float) -> float:
    """Return the rate of a step, after a linear warm-up; `seconds` were spent before it.

    "cosine" is constant, then falls to zero; "step" falls by a factor every so many steps, as
    bytesep's does (bytesep/optimizers/lr_schedulers.py).
    """
    warmup = min(1.0, (step + 1) / config.warmup_steps)
    return config.learning_rate * warmup * _decay(config, step, seconds)


def _decay(config: TrainingConfig, step: int, seconds: float) -> float:
    if config.schedule == "constant":
        return 1.0
    if config.schedule == "step":
        return float(config.decay_factor ** (step // config.decay_steps))
    left = 1 - measure_progress(config, step, seconds)
    share = min(1.0, left / config.decay_share) if config.decay_share else 1.0
    return 0.5 * (1 - math.cos(math.pi * max(0.0, share)))


def measure_progress(config: TrainingConfig, step: int, seconds: float) -> float:
    """Return how much of the run is done, 1 at its end: of its hours or steps, what is further."""
    by_time = seconds / (config.hours * 3600) if config.hours is not None else 0.0
    by_steps = step / config.max_steps if config.max_steps is not None else 0.0
    return max(by_time, by_steps)
