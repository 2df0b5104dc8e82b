"""Every item's result comes once, from threads and from processes that die."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from stemkit.errors import OptionError
from stemkit.spreading.spread import Backend, Lost, Spreading, spread

WORKERS = 2
LOCAL: tuple[Backend, ...] = ("threading", "loky")


def square(number: int) -> int:
    return number * number


def die_at(deadly: int, number: int) -> int:
    if number == deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.005)
    return number


def die_once(folder: Path, deadly: int, number: int) -> int:
    """Note each call, and die in the first for the deadly number once another has ended."""
    first = not (folder / "died").exists()
    if number == deadly and first:
        (folder / "died").touch()
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGKILL)
    with (folder / "done").open("a") as file:
        file.write(f"{number}\n")
    return number


def refuse(bad: int, number: int) -> int:
    if number == bad:
        raise ValueError(f"no {number}")
    return number


def describe_process(_: int) -> tuple[str, bool]:
    ignores = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    return os.environ.get("OMP_NUM_THREADS", ""), ignores


def list_workers() -> list[str]:
    """Return the processes that this one has started, without joblib's own housekeeper."""
    shown = subprocess.run(["ps", "-A", "-ww", "-o", "ppid=,args="], capture_output=True, text=True)
    children = [line for line in shown.stdout.splitlines() if line.split()[0] == str(os.getpid())]
    return [line for line in children if "resource_tracker" not in line and "ps -A" not in line]


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 30])
def test_every_item_gives_its_result_once(count: int, workers: int) -> None:
    results = spread(square, range(count), Spreading(workers=workers))
    assert Counter(results) == Counter(square(number) for number in range(count))


def test_processes_give_every_result_once_and_are_gone_then() -> None:
    results = list(spread(square, range(30), Spreading("loky", WORKERS)))
    assert sorted(map(str, results)) == sorted(str(square(number)) for number in range(30))
    assert list_workers() == []


@pytest.mark.parametrize("workers", [1, 3])
def test_as_many_items_run_at_once_as_there_are_workers(workers: int) -> None:
    running: list[int] = []

    def count_running(number: int) -> int:
        running.append(number)
        time.sleep(0.02)
        count = len(running)
        running.remove(number)
        return count

    counts = list(spread(count_running, range(12), Spreading(workers=workers)))
    assert max(count for count in counts if isinstance(count, int)) == workers


@pytest.mark.parametrize("backend", LOCAL)
def test_items_are_taken_no_further_ahead_than_there_are_workers(backend: Backend) -> None:
    taken = 0

    def count_items() -> Iterator[int]:
        nonlocal taken
        for number in range(20):
            taken += 1
            yield number

    with closing(spread(square, count_items(), Spreading(backend, WORKERS))) as results:
        for given, _ in enumerate(results, 1):
            time.sleep(0.01)  # a slow caller
            assert taken <= given + WORKERS


def test_items_are_taken_in_the_callers_thread() -> None:
    items = (threading.get_ident() for _ in range(20))
    assert set(spread(int, items, Spreading(workers=WORKERS))) == {threading.get_ident()}


@pytest.mark.slow
def test_a_deadly_item_is_lost_and_no_other() -> None:
    results = list(spread(partial(die_at, 7), range(25), Spreading("loky", WORKERS)))
    (lost,) = (one for one in results if isinstance(one, Lost))
    assert lost.item == 7
    assert "SIGKILL" in lost.reason
    kept = sorted(one for one in results if not isinstance(one, Lost))
    assert kept == [number for number in range(25) if number != 7]
    assert list_workers() == []


def test_a_death_loses_nothing_and_repeats_no_result(tmp_path: Path) -> None:
    function = partial(die_once, tmp_path, 4)
    results = list(spread(function, range(12), Spreading("loky", WORKERS)))
    assert Counter(results) == Counter(range(12))
    calls = Counter(map(int, (tmp_path / "done").read_text().split()))
    assert calls.keys() == set(range(12))
    assert calls.total() <= 12 + WORKERS - 1  # only what was beside it may have run again


