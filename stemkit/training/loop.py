"""The training loop: resumable to the step, timed by the hours it has really run."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stemkit.errors import TrainingError
from stemkit.files import keep_others_out, remove_partials_in
from stemkit.separation.device import round_nothing
from stemkit.separation.memory import keep_freed_memory
from stemkit.training.batches import Failure, explaining_lost_workers, open_batches
from stemkit.training.clips import ClipCache
from stemkit.training.config import TrainingConfig
from stemkit.training.log import Line, TrainingLog
from stemkit.training.loss import Objective
from stemkit.training.material import Material, open_material
from stemkit.training.mixing import Batch
from stemkit.training.pools import Opened, StemSong, require_folder
from stemkit.training.ranks import (
    Ranks,
    add_up,
    choose_device,
    choose_dtype,
    join_ranks,
    read_ranks,
    share_network,
)
from stemkit.training.remix import remix
from stemkit.training.schedule import learning_rate, measure_progress
from stemkit.training.trainee import (
    STATE,
    Trainee,
    check_output,
    new_network,
    save_state,
    save_trainee,
    start_trainee,
    update_average,
)
from stemkit.training.validation import (
    SongScore,
    StoppedError,
    name_scores,
    open_validation,
    score_songs,
    take_medians,
)

LOCK = ".train.lock"


@dataclass(frozen=True)
class Report:
    """What a validation found: the mean loss since the one before, and the scores of the songs.

    There is no loss before the first step.
    """

    step: int
    seconds: float
    learning_rate: float
    loss: float | None
    songs: tuple[SongScore, ...]

    def __str__(self) -> str:
        """Return it as one line."""
        parts = [f"{self.seconds / 3600:.2f} h, step {self.step}"]
        parts += [] if self.loss is None else [f"loss {self.loss:.4f}"]
        return ", ".join((*parts, *(f"{n} {s:.2f} dB" for n, s in self.medians().items())))

    def medians(self) -> dict[str, float]:
        """Return the songs' median SDR of each stem, and of the mix as the first of them."""
        return take_medians(self.songs)


@dataclass(frozen=True)
class _Run:
    """What doesn't change while it runs, and the trainee, which does."""

    config: TrainingConfig
    ranks: Ranks
    device: torch.device
    trainee: Trainee
    objective: nn.Module
    is_stopped: Callable[[], bool]


@dataclass(frozen=True)
class _Step:
    loss: float
    stopped: bool


def train(
    config: TrainingConfig, is_stopped: Callable[[], bool] = lambda: False
) -> Iterator[Report | str]:
    """Train until `hours` or `max_steps` are over, yielding reports, and notes as strings.

    `config.output` gets state.pt (all that a resumption needs), average.safetensors (the model),
    log.csv and log.png. Called again, it goes on from the last state. Once `is_stopped` returns
    true it ends after the step in hand. Started by torchrun, each process does its share of every
    batch; only the first one validates, writes and yields.

    Raises TrainingError, OptionError, ModelError and DeviceError.
    """
    keep_freed_memory()
    ranks = read_ranks()
    device = choose_device(config, ranks)
    cache = ClipCache(config.cache or config.output / "cache", config.network_config().sample_rate)
    is_new = ranks.leads and not cache.folder.exists()
    if is_new:
        _check_start(config)
    with keep_others_out(config.output, LOCK) if ranks.leads else nullcontext():
        if ranks.leads:
            check_output(config)
            remove_partials_in(config.output)
        if is_new:
            yield f"decoding all audio into {cache.folder} first, which is done once"
        material = open_material(config, cache) if ranks.local == 0 else None
        songs = open_validation(config, cache) if ranks.leads else Opened()
        with join_ranks(ranks, device), explaining_lost_workers():
            material = material or open_material(config, cache)  # what others have decoded by now
            trainee = start_trainee(config, device, ranks)
            dtype = choose_dtype(config, device)
            if dtype == torch.float32:  # from the first step, not only from the first validation on
                round_nothing()
            objective = Objective(trainee.network, config.loss, dtype)
            if config.compile:
                trainee.network.unet.compile(dynamic=False)
            shared = share_network(objective, ranks, device)
            run = _Run(config, ranks, device, trainee, shared, is_stopped)
            if ranks.leads:
                yield from (*material.left_out, *songs.left_out)
                yield from _lead(run, material, songs.songs)
            else:
                for _ in _go(run, material):
                    pass


def _check_start(config: TrainingConfig) -> None:
    """Raise what would be raised after the decoding, which takes long."""
    folders = [
        *(f for p in config.pool for f in p.folders),
        *(f for s in config.songs for f in s.folders),
    ]
    for folder in (*folders, *([config.validation] if config.validation else [])):
        require_folder(folder)
    new_network(config)


