"""The workers that joblib spreads work over, and what is made of their deaths."""

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib import import_module
from numbers import Integral
from typing import Any, Literal, cast, get_args

import joblib
from joblib._parallel_backends import LokyBackend, ThreadingBackend
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError

from stemkit.errors import ArgumentTypeError, OptionError
from stemkit.separation.memory import count_fitting_steps
from stemkit.separation.options import check_choice
from stemkit.spreading.team import Died, Raised, Team

Backend = Literal["threading", "loky", "dask", "ray"]


_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Spreading:
    """How work is spread: joblib's backend, how many items at once, and a cluster's address.

    Without `workers` there is one for each core of the cluster, or of this machine if its memory
    has room for as many. `address` is that of a Dask scheduler, such as tcp://HOST:8786, or of a
    Ray head; without it Ray is started on this machine. Raises OptionError for what can't be.
    """

    backend: Backend = "threading"
    workers: int | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        check_choice("backend", self.backend, get_args(Backend))
        if self.workers is not None and not isinstance(self.workers, Integral):
            raise ArgumentTypeError(f"workers must be a whole number, not {self.workers!r}")
        if self.workers is not None and self.workers < 1:
            raise OptionError(f"{self.workers} workers can do nothing; use 1 or more")
        if self.address is not None and self.backend in ("threading", "loky"):
            raise OptionError(
                f"a scheduler is of no use to {self.backend}; leave it out, or use dask or ray"
            )
        if self.address is None and self.backend == "dask":
            raise OptionError("dask needs its scheduler's address, such as tcp://HOST:8786")


def open_team(spreading: Spreading) -> AbstractContextManager[Team]:
    """Return the workers, which are let go at the end of the context.

    Raises OptionError where a package isn't installed that is needed, and ClusterError for a
    cluster that can't be reached or used.
    """
    backend, workers, address = spreading.backend, spreading.workers, spreading.address
    if backend == "threading":
        return _open_threads(count_workers(spreading))
    if backend == "loky":
        return _open_processes(count_workers(spreading))
    if backend == "dask":
        _require("dask", "distributed")
        from stemkit.spreading.dask_team import open_dask

        return open_dask(cast(str, address), workers)
    _require("ray", "ray")
    from stemkit.spreading.ray_team import open_ray

    return open_ray(address, workers)


def _require(backend: str, package: str) -> None:
    try:
        import_module(package)
    except ImportError as error:
        raise OptionError(
            f"{backend} isn't installed; run: pip install 'stemkit[{backend}]'"
        ) from error


def count_workers(spreading: Spreading) -> int:
    """Return how many workers there are on this machine."""
    return spreading.workers or min(joblib.cpu_count(), count_fitting_steps())


@contextmanager
def _open_threads(workers: int) -> Iterator[Team]:
    yield Team(_ThreadingBackend(), workers)


@contextmanager
def _open_processes(workers: int) -> Iterator[Team]:
    threads = max(joblib.cpu_count() // workers, 1)
    backend = _LokyBackend(
        inner_max_num_threads=None if "OMP_NUM_THREADS" in os.environ else threads,
        initializer=_follow_driver,
    )
    try:
        yield Team(backend, workers)
    finally:  # else they would wait for more work for 5 minutes
        get_reusable_executor(reuse=True).shutdown(wait=True)


def _follow_driver() -> None:
    """Leave Ctrl-C, which the terminal sends to all processes, to the driver; and die with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(driver: int) -> None:
    while os.getppid() == driver:
        time.sleep(_LOOK_SECONDS)
    os._exit(1)


class _ThreadingBackend(ThreadingBackend):  # type: ignore[misc]
    """Threads; what they raise is a result, so that joblib doesn't drop the others for it."""

    def retrieve_result_callback(self, result: Any) -> Any:
        """Return what a function returned, or raised."""
        try:
            return super().retrieve_result_callback(result)
        except BaseException as error:
            return [Raised(error)]


class _LokyBackend(LokyBackend):  # type: ignore[misc]
    """Processes; their deaths and what they raise are results too."""

    def submit(self, func: Callable[[], Any], callback: Callable[[Any], Any]) -> "Future[Any]":
        """Begin a call."""
        try:
            future: Future[Any] = super().submit(func, callback)
        except TerminatedWorkerError as error:  # a process died a moment ago
            future = Future()
            future.set_exception(error)
            future.add_done_callback(callback)
        return future

    def retrieve_result_callback(self, future: "Future[Any]") -> Any:
        """Return what a function returned, or raised, or that its process died."""
        try:
            return super().retrieve_result_callback(future)
        except TerminatedWorkerError as error:
            signals = sorted(set(re.findall(r"SIG\w+", str(error))))
            return [Died(f"a process, by {' or '.join(signals) or 'its own doing'}")]
        except BaseException as error:
            return [Raised(error)]
