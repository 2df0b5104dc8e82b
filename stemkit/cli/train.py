"""`stemkit train`: a network from pools of single sources, or from songs with their stems."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from stemkit.errors import OptionError


@click.command()
@click.argument("config", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--init", metavar="NAME|FILE",
              help="Start from a model or a .safetensors, not from the config's init.")  # fmt: skip
def train(config: Path, init: str | None) -> None:
    """Train a network as CONFIG, a TOML file, says.

    Its `output` folder gets state.pt, average.safetensors (the model, which `separate --model`
    takes), log.csv and log.png. Run it again to go on where it was stopped. To use several
    processes or machines: torchrun --nproc-per-node N -m stemkit train CONFIG
    """
    from stemkit.training.config import load_config
    from stemkit.training.loop import train as train_network
    from stemkit.training.trainee import STATE

    loaded = load_config(config, init)
    if init and (loaded.output / STATE).exists():
        raise OptionError(
            f"{loaded.output} has a training that goes on; leave out --init, or choose another "
            f"output"
        )
    with _stop_on_signals() as is_stopped:
        said: object = ""
        for said in train_network(loaded, is_stopped):
            click.echo(str(said), err=isinstance(said, str))
        if is_stopped() and isinstance(said, str):  # and not with the report of the last step
            raise KeyboardInterrupt


@contextmanager
def _stop_on_signals() -> Iterator[Callable[[], bool]]:
    """Give a function that says whether SIGINT or SIGTERM came.

    The second ends at once, and so does the first as long as nobody asks: decoding can take long,
    and goes on from any file.
    """
    asked, arrived = False, False

    def is_stopped() -> bool:
        nonlocal asked
        asked = True
        return arrived

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal arrived
        if arrived or not asked:
            raise KeyboardInterrupt
        arrived = True

    names = (name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
    before = {number: signal.getsignal(number) for number in (getattr(signal, n) for n in names)}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:  # as SIGHUP is under nohup
            signal.signal(number, stop)
    try:
        yield is_stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
