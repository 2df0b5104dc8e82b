"""The network that is trained, and all that a resumption needs: made, restored, saved."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from stemkit.errors import OptionError, TrainingError
from stemkit.files import replace_file, writing
from stemkit.nn.checkpoints import save_checkpoint
from stemkit.nn.config import NetworkConfig
from stemkit.nn.resunet import ResUNet
from stemkit.training.config import TrainingConfig
from stemkit.training.log import LOG, is_own_log
from stemkit.training.ranks import Ranks, hand_round
from stemkit.weights.models import load_network
from stemkit.weights.registry import read_card

STATE, AVERAGE = "state.pt", "average.safetensors"
_PARTS = ("network", "average", "optimizer", "scaler")
_COUNTS = ("step", "examples", "seconds", "unlogged", "unreported", "reported")


@dataclass
class Trainee:
    """Everything that a resumption needs.

    `examples` were seen in `step` steps, which took `seconds`. `unlogged` are the loss and the
    gradient's norm of each step since the last line of the log, and `unreported` the loss since the
    last report, after `reported` seconds.
    """

    network: ResUNet
    average: ResUNet  # exponential moving average of the network
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    step: int = 0
    examples: int = 0
    seconds: float = 0.0
    unlogged: list[tuple[float, float]] = field(default_factory=list)
    unreported: list[float] = field(default_factory=list)
    reported: float = 0.0


def check_output(config: TrainingConfig) -> None:
    """Raise OptionError for an output whose results would be lost: no state goes on from them."""
    if (config.output / STATE).exists():
        return
    if (config.output / AVERAGE).exists():
        raise OptionError(f"{config.output} has {AVERAGE} without {STATE}; {_advise(config)}")
    if not is_own_log(config.output / LOG):
        raise OptionError(f"{config.output} has the {LOG} of another program; {_advise(config)}")


def start_trainee(config: TrainingConfig, device: torch.device, ranks: Ranks) -> Trainee:
    """Return a new trainee, or the one that the output folder's state holds.

    Raises TrainingError for a state that can't be read or is of another network, and OptionError
    for an `init` that is.
    """
    state = hand_round(_read_state(config) if ranks.leads else None, ranks)
    torch.manual_seed(config.seed)
    start = new_network(config) if state is None else ResUNet(config.network_config())
    network = start.to(device).to(memory_format=torch.channels_last)
    average = ResUNet(network.config).to(device).to(memory_format=torch.channels_last)
    average.load_state_dict(network.state_dict())
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    optimizer = kinds[config.optimizer](
        network.parameters(),
        config.learning_rate,
        weight_decay=config.weight_decay,
        amsgrad=config.amsgrad,
    )
    scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "float16")
    trainee = Trainee(network.train(), average.eval(), optimizer, scaler)
    if state is not None:
        _restore(trainee, config, state)
    return trainee


def new_network(config: TrainingConfig) -> ResUNet:
    """Return the network at its start; raises ModelError, and OptionError for another `init`.

    An `init` may have other sources: what isn't among them begins with a head of its own.
    """
    wanted = config.network_config()
    if config.init is None:
        return ResUNet(wanted)
    network = load_network(config.init)
    if not isinstance(network, ResUNet):
        members = ", ".join(read_card(config.init).members)
        raise OptionError(f"init {config.init!r} is several networks; choose one of: {members}")
    theirs = network.config.to_dict() | {"sources": wanted.sources}
    if differences := _compare(theirs, wanted.to_dict()):
        raise OptionError(
            f"init {config.init!r} is another network than the config's: {differences}; change "
            f"architecture or [network]"
        )
    return give_sources(network, wanted)


def give_sources(trained: ResUNet, wanted: NetworkConfig) -> ResUNet:
    """Return a network of the wanted sources that is trained but for the head of each new one.

    One that has these sources already is returned as it is.
    """
    if trained.sources == wanted.sources:
        return trained
    network, state = ResUNet(wanted), trained.state_dict()
    for name in ("unet.head.weight", "unet.head.bias"):
        heads = dict(zip(trained.sources, state[name].chunk(len(trained.sources)), strict=True))
        own = network.state_dict()[name].chunk(len(wanted.sources))
        pairs = zip(wanted.sources, own, strict=True)
        state[name] = torch.cat([heads.get(source, head) for source, head in pairs])
    network.load_state_dict(state)
    return network


def _compare(theirs: dict[str, object], ours: dict[str, object]) -> str:
    """Return in words where two tables differ."""
    names = [name for name in ours if ours[name] != theirs.get(name)]
    return ", ".join(f"its {name} is {theirs.get(name)!r}, not {ours[name]!r}" for name in names)


def save_trainee(trainee: Trainee, config: TrainingConfig) -> None:
    """Write average.safetensors and state.pt, each whole or not at all.

    Raises TrainingError where they can't be written; those of before stay.
    """
    with writing(config.output, TrainingError), _failed_writes():
        save_checkpoint(trainee.average, config.output / AVERAGE)
    save_state(trainee, config)


def save_state(trainee: Trainee, config: TrainingConfig) -> None:
    """Write state.pt; otherwise as `save_trainee`."""
    state = {name: getattr(trainee, name).state_dict() for name in _PARTS}
    state |= {name: getattr(trainee, name) for name in _COUNTS} | {"identity": _identify(config)}
    with writing(config.output, TrainingError), _failed_writes():
        replace_file(config.output / STATE, lambda temporary: _write_state(state, temporary))


@contextmanager
def _failed_writes() -> Iterator[None]:
    """Raise the OSError of a failed write, which torch hides."""
    try:
        yield
    except RuntimeError as error:
        raise (error.__context__ if isinstance(error.__context__, OSError) else error) from None


def _write_state(state: dict[str, Any], path: Path) -> None:
    with path.open("wb") as file:  # torch opens files without saying why one can't be written
        torch.save(state, file)


def _identify(config: TrainingConfig) -> dict[str, object]:
    """Return what must be the same for a state to fit."""
    optimizer = {"optimizer": config.optimizer, "amsgrad": config.amsgrad}
    return config.network_config().to_dict() | optimizer


def _read_state(config: TrainingConfig) -> dict[str, Any] | None:
    path = config.output / STATE
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        theirs = NetworkConfig().to_dict() | state["identity"]  # older ones lack newer fields
        differences = _compare(theirs, _identify(config))
    except Exception as error:
        raise _make_error(config, error) from error
    if differences:
        raise TrainingError(f"{path} is of another run: {differences}; choose another output")
    return state if state["step"] or config.init is None else None  # nothing is lost


def _make_error(config: TrainingConfig, error: Exception) -> TrainingError:
    """Return what is said in place of torch's own advice, which is to trust any file."""
    reason = error.strerror if isinstance(error, OSError) else "it is damaged or another program's"
    return TrainingError(f"can't resume from {config.output / STATE}: {reason}; {_advise(config)}")


