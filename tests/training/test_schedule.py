"""How the learning rate rises and falls."""

from pathlib import Path

import pytest

from stemkit.training.schedule import learning_rate
from tests.training.making import make_config


def test_cosine_rises_stays_and_falls_by_hours_or_steps(tmp_path: Path) -> None:
    config = make_config(tmp_path, schedule="'cosine'", hours=1, max_steps=1000)
    assert learning_rate(config, 0, 0) == pytest.approx(1e-2 / 3)
    assert learning_rate(config, 100, 0) == learning_rate(config, 100, 2500) == 1e-2
    assert 0 < learning_rate(config, 100, 3200) < learning_rate(config, 100, 2900) < 1e-2
    assert learning_rate(config, 100, 3600) == pytest.approx(0)
    assert 0 < learning_rate(config, 900, 0) < learning_rate(config, 800, 0) < 1e-2


@pytest.mark.parametrize("step", [1, 500, 999, 1001, 14999, 15000, 44999, 45000])
def test_step_is_bytesep_s(tmp_path: Path, step: int) -> None:
    config = make_config(
        tmp_path, schedule="'step'", learning_rate=1e-3, warmup_steps=1000, decay_steps=15000
    )
    wanted = 1e-3 * (step / 1000 if step <= 1000 else 0.9 ** (step // 15000))  # lr_schedulers.py
    first = 1 if step <= 1000 else 0  # which it counts from 0, and so begins without a rate
    assert learning_rate(config, step - first, 0) == pytest.approx(wanted)
