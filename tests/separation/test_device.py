"""Which precision `auto` is by what a CPU says and does, and whose its threads are."""

import threading
import time
from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from stemkit.separation.device import PlainDevice, choose_placement, is_bfloat16_fast

SIDE = 1024  # of the matrices that are multiplied
TURNS = 12


@pytest.mark.parametrize(
    ("capabilities", "is_fast"),
    [
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": True}, True),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": False}, False),
        ({"cpu_name": "AMD EPYC 9654", "avx512_bf16": True}, True),
        ({"cpu_name": "AMD EPYC 7763", "avx512_bf16": False}, False),
        ({"cpu_name": None, "avx512_bf16": True}, False),
        ({}, False),
    ],
)
def test_bfloat16_is_fast_where_the_processor_has_more_of_it(
    capabilities: Mapping[str, object], is_fast: bool
) -> None:
    assert is_bfloat16_fast(capabilities) == is_fast


def test_auto_is_the_precision_that_this_cpu_multiplies_faster_in() -> None:
    """What differs by less than half isn't told apart: other programs may run."""
    auto = choose_placement("cpu", "auto").dtype
    other = torch.float32 if auto == torch.bfloat16 else torch.bfloat16
    seconds = {auto: [1.0], other: [1.0]}
    for _ in range(TURNS):
        for dtype, taken in seconds.items():
            taken.append(time_product(dtype))
    assert min(seconds[auto]) < 1.5 * min(seconds[other])


def time_product(dtype: torch.dtype) -> float:
    left, right = torch.ones(2, SIDE, SIDE, dtype=dtype)
    began = time.perf_counter()
    torch.mm(left, right)
    return time.perf_counter() - began


def call_in_thread(function: Callable[[], object]) -> None:
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


@pytest.mark.parametrize("lanes", [1, 2, 3, 6, 12])
def test_steps_share_the_threads_of_now_and_leave_all_others_theirs(
    four_threads: None, lanes: int
) -> None:
    class Asking(nn.Module):
        def forward(self, mix: Tensor) -> Tensor:
            used.append(torch.get_num_threads())
            call_in_thread(lambda: others.append(torch.get_num_threads()))
            return mix

    used: list[int] = []
    others: list[int] = []
    device = PlainDevice(choose_placement("cpu", "float32"), lanes)
    torch.set_num_threads(6)
    batch = np.zeros((1, 2, 8), np.float32)
    call_in_thread(lambda: device.run(Asking(), batch))
    device.run(Asking(), batch)
    call_in_thread(lambda: others.append(torch.get_num_threads()))
    assert used == [max(1, 6 // lanes)] * 2
    assert others == [6] * 3
    assert torch.get_num_threads() == 6
