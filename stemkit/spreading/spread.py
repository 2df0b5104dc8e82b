"""Work spread with joblib over threads, processes or a cluster, whatever becomes of its workers."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

import joblib

from stemkit.spreading.team import Died, Raised, Team
from stemkit.spreading.teams import Backend, Spreading, open_team

__all__ = ["Backend", "Lost", "Spreading", "spread"]

T = TypeVar("T")
R = TypeVar("R")
_Task = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]

_DEATHS_IN_COMPANY = 2
"""Deaths after which an item runs alone, so that only its own worker's can be blamed on it."""
_DEATHS = 3
"""Deaths after which an item is given up."""


@dataclass(frozen=True)
class Lost(Generic[T]):
    """An item that was given up, and why."""

    item: T
    reason: str


def spread(
    function: Callable[[T], R],
    items: Iterable[T],
    spreading: Spreading,
    stop: Callable[[], object] = lambda: None,
) -> Generator[R | Lost[T], None, None]:
    """Yield what `function` gives for each item, as it is ready.

    Items are taken in the caller's thread: as many as there are workers, then one for each result,
    just before that is yielded. An item whose worker dies is run again, and is `Lost` when it was
    in flight in three deaths.

    What `function` or `items` raise is raised here. Then, when this iterator is closed, and on
    KeyboardInterrupt, `stop` is called, which may tell what is in flight to end, and that is
    waited for; another KeyboardInterrupt ends the wait. Raises OptionError and ClusterError as
    `open_team` does.
    """
    with open_team(spreading) as team:
        yield from _Spread(function, items, team, stop).results()


@dataclass
class _Try(Generic[T]):
    item: T
    deaths: int = 0


class _Spread(Generic[T, R]):
    def __init__(
        self,
        function: Callable[[T], R],
        items: Iterable[T],
        team: Team,
        stop: Callable[[], object],
    ) -> None:
        self._function = function
        self._items = iter(items)
        self._team = team
        self._stop = stop
        self._in_flight: dict[int, _Try[T]] = {}
        self._suspects: deque[_Try[T]] = deque()  # were in flight when a worker died
        self._death: Died | None = None

    def results(self) -> Iterator[R | Lost[T]]:
        """Call joblib until the items are used up and no suspect is left."""
        over = False
        while not over:
            alone = next((one for one in self._suspects if one.deaths >= _DEATHS_IN_COMPANY), None)
            if alone is not None:
                self._suspects.remove(alone)
                yield from self._fly(iter([alone]), 1)
            else:
                yield from self._fly(self._take_tries(), self._team.workers)
                over = self._death is None
            yield from self._judge()

    def _take_tries(self) -> Iterator[_Try[T]]:
        while self._suspects:
            yield self._suspects.popleft()
        yield from map(_Try, self._items)

    def _fly(self, tries: Iterator[_Try[T]], at_once: int) -> Iterator[R]:
        """Call joblib once; it ends with the tries, or once a worker has died."""
        self._death = None
        tasks = self._make_tasks(tries)
        parallel = _Parallel(self._team, at_once)
        results = parallel.begin(list(islice(tasks, at_once)))
        try:
            while parallel.in_flight:
                result = parallel.wait(results)
                if isinstance(result, Raised):
                    raise result.error
                if isinstance(result, Died):
                    self._death = result
                    continue
                number, value = result
                del self._in_flight[number]
                try:
                    if self._death is None:
                        parallel.hand_out(list(islice(tasks, 1)))
                finally:  # a result is yielded even if `items` raised
                    yield value
        except BaseException:
            self._stop()
            raise
        finally:
            parallel.finish()
            deque(results, maxlen=0)  # if left alone, joblib warns, and kills or forgets them

    def _make_tasks(self, tries: Iterator[_Try[T]]) -> Iterator[_Task]:
        for number, one in enumerate(tries):
            self._in_flight[number] = one
            yield _call, (self._function, number, one.item), {}

    def _judge(self) -> Iterator[Lost[T]]:
        """Make suspects of what a death left in flight; yield those that are given up."""
        while self._death is not None and self._in_flight:
            _, one = self._in_flight.popitem()
            one.deaths += self._death.times
            if one.deaths < _DEATHS:
                self._suspects.append(one)
            else:
                yield Lost(
                    one.item,
                    f"given up, since a worker died each time (last: {self._death.reason})",
                )


def _call(function: Callable[[T], R], number: int, item: T) -> tuple[int, R]:
    return number, function(item)


class _Parallel(joblib.Parallel):  # type: ignore[misc]
    """Hands out an item when the caller has taken a result, not as soon as joblib has one.

    So results don't pile up before a slow caller, and items are taken in the caller's thread, where
    all waiting is done too: an interrupt inside of joblib would make it drop all results.
    """

    def __init__(self, team: Team, at_once: int) -> None:
        super().__init__(
            n_jobs=max(team.workers, 2),  # joblib would call one job's function in this thread
            backend=team.backend,
            return_as="generator_unordered",
            batch_size=1,
            pre_dispatch=at_once,
            max_nbytes=None,  # no temporary files
        )
        self.in_flight = 0
        self._ready = threading.Semaphore(0)

    def begin(self, tasks: Sequence[_Task]) -> Iterator[Any]:
        """Hand out the first tasks, and return an iterator for `wait`."""
        self.in_flight = len(tasks)
        results: Iterator[Any] = self(tasks)
        return results

    def hand_out(self, task: Sequence[_Task]) -> None:
        """Hand out one more task, or none; joblib would keep what taking it raises to itself."""
        self.in_flight += self.dispatch_one_batch(iter(task))

    def wait(self, results: Iterator[Any]) -> Any:
        """Return the next result."""
        self._ready.acquire()
        self.in_flight -= 1
        return next(results)

    def dispatch_next(self) -> None:
        """Note that a result is ready, where joblib would hand out the next task for it."""
        self._ready.release()

    def finish(self) -> None:
        """Let joblib end when all that is in flight has."""
        super().dispatch_next()
