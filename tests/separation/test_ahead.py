"""What is computed ahead comes in order, so many at once, and no further ahead than it may."""

import threading
import time
from collections.abc import Iterator

import pytest

from stemkit.separation.ahead import map_ahead, stop_if_abandoned

PATIENCE_SECONDS = 10


class Worker:
    """Notes what begins; ends nothing while `gate` is closed."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.gate = threading.Event()
        self._changed = threading.Condition()

    def __call__(self, item: int) -> int:
        with self._changed:
            self.begun.append(item)
            self._changed.notify_all()
        assert self.gate.wait(PATIENCE_SECONDS)
        if item < 0:
            raise ValueError(item)
        return item * 10

    def await_begun(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.begun) >= count, PATIENCE_SECONDS)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_results_come_in_order(threads: int, count: int) -> None:
    worker = Worker()
    worker.gate.set()
    assert list(map_ahead(worker, range(count), threads)) == [n * 10 for n in range(count)]


@pytest.mark.parametrize("threads", [1, 3])
def test_one_more_item_is_taken_than_run_at_once(threads: int) -> None:
    worker, taken = Worker(), []

    def items() -> Iterator[int]:
        for item in range(10):
            taken.append(item)
            yield item

    results = map_ahead(worker, items(), threads)
    asker = threading.Thread(target=next, args=(results,), daemon=True)
    asker.start()
    worker.await_begun(threads)
    asker.join(0.05)
    assert sorted(worker.begun) == list(range(threads))
    assert taken == list(range(threads + 1))
    worker.gate.set()
    asker.join(PATIENCE_SECONDS)
    assert list(results) == [n * 10 for n in range(1, 10)]


def test_an_error_comes_in_the_place_of_its_result() -> None:
    worker = Worker()
    worker.gate.set()
    results = map_ahead(worker, [1, -2, 3], 2)
    assert next(results) == 10
    with pytest.raises(ValueError, match="-2"):
        next(results)


def test_an_error_of_waiting_too_long_is_the_works_own() -> None:
    def give_up(_: int) -> int:
        raise TimeoutError("of the work")

    with pytest.raises(TimeoutError, match="of the work"):
        next(map_ahead(give_up, [1], 1))


class Endless:
    """Ends when it is abandoned."""

    def __init__(self) -> None:
        self.running = 0

    def __call__(self, item: int) -> int:
        self.running += 1
        try:
            while item:
                stop_if_abandoned()
                time.sleep(0.001)
        finally:
            self.running -= 1
        return item


def await_end(work: Endless) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while work.running:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_who_stops_asking_abandons_what_runs() -> None:
    work = Endless()
    results = map_ahead(work, [0, 1, 2, 3], 2)
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]
    await_end(work)


def test_a_check_that_raises_ends_the_wait_and_the_work() -> None:
    work = Endless()

    def check() -> None:
        if work.running:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        list(map_ahead(work, [1, 2], 1, check))
    await_end(work)


def test_nothing_is_abandoned_elsewhere() -> None:
    stop_if_abandoned()
    assert list(map_ahead(lambda _: stop_if_abandoned(), [1, 2], 1)) == [None, None]
    stop_if_abandoned()