def _advise(config: TrainingConfig) -> str:
    """Say what to do where there is no state to go on from."""
    path = config.output / AVERAGE
    init = f", with init = {str(path)!r} to go on from its average" if path.exists() else ""
    return f"choose another output{init}"


def _restore(trainee: Trainee, config: TrainingConfig, state: dict[str, Any]) -> None:
    try:
        for name in _PARTS:
            getattr(trainee, name).load_state_dict(state[name])
        older = {"unreported": [], "reported": state["seconds"]}  # states before there were these
        for name in _COUNTS:
            setattr(trainee, name, (older | state)[name])
    except Exception as error:
        raise _make_error(config, error) from error
    for group in trainee.optimizer.param_groups:  # the config may have changed
        group["weight_decay"] = config.weight_decay


@torch.no_grad()
def update_average(trainee: Trainee, decay: float) -> None:
    """Move the average, batch-norm statistics included, towards the network."""
    new = trainee.network.state_dict()
    pairs = [(value, new[name]) for name, value in trainee.average.state_dict().items()]
    moving = [pair for pair in pairs if pair[0].is_floating_point()]
    move = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    move([old for old, _ in moving], [to for _, to in moving], 0)
    for old, counter in pairs:
        if not old.is_floating_point():
            old.copy_(counter)
