"""The workers of a Dask cluster."""

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any
from uuid import uuid4
from weakref import WeakSet

from distributed import Client, Future, KilledWorker
from joblib._parallel_backends import ParallelBackendBase

from stemkit import __version__
from stemkit.errors import ClusterError
from stemkit.spreading.team import Died, Raised, Team, require_listener

_CONNECT_SECONDS = 10
_DESERTED_SECONDS = 60
"""How long all workers may be away before work is given up."""
_KILLED_TIMES = 2
"""What `KilledWorker` counts as: more deaths than this, but those beside it may be to blame."""


@contextmanager
def open_dask(address: str, workers: int | None) -> Iterator[Team]:
    """Connect to a scheduler, and let go of it in the end; see `open_team`."""
    with _quieten("distributed.client", "distributed.batched"):
        require_listener(address, "start a Dask scheduler there with: dask scheduler")
        with _connect(address) as client:
            try:
                client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
            except TimeoutError as error:
                raise ClusterError(
                    f"the Dask scheduler at {address} has no workers;"
                    f" start some with: dask worker {address}"
                ) from error
            _require_stemkit(client)
            backend = _DaskBackend(client, address)
            with backend.watched():
                yield Team(backend, workers or sum(client.ncores().values()))


def _connect(address: str) -> Client:
    """Return a client; its own time limit isn't kept where something else than Dask answers."""
    found: SimpleQueue[Client | Exception] = SimpleQueue()

    def connect() -> None:
        try:
            found.put(Client(address, timeout=_CONNECT_SECONDS, set_as_default=False))
        except Exception as error:
            found.put(error)

    threading.Thread(target=connect, daemon=True).start()
    refusal = f"what answers at {address!r} isn't a Dask scheduler"
    try:
        client = found.get(timeout=2 * _CONNECT_SECONDS)
    except Empty:
        raise ClusterError(refusal) from None
    if isinstance(client, Exception):
        raise ClusterError(refusal) from client
    return client


def _require_stemkit(client: Client) -> None:
    """Raise ClusterError for a worker without this stemkit.

    Without any it would end over its first item; another version may give other results.
    """
    for worker, found in client.get_versions(packages=["stemkit"])["workers"].items():
        version = found["packages"]["stemkit"]
        if version != __version__:
            has = f"stemkit {version}" if version else "no stemkit"
            raise ClusterError(
                f"the Dask worker at {worker} has {has}; install stemkit {__version__} there"
            )


@contextmanager
def _quieten(*names: str) -> Iterator[None]:
    """Keep loggers from telling, with tracebacks, what is told in one line of our own."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


class _DaskBackend(ParallelBackendBase):  # type: ignore[misc]
    """A Dask cluster. Joblib's own backend waits forever for an item that Dask has given up."""

    supports_retrieve_callback = True

    def __init__(self, client: Client, address: str) -> None:
        super().__init__()
        self._client = client
        self._address = address
        self._in_flight: WeakSet[Future] = WeakSet()

    def effective_n_jobs(self, n_jobs: int) -> int:
        """Return the size that was asked for."""
        return n_jobs

    def submit(self, func: Callable[[], Any], callback: Callable[[Any], Any]) -> Future:
        """Begin a call."""
        future = self._client.submit(func, key=f"stemkit-{uuid4().hex}", pure=False)
        self._in_flight.add(future)
        future.add_done_callback(callback)
        return future

    def retrieve_result_callback(self, future: Future) -> Any:
        """Return what a function returned, or raised, or that its workers died."""
        try:
            return future.result()
        except KilledWorker as error:
            return [Died(f"the Dask worker at {error.last_worker.address}", _KILLED_TIMES)]
        except CancelledError:
            line = f"the Dask cluster at {self._address} was lost; run again once it is back"
            return [Raised(ClusterError(line))]
        except BaseException as error:
            return [Raised(error)]

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Cancel what is in flight when all workers are gone for too long."""
        ended = threading.Event()
        thread = threading.Thread(target=self._watch, args=(ended,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()

    def _watch(self, ended: threading.Event) -> None:
        with suppress(OSError, RuntimeError):  # the scheduler is lost, or the client was closed
            while not ended.wait(1):
                try:
                    self._client.wait_for_workers(1, timeout=_DESERTED_SECONDS)
                except TimeoutError:
                    self._client.cancel(list(self._in_flight))
