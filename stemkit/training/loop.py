"""The training loop: resumable to the step, timed by the hours it has really run."""

import csv
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from stemkit.errors import TrainingError
from stemkit.files import replace_file
from stemkit.nn.checkpoints import load_checkpoint, save_checkpoint
from stemkit.nn.config import ARCHITECTURES
from stemkit.nn.resunet import ResUNet
from stemkit.separation.memory import keep_freed_memory
from stemkit.training.config import TrainingConfig
from stemkit.training.loss import spectral_l1
from stemkit.training.mixing import MixDataset
from stemkit.training.pools import open_pool
from stemkit.training.validation import SongScore, score_songs

LOG_FIELDS = ("step", "hours", "learning_rate", "loss", "vocals_db", "accompaniment_db", "mix_db")


@dataclass
class Trainee:
    """Everything that a resumption needs."""

    network: ResUNet
    average: ResUNet  # exponential moving average of the network
    optimizer: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Report:
    """One line of the log: means since the line before, medians over the songs."""

    step: int
    hours: float
    learning_rate: float
    loss: float
    songs: tuple[SongScore, ...]

    def __str__(self) -> str:
        line = f"{self.hours:.2f} h, step {self.step}, loss {self.loss:.4f}"
        if not self.songs:
            return line
        names = ("vocals", "accompaniment", "mix")
        scores = zip(names, self.medians(), strict=True)
        return ", ".join((line, *(f"{name} {score:.2f} dB" for name, score in scores)))

    def medians(self) -> tuple[float, float, float]:
        """Return the songs' median SDR of vocals, accompaniment and the mix as vocals."""
        return (
            median(song.vocals_db for song in self.songs),
            median(song.accompaniment_db for song in self.songs),
            median(song.mix_db for song in self.songs),
        )


def train(config: TrainingConfig) -> Iterator[Report]:
    """Train until `config.hours` are spent, yielding a report at each validation.

    `config.output` gets state.pt (all that a resumption needs), average.safetensors (the model)
    and log.csv. Called again, it goes on from the last state.
    """
    trainee = _start(config)
    batches = _open_batches(config, trainee.step)
    losses: list[float] = []
    saved = reported = trainee.seconds
    for mix, vocals, bandwidth_hz in batches:
        if _is_over(config, trainee):
            break
        began = time.perf_counter()
        losses.append(_take_step(config, trainee, mix, vocals, bandwidth_hz))
        trainee.seconds += time.perf_counter() - began
        if trainee.seconds - saved > config.save_minutes * 60:
            saved = trainee.seconds
            _save(config, trainee)
        if trainee.seconds - reported > config.validate_minutes * 60:
            reported = trainee.seconds
            yield _report(config, trainee, losses)
            losses = []
    _save(config, trainee)
    yield _report(config, trainee, losses)


def _is_over(config: TrainingConfig, trainee: Trainee) -> bool:
    spent = trainee.seconds >= config.hours * 3600
    return spent or (config.max_steps is not None and trainee.step >= config.max_steps)


def learning_rate(config: TrainingConfig, step: int, seconds: float) -> float:
    """Return the rate: a linear warm-up by steps, then constant, then a cosine to zero by time."""
    warmup = min(1.0, (step + 1) / config.warmup_steps)
    left = 1 - seconds / (config.hours * 3600)
    decay = min(1.0, left / config.decay_share) if config.decay_share else 1.0
    return config.learning_rate * warmup * 0.5 * (1 - math.cos(math.pi * max(0.0, decay)))


def _take_step(
    config: TrainingConfig, trainee: Trainee, mix: Tensor, vocals: Tensor, bandwidth_hz: Tensor
) -> float:
    rate = learning_rate(config, trainee.step, trainee.seconds)
    for group in trainee.optimizer.param_groups:
        group["lr"] = rate
    with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bfloat16"):
        loss = spectral_l1(trainee.network, mix, vocals, bandwidth_hz)
    if not torch.isfinite(loss):
        raise TrainingError(
            f"the loss is {loss.item()} at step {trainee.step}; lower learning_rate"
        )
    trainee.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(trainee.network.parameters(), config.gradient_norm)
    trainee.optimizer.step()
    trainee.step += 1
    _follow(trainee, min(config.ema_decay, trainee.step / (trainee.step + 10)))
    return loss.item()


