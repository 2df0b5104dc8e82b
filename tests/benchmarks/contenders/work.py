"""How much arithmetic a network does, and how fast this machine can do it."""

import time
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from stemkit.nn import winograd
from stemkit.separation.options import Precision
from tests.benchmarks.contenders.field import DEVICE

GEMM_SIZE = 2048
GEMM_REPEATS = 10


def count_gflop(run: Callable[[], object]) -> float:
    """Return what a call multiplies and adds, in billions of either.

    What counts is convolutions, matrix products, LSTMs and attention; FFTs and all that goes
    element by element count nothing. bytesep's STFT is a convolution, and so it counts. torch's own
    counter passes over what the CPU does in one piece: fused convolutions, LSTMs and attention are
    counted here, and
    the fused transformer layers are switched off, for good. So is Winograd's way:
    convolutions count as what they are defined to be.
    """
    torch.backends.mha.set_fastpath_enabled(False)
    winograd.suits = lambda *_: False
    aten, mkldnn = torch.ops.aten, torch.ops.mkldnn
    mapping = {
        mkldnn._convolution_pointwise: _count_conv,
        mkldnn._convolution_pointwise_: _count_added_conv,
        aten.mkldnn_rnn_layer: _count_lstm,
        aten._scaled_dot_product_flash_attention_for_cpu: _count_attention,
    }
    with FlopCounterMode(display=False, custom_mapping=mapping) as counter:
        run()
    return float(counter.get_total_flops()) / 1e9


def measure_gemm(precision: Precision) -> float:
    """Return the GFLOP/s of the fastest of several products of two big matrices."""
    left, right = torch.randn(2, GEMM_SIZE, GEMM_SIZE, device=DEVICE).to(getattr(torch, precision))
    seconds = min(_time(lambda: torch.mm(left, right)) for _ in range(GEMM_REPEATS))
    return 2 * GEMM_SIZE**3 / seconds / 1e9


def _time(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def _count_conv(
    _: Sequence[int], weight: Sequence[int], *__: Any, out_shape: Sequence[int], **___: Any
) -> int:
    """Count one whose weight is (outputs, inputs of a group, height, width)."""
    return 2 * prod(out_shape) * prod(weight[1:])


def _count_added_conv(_: Sequence[int], *arguments: Any, **named: Any) -> int:
    """Count one whose result is added to what comes before its input."""
    return _count_conv(*arguments, **named)


def _count_lstm(
    x: Sequence[int], from_input: Sequence[int], from_state: Sequence[int], *_: Any, **__: Any
) -> int:
    """Count one direction of one layer, of (time, batch, inputs) and weights (4*hidden, ...)."""
    return 2 * prod(x[:2]) * (prod(from_input) + prod(from_state))


def _count_attention(
    query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: Any, **__: Any
) -> int:
    """Count both products, of (batch, heads, time, width)."""
    return 2 * prod(query) * key[-2] + 2 * prod(query[:-1]) * prod(value[-2:])
