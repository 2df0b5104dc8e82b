"""Workers that are ready, and what comes back from them besides results."""

import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from joblib._parallel_backends import ParallelBackendBase

from stemkit.errors import ClusterError

_SCHEMES = ("tcp", "tls", "ucx", "ucxx", "ws", "wss", "ray")


@dataclass(frozen=True)
class Team:
    """Workers that are ready, and how many items they are given at once."""

    backend: ParallelBackendBase
    workers: int


@dataclass(frozen=True)
class Died:
    """The result of an item whose worker died, and how often it was run for that."""

    reason: str
    times: int = 1


@dataclass(frozen=True)
class Raised:
    """The result of an item whose function raised, or that could not be run or brought back."""

    error: BaseException


def require_listener(address: str, advice: str) -> None:
    """Raise ClusterError where nothing answers at [SCHEME://]HOST:PORT within 10 seconds.

    To ask first is quicker than the clusters' own ways to give up, and quieter.
    """
    scheme = address.partition("://")[0] if "://" in address else "tcp"
    if scheme not in _SCHEMES:
        raise ClusterError(f"no cluster speaks {scheme}://; write tcp://HOST:PORT")
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10).close()
    except (OSError, ValueError) as error:
        raise ClusterError(f"nothing answers at {address!r}; {advice}") from error