@torch.no_grad()
def _follow(trainee: Trainee, decay: float) -> None:
    """Move the average, batch-norm statistics included, towards the network."""
    new = trainee.network.state_dict()
    for name, value in trainee.average.state_dict().items():
        if value.is_floating_point():
            value.lerp_(new[name], 1 - decay)
        else:
            value.copy_(new[name])


def _start(config: TrainingConfig) -> Trainee:
    keep_freed_memory()
    torch.manual_seed(config.seed)
    network = _new_network(config)
    average = _new_network(config)
    average.load_state_dict(network.state_dict())
    optimizer = torch.optim.AdamW(
        network.parameters(), config.learning_rate, weight_decay=config.weight_decay
    )
    trainee = Trainee(network.train(), average.eval(), optimizer)
    state = config.output / "state.pt"
    if state.exists():
        _restore(trainee, state)
    return trainee


def _new_network(config: TrainingConfig) -> ResUNet:
    if config.init is not None:
        network = load_checkpoint(config.init)
    else:
        network = ResUNet(ARCHITECTURES[config.architecture])
    return network.to(memory_format=torch.channels_last)


def _restore(trainee: Trainee, path: Path) -> None:
    try:
        state = torch.load(path, weights_only=True)
        trainee.network.load_state_dict(state["network"])
        trainee.average.load_state_dict(state["average"])
        trainee.optimizer.load_state_dict(state["optimizer"])
        trainee.step, trainee.seconds = state["step"], state["seconds"]
    except Exception as error:
        raise TrainingError(f"can't resume from {path}: {error}; move it away") from error


def _save(config: TrainingConfig, trainee: Trainee) -> None:
    config.output.mkdir(parents=True, exist_ok=True)
    state = {
        "network": trainee.network.state_dict(),
        "average": trainee.average.state_dict(),
        "optimizer": trainee.optimizer.state_dict(),
        "step": trainee.step,
        "seconds": trainee.seconds,
    }
    replace_file(config.output / "state.pt", lambda temporary: torch.save(state, temporary))
    save_checkpoint(trainee.average, config.output / "average.safetensors")


def _report(config: TrainingConfig, trainee: Trainee, losses: list[float]) -> Report:
    songs = score_songs(trainee.average, config.validation) if config.validation else []
    report = Report(
        trainee.step,
        trainee.seconds / 3600,
        learning_rate(config, trainee.step, trainee.seconds),
        sum(losses) / max(1, len(losses)),
        tuple(songs),
    )
    config.output.mkdir(parents=True, exist_ok=True)
    log = config.output / "log.csv"
    new = not log.exists()
    with log.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(LOG_FIELDS)
        scores = report.medians() if songs else ("", "", "")
        writer.writerow((report.step, report.hours, report.learning_rate, report.loss, *scores))
    return report


class _Onward(Sampler[int]):
    """Example numbers from `first` on, without end."""

    def __init__(self, first: int) -> None:
        self.first = first

    def __iter__(self) -> Iterator[int]:
        number = self.first
        while True:
            yield number
            number += 1


def _open_batches(config: TrainingConfig, step: int) -> DataLoader[tuple[Tensor, Tensor, Tensor]]:
    sample_rate = ARCHITECTURES[config.architecture].sample_rate
    cache = config.output / "cache"
    dataset = MixDataset(
        [open_pool(pool, sample_rate, cache) for pool in config.vocals],
        [open_pool(pool, sample_rate, cache) for pool in config.accompaniment],
        config.mixing,
        int(config.segment_seconds * sample_rate),
        sample_rate,
        config.seed,
    )
    return DataLoader(
        dataset,  # type: ignore[arg-type]
        batch_size=config.batch_size,
        sampler=_Onward(step * config.batch_size),
        num_workers=1,
        prefetch_factor=6,
        worker_init_fn=_use_one_thread,
    )


def _use_one_thread(worker: int) -> None:
    torch.set_num_threads(1)
