"""First come, first served, and nothing that came out changes."""

import time

import numpy as np
import pytest

from stemkit.samples import Samples
from stemkit.separation.queue import SampleQueue


def noise(frames: int) -> Samples:
    return np.random.default_rng(frames).uniform(-1, 1, (2, frames)).astype(np.float32)


@pytest.mark.parametrize("pushed", [1, 7, 100, 1000])
@pytest.mark.parametrize("taken", [1, 7, 100, 1000])
def test_what_goes_in_comes_out_in_order(pushed: int, taken: int) -> None:
    whole, queue, parts = noise(1013), SampleQueue(), []
    for start in range(0, 1013, pushed):
        queue.push(whole[:, start : start + pushed])
        while queue.frames >= taken:
            parts.append(queue.take(taken))
    assert queue.frames < taken
    parts.append(queue.take(taken))
    assert queue.frames == 0
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_what_was_returned_and_what_was_pushed_stay_as_they_were() -> None:
    rng, queue = np.random.default_rng(0), SampleQueue()
    kept: list[tuple[Samples, Samples]] = []
    for _ in range(300):
        block = noise(int(rng.integers(0, 50)))
        kept.append((block, block.copy()))
        queue.push(block)
        shown = queue.peek(int(rng.integers(0, 60)))
        kept.append((shown, shown.copy()))
        queue.drop(int(rng.integers(0, 60)))
    for array, copy in kept:
        np.testing.assert_array_equal(array, copy)


def test_nothing_is_pushed_onto_what_may_not_be_written() -> None:
    block = noise(10)
    block.flags.writeable = False
    queue = SampleQueue()
    for part in (block, block[:, :0], block):
        queue.push(part)
    np.testing.assert_array_equal(queue.take(20), np.concatenate((block, block), axis=1))


def test_short_blocks_cost_the_same_however_many_wait() -> None:
    def cost(blocks: int) -> float:
        queue, block = SampleQueue(), noise(1)
        began = time.thread_time()
        for _ in range(blocks):
            queue.push(block)
            queue.peek(1)
        return (time.thread_time() - began) / blocks

    assert min(cost(80_000) for _ in range(3)) < 4 * max(cost(5_000) for _ in range(3))