@pytest.mark.parametrize("backend", LOCAL)
def test_what_a_function_raises_is_raised(backend: Backend) -> None:
    stopped = threading.Event()
    results = spread(partial(refuse, 5), range(50), Spreading(backend, WORKERS), stopped.set)
    with pytest.raises(ValueError, match=r"^no 5$"):
        list(results)
    assert stopped.is_set()
    assert list_workers() == []


def test_what_items_raise_is_raised_after_the_result_in_hand() -> None:
    def break_off() -> Iterator[int]:
        yield from range(5)
        raise ValueError("no more")

    results: list[int | Lost[int]] = []
    running = spread(square, break_off(), Spreading(workers=WORKERS))
    results += [next(running) for _ in range(4)]
    with pytest.raises(ValueError, match="no more"):
        next(running)
    assert set(results) < {0, 1, 4, 9, 16}


@pytest.mark.parametrize("backend", LOCAL)
def test_closing_takes_no_more_items_and_waits(backend: Backend) -> None:
    begun: list[int] = []

    def note_items() -> Iterator[int]:
        for number in range(1000):
            begun.append(number)
            yield number

    results = spread(square, note_items(), Spreading(backend, WORKERS))
    next(results)
    results.close()
    assert len(begun) <= 1 + WORKERS
    assert list_workers() == []
    assert [thread for thread in threading.enumerate() if "ThreadPool" in thread.name] == []


def test_closing_stops_what_is_in_flight_and_waits_for_it() -> None:
    stop, ended = threading.Event(), []

    def run_until_stopped(number: int) -> int:
        if number > 0:
            stop.wait(10)
        ended.append(number)
        return number

    results = spread(run_until_stopped, range(10), Spreading(workers=WORKERS), stop.set)
    assert next(results) == 0
    results.close()
    assert sorted(ended) == [0, 1, 2]


INTERRUPTED = """
import signal, sys, threading, time
from stemkit.spreading.spread import Spreading, spread
from tests.spreading.test_spread import sleep_and_tell

if __name__ == "__main__":
    threading.Timer(0.8, signal.raise_signal, [signal.SIGINT]).start()
    try:
        for result in spread(sleep_and_tell, range(1000), Spreading(sys.argv[1], 2)):
            pass
    except KeyboardInterrupt:
        print("interrupted")
"""


def sleep_and_tell(number: int) -> int:
    time.sleep(0.05)
    return number


@pytest.mark.slow
@pytest.mark.parametrize("backend", LOCAL)
def test_an_interrupt_ends_it_without_a_word(backend: Backend, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(INTERRUPTED)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    ended = subprocess.run(
        [sys.executable, script, backend], env=environment, capture_output=True, timeout=30
    )
    assert (ended.stdout, ended.stderr, ended.returncode) == (b"interrupted\n", b"", 0)


def test_processes_share_the_cores_and_ignore_interrupts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    results = set(spread(describe_process, range(4), Spreading("loky", WORKERS)))
    assert results == {("1", True)}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"backend": "foo"}, "no backend 'foo'"),
        ({"workers": 0}, "0 workers"),
        ({"backend": "loky", "address": "tcp://host:1"}, "of no use to loky"),
        ({"backend": "dask"}, "scheduler's address"),
    ],
    ids=["backend", "workers", "address", "dask"],
)
def test_a_spreading_that_cant_be_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Spreading(**given)


@pytest.mark.parametrize("package", ["distributed", "ray"])
def test_a_package_that_is_missing_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    backend: Backend = "ray" if package == "ray" else "dask"
    with pytest.raises(OptionError, match=rf"pip install 'stemkit\[{backend}\]'"):
        next(spread(square, range(3), Spreading(backend, address="tcp://127.0.0.1:9")))


def test_importing_it_imports_no_cluster_and_no_torch() -> None:
    line = (
        "import sys, stemkit.spreading.spread;"
        "print({'torch', 'dask', 'distributed', 'ray'} & set(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True)
    assert shown.stdout == "set()\n"
