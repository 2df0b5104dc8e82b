"""Work that is done before its result is asked for."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_LOOK_SECONDS = 0.1
_here = threading.local()


class Abandoned(BaseException):
    """Raised in work whose result nobody will ask for."""


def stop_if_abandoned() -> None:
    """Raise Abandoned in a thread of `map_ahead` whose caller is gone; elsewhere do nothing.

    What takes long calls it now and then.
    """
    is_abandoned: Callable[[], bool] | None = getattr(_here, "is_abandoned", None)
    if is_abandoned is not None and is_abandoned():
        raise Abandoned


def map_ahead(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    threads: int,
    check: Callable[[], None] = lambda: None,
) -> Iterator[Result]:
    """Yield `function` of each item in order; so many run at once while the caller does other work.

    One more waits, so that no thread has to. Whoever waits for a result calls `check` meanwhile,
    whose errors end it at once. Whoever stops asking waits for nothing: what runs is abandoned.
    """
    abandoned = threading.Event()

    def work(item: Item) -> Result:
        _here.is_abandoned = abandoned.is_set
        return function(item)

    pool = ThreadPoolExecutor(threads, "stemkit")
    begun: deque[Future[Result]] = deque()
    try:
        for item in items:
            begun.append(pool.submit(work, item))
            if len(begun) > threads:
                yield _await(begun.popleft(), check)
        while begun:
            yield _await(begun.popleft(), check)
    finally:
        abandoned.set()
        pool.shutdown(wait=False, cancel_futures=True)


def _await(future: Future[Result], check: Callable[[], None]) -> Result:
    while not future.done():
        check()
        wait([future], _LOOK_SECONDS)
    return future.result()
