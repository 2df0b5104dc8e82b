"""Which precision `auto` is, by what a CPU says of itself and by what it does."""

import time
from collections.abc import Mapping

import pytest
import torch

from stemkit.separation.device import choose_placement, is_bfloat16_fast

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