def _lead(run: _Run, material: Material, songs: tuple[StemSong, ...]) -> Iterator[Report | str]:
    """Let the run go, and do what only the first process does."""
    config, trainee = run.config, run.trainee
    starts = not trainee.step and config.init is not None
    is_new = starts or not (config.output / STATE).exists()
    if is_new:
        save_state(trainee, config)
    log = TrainingLog(config.output, name_scores(config.sources), trainee.step)
    if _is_over(run):
        yield f"step {trainee.step} was the last; for more, raise hours or max_steps"
    elif not is_new:
        yield f"going on from step {trainee.step}"
    if starts:
        yield _report(run, log, songs)
    saved = trainee.seconds
    stopped = False
    for step in _go(run, material):
        trainee.unreported.append(step.loss)
        stopped = step.stopped
        if trainee.step % config.log_steps == 0:
            _log_steps(run, log)
        is_due = trainee.seconds - trainee.reported > config.validate_minutes * 60
        if is_due or trainee.seconds - saved > config.save_minutes * 60:
            saved = trainee.seconds
            save_trainee(trainee, config)
        if is_due:
            yield _report(run, log, songs)
    if trainee.unlogged or trainee.unreported:  # else the state has it all
        if not stopped:
            _log_steps(run, log)
        save_trainee(trainee, config)
    if stopped:
        yield f"stopped after step {trainee.step}, which is saved; run it again to go on"
    elif trainee.unreported:
        yield _report(run, log, songs)
        save_trainee(trainee, config)


def _go(run: _Run, material: Material) -> Iterator[_Step]:
    """Take steps until the run is over or stopped; every process takes the same ones."""
    if _is_over(run):
        return
    began = time.perf_counter()
    for batch in open_batches(run.config, material, run.ranks, run.trainee.examples, run.device):
        if isinstance(batch, Failure):
            raise TrainingError(f"{batch.reason}; run it again to go on from the last state")
        step = _take_step(run, batch, began)
        yield step
        if step.stopped or _is_over(run):
            return
        began = time.perf_counter()


def _is_over(run: _Run) -> bool:
    return measure_progress(run.config, run.trainee.step, run.trainee.seconds) >= 1


def _take_step(run: _Run, batch: Batch, began: float) -> _Step:
    """Take a step, whose time counts since `began`: waiting for the batch is a part of it."""
    config, trainee = run.config, run.trainee
    for group in trainee.optimizer.param_groups:
        group["lr"] = learning_rate(config, trainee.step, trainee.seconds)
    mixes, sources, bandwidth_hz = (part.to(run.device, non_blocking=True) for part in batch)
    examples = remix((mixes, sources, bandwidth_hz), config.remix)
    errors, count = run.objective(*examples)
    count = add_up(count.float(), run.ranks).clamp(min=1)
    share = errors / count  # of the loss of the whole batch
    trainee.optimizer.zero_grad()
    trainee.scaler.scale(share * run.ranks.count).backward()  # of which the mean is taken
    trainee.scaler.unscale_(trainee.optimizer)
    norm = nn.utils.clip_grad_norm_(trainee.network.parameters(), config.gradient_norm)
    if not trainee.scaler.is_enabled():  # one that is sees to it itself
        _check_finite("gradient", norm.item(), trainee.step)
    trainee.scaler.step(trainee.optimizer)
    trainee.scaler.update()
    trainee.step += 1
    trainee.examples += config.batch_size
    update_average(trainee, min(config.ema_decay, trainee.step / (trainee.step + 10)))
    loss, seconds, stopped = _agree(run, share, time.perf_counter() - began)
    _check_finite("loss", loss, trainee.step)
    trainee.seconds += seconds
    trainee.unlogged.append((loss, norm.item()))
    return _Step(loss, stopped)


def _agree(run: _Run, share: Tensor, seconds: float) -> tuple[float, float, bool]:
    """Return the loss, the time by the first process's clock, and whether any is to stop."""
    own = [seconds if run.ranks.leads else 0.0, float(run.is_stopped())]
    others = torch.tensor(own, dtype=torch.float64, device=run.device)
    loss, time_spent, stops = add_up(torch.cat((share.detach()[None], others)), run.ranks).tolist()
    return loss, time_spent, stops > 0


def _check_finite(what: str, value: float, step: int) -> None:
    """Raise TrainingError for what spoils the network; every process finds the same."""
    if not math.isfinite(value):
        raise TrainingError(f"the {what} is {value} after step {step}; lower learning_rate")


def _log_steps(run: _Run, log: TrainingLog) -> None:
    """Write the means since the line before, if there was a step."""
    trainee = run.trainee
    if not trainee.unlogged:
        return
    losses, norms = zip(*trainee.unlogged, strict=True)
    rate, count = _read_rate(trainee), len(losses)
    log.add(Line(trainee.step, trainee.seconds, rate, sum(losses) / count, sum(norms) / count))
    trainee.unlogged.clear()


def _report(run: _Run, log: TrainingLog, songs: tuple[StemSong, ...]) -> Report | str:
    trainee = run.trainee
    try:
        scores = tuple(score_songs(trainee.average, songs, run.device, run.is_stopped))
    except StoppedError:
        return f"stopped in the validation after step {trainee.step}; run it again to go on"
    rate, losses = _read_rate(trainee), trainee.unreported
    loss = sum(losses) / len(losses) if losses else None
    report = Report(trainee.step, trainee.seconds, rate, loss, scores)
    if scores:
        log.add(Line(trainee.step, trainee.seconds, rate, scores=report.medians()))
    log.draw()
    trainee.unreported, trainee.reported = [], trainee.seconds
    return report


def _read_rate(trainee: Trainee) -> float:
    """Return the learning rate of the last step."""
    return float(trainee.optimizer.param_groups[0]["lr"])
