"""A run that is killed goes on from its last state as if nothing had been."""

import multiprocessing
import time
from pathlib import Path

import pytest
import torch

from stemkit.training.config import TrainingConfig
from stemkit.training.log import read_log
from stemkit.training.loop import train
from tests.training.making import make_config


def train_on(config: TrainingConfig) -> None:
    torch.set_num_threads(1)  # without which OpenMP may hang in a process that was forked
    for _ in train(config):
        pass


def wait_for_steps(path: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(read_log(path)) < count and time.monotonic() < deadline:
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # needs no import of torch
def test_a_killed_run_goes_on_with_the_losses_of_an_undisturbed_one(folder: Path) -> None:
    train_on(make_config(folder, output="'whole'", max_steps=8))
    config = make_config(folder, output="'killed'", max_steps=10**6, save_minutes=1e-9)
    victim = multiprocessing.get_context("fork").Process(target=train_on, args=(config,))
    victim.start()
    wait_for_steps(folder / "killed" / "log.csv", 3)
    victim.kill()
    victim.join()
    assert 3 <= len(read_log(folder / "killed" / "log.csv")) < 8
    train_on(make_config(folder, output="'killed'", max_steps=8))
    whole, killed = (read_log(folder / output / "log.csv") for output in ("whole", "killed"))
    assert [(line.step, line.loss, line.gradient_norm) for line in killed] == [
        (line.step, line.loss, line.gradient_norm) for line in whole
    ]
