"""Several processes do what one does, through the launcher whose command line is torchrun."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from stemkit.errors import OptionError
from stemkit.separation.device import choose_placement
from stemkit.training.config import TrainingConfig
from stemkit.training.log import read_log
from stemkit.training.loop import train
from stemkit.training.ranks import Ranks, choose_device, choose_dtype, read_ranks
from tests.training.making import make_config

STEPS = 8
FORKS = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def launch(run: Callable[..., None], *arguments: object) -> None:
    """Run a function in two processes.

    They are forked, so that they needn't import torch again; OpenMP bears that with one thread.
    """
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=2,
        run_id="test",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        start_method="fork",
        max_restarts=0,
    )
    elastic_launch(config, _run_in_time)(run, *arguments)


def _run_in_time(run: Callable[..., None], *arguments: object) -> None:
    signal.alarm(120)  # ends a process that hangs
    torch.set_num_threads(1)
    run(*arguments)


def make(folder: Path, output: str, steps: int) -> TrainingConfig:
    return make_config(
        folder, output=f'"{output}"', batch_size=4, learning_rate=2e-3, max_steps=steps
    )


def train_in_silence(config: TrainingConfig) -> None:
    reports = list(train(config))
    assert bool(reports) == read_ranks().leads


def die_or_train(config: TrainingConfig) -> None:
    def die() -> bool:
        if read_ranks().number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return False

    list(train(config, die))


@pytest.mark.slow
@FORKS
def test_two_processes_give_the_curve_of_one_with_the_whole_batch(folder: Path) -> None:
    train_in_silence(make(folder, "one", STEPS))
    launch(train_in_silence, make(folder, "two", STEPS - 3))
    launch(train_in_silence, make(folder, "two", STEPS))  # goes on
    one, two = (read_log(folder / output / "log.csv") for output in ("one", "two"))
    assert [line.step for line in two] == [line.step for line in one] == list(range(1, STEPS + 1))
    for alone, together in zip(one, two, strict=True):
        rounding = 1e-4 if alone.step == 1 else 1e-2  # grows from step to step; 1e-6 at first
        assert together.loss == pytest.approx(alone.loss, rel=rounding)
        assert together.gradient_norm == pytest.approx(alone.gradient_norm, rel=10 * rounding)
    states = [torch.load(folder / output / "state.pt") for output in ("one", "two")]
    alone, together = (state["average"]["unet.head.weight"] for state in states)
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-3)


@pytest.mark.slow
@FORKS
def test_a_process_that_dies_ends_the_others(folder: Path) -> None:
    with pytest.raises(ChildFailedError):
        launch(die_or_train, make(folder, "out", 10**6))


def test_a_batch_that_cannot_be_shared_evenly_is_an_error(folder: Path) -> None:
    with pytest.raises(OptionError, match="a batch_size of 4 can't be shared evenly by 3"):
        choose_device(make(folder, "out", 1), Ranks(number=0, count=3))


def test_more_remixes_than_a_process_has_examples_are_an_error(folder: Path) -> None:
    config = make(folder, "out", 1).model_copy(update={"remix": 3})
    choose_device(config, Ranks(number=0, count=1))
    with pytest.raises(OptionError, match="remix 3 is more than the 2 examples of each process"):
        choose_device(config, Ranks(number=0, count=2))


def test_auto_precision_is_what_the_device_is_made_for(folder: Path) -> None:
    def choose(precision: str, device: str) -> torch.dtype:
        config = make_config(folder, precision=f'"{precision}"', max_steps=1)
        return choose_dtype(config, torch.device(device))

    assert choose("auto", "cuda") == torch.bfloat16
    assert choose("auto", "cpu") == choose_placement("cpu", "auto").dtype
    assert choose("float32", "cpu") == torch.float32
    assert choose("bfloat16", "cpu") == torch.bfloat16
