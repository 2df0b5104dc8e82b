"""The workers of a Ray cluster."""

import io
import logging
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO

import ray
from joblib._parallel_backends import ParallelBackendBase
from ray.exceptions import (
    NodeDiedError,
    OutOfMemoryError,
    RaySystemError,
    RayTaskError,
    WorkerCrashedError,
)

from stemkit import __version__
from stemkit.errors import ClusterError
from stemkit.spreading.team import Died, Raised, Team, require_listener


@contextmanager
def open_ray(address: str | None, workers: int | None) -> Iterator[Team]:
    """Connect to a Ray head, or start Ray here where there is none; see `open_team`."""
    own = not ray.is_initialized()
    if own:
        _connect(address)
    try:
        with redirect_stdout(_WithoutRay(sys.stdout)):
            yield Team(_RayBackend(), workers or int(ray.cluster_resources()["CPU"]))
    finally:
        if own:
            ray.shutdown()


def _connect(address: str | None) -> None:
    if address not in (None, "auto", "local"):
        require_listener(str(address), "start Ray there with: ray start --head")
    try:
        ray.init(address or "local", logging_level=logging.ERROR, log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ClusterError(f"can't use Ray at {address!r}: {error}") from error


class _WithoutRay(io.TextIOBase):
    """Stdout without the lines that Ray prints there of workers that died, which is told anyway."""

    def __init__(self, stdout: TextIO) -> None:
        self._stdout = stdout
        self._has_dropped = False

    def write(self, text: str) -> int:
        """Write a text unless it is Ray's."""
        self._has_dropped = "(raylet" in text or (self._has_dropped and text == "\n")
        return len(text) if self._has_dropped else self._stdout.write(text)

    def flush(self) -> None:
        """Write out what is held back."""
        self._stdout.flush()


class _RayBackend(ParallelBackendBase):  # type: ignore[misc]
    """A Ray cluster, one task for each item, which goes to whatever process is idle.

    Ray's own backend can't return results as they come, gives items to processes in turn, busy or
    not, and replaces none that has died.
    """

    supports_retrieve_callback = True

    def __init__(self) -> None:
        super().__init__()
        self._run = ray.remote(max_retries=0)(_run)

    def effective_n_jobs(self, n_jobs: int) -> int:
        """Return the size that was asked for."""
        return n_jobs

    def submit(self, func: Callable[[], Any], callback: Callable[[Any], Any]) -> "Future[Any]":
        """Begin a call."""
        future: Future[Any] = self._run.remote(func).future()
        future.add_done_callback(callback)
        return future

    def retrieve_result_callback(self, future: "Future[Any]") -> Any:
        """Return what a function returned, or raised, or that its process died."""
        try:
            return future.result()
        except (WorkerCrashedError, OutOfMemoryError, NodeDiedError) as error:
            return [Died(f"{type(error).__name__} of Ray")]
        except RaySystemError as error:
            reason = str(error).strip().splitlines()[-1]
            line = f"Ray's workers can't run this; install stemkit {__version__} there: {reason}"
            return [Raised(ClusterError(line))]
        except RayTaskError as error:
            return [Raised(error.cause)]
        except BaseException as error:
            return [Raised(error)]


def _run(function: Callable[[], Any]) -> Any:
    return function()
