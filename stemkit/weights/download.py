"""Fetch the weights of a card, whole and checked, or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pooch
import requests
from pydantic import BaseModel, ValidationError

from stemkit import __version__
from stemkit.errors import DownloadError
from stemkit.nn.config import is_own_format
from stemkit.weights.cache import is_whole, note_hash, require_weights, weights_path
from stemkit.weights.registry import ModelCard, WeightsFile

CHUNK_BYTES = 2**18
HEADERS = {"User-Agent": f"stemkit/{__version__}", "Accept-Encoding": "identity"}
RETRIED_LATER = (408, 425, 429)  # the 4xx answers that say "not now" rather than "no"


@dataclass(frozen=True)
class PullOptions:
    """How hard to try."""

    offline: bool = False
    """Refuse to connect; so does STEMKIT_OFFLINE=1 in the environment."""

    attempts: int = 3
    """How often a download that fails on its way is started, a second or two apart."""

    timeout_seconds: float = 30.0
    """How long a server may stay silent."""


DEFAULT_OPTIONS = PullOptions()


class DownloadProgress(Protocol):
    """What `pull_weights` tells of its progress, in bytes: pooch's progress bar."""

    @property
    def total(self) -> int: ...
    @total.setter
    def total(self, count: int) -> None: ...
    def update(self, count: int) -> None: ...
    def reset(self) -> None: ...
    def close(self) -> None: ...


class _RecordFile(BaseModel):
    key: str
    checksum: str


class _Record(BaseModel):
    files: list[_RecordFile]


@dataclass(frozen=True)
class _RemoteFile:
    url: str
    advice: str
    known_hash: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class _ResponseCheck:
    """Refuses at its first bytes an answer that can't become the file; requests calls it."""

    file: _RemoteFile

    def __call__(self, response: requests.Response, *_args: object, **_options: object) -> None:
        if response.is_redirect:
            return
        fault = self._find_fault(response)
        if fault or not response.ok:
            response.close()
        if fault:
            raise DownloadError(f"{response.url} {fault}; {self.file.advice}")

    def _find_fault(self, response: requests.Response) -> str | None:
        status, length = response.status_code, response.headers.get("Content-Length", "")
        size = self.file.size
        if 400 <= status < 500 and status not in RETRIED_LATER:
            return f"answered {status} {response.reason}"
        if response.ok and response.headers.get("Content-Type", "").startswith("text/html"):
            return "answered with a web page instead of the file"
        if response.ok and size and length.isdigit() and int(length) != size:
            return f"offers {length} bytes instead of {size}"
        return None


def pull_weights(
    card: ModelCard,
    options: PullOptions = DEFAULT_OPTIONS,
    progress: DownloadProgress | None = None,
) -> bool:
    """Fetch the checkpoint of `card`; returns False where it was already here and whole.

    The file appears under its name only after its hash is checked against the card or, where the
    card has none, against the Zenodo record. A download that was cut starts again from nothing.
    Raises DownloadError, and leaves no part of the file behind. Not for a bag: pull its members.
    """
    weights = require_weights(card)
    if is_whole(card):
        return False
    if weights.url is None:
        raise DownloadError(f"model {card.name!r} has no address to pull it from; {_remedy(card)}")
    _refuse_offline(card, options)
    advice = f"try again, or {_advise_adding(card)}"
    known_hash = weights.known_hash or _fetch_record_hash(weights, advice, options)
    remote = _RemoteFile(weights.url, advice, known_hash, weights.size)
    _fetch(remote, weights_path(card), options, progress)
    if weights.known_hash is None:
        note_hash(card, known_hash)
    return True


def _remedy(card: ModelCard) -> str:
    if require_weights(card).bundled:
        return "it ships inside the package: reinstall stemkit"
    return f"remove {weights_path(card)} and its card, and add the file again"


def _refuse_offline(card: ModelCard, options: PullOptions) -> None:
    if options.offline or os.environ.get("STEMKIT_OFFLINE", "0") not in ("", "0"):
        raise DownloadError(
            f"model {card.name!r} isn't here and checked, and stemkit is offline; pull it without "
            f"--offline and STEMKIT_OFFLINE, or {_advise_adding(card)}"
        )


def _advise_adding(card: ModelCard) -> str:
    """Return what to do with a browser instead, as the end of a sentence."""
    weights = require_weights(card)
    described = f" --architecture {card.architecture} --sources {','.join(card.sources)}"
    return (
        f"fetch {weights.url} yourself and run: stemkit models add {weights.file}"
        f"{'' if is_own_format(Path(weights.file)) else described}"
    )


def _fetch_record_hash(weights: WeightsFile, advice: str, options: PullOptions) -> str:
    """Return "md5:..." for the file, from the Zenodo record that the card names."""
    url = weights.record or ""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "record.json"
        _fetch(_RemoteFile(url, advice), path, options, None)
        try:
            record = _Record.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise DownloadError(
                f"{url} isn't a Zenodo record with a list of files; {advice}"
            ) from error
    for entry in record.files:
        if entry.key == weights.file and entry.checksum.startswith("md5:"):
            return entry.checksum.lower()
    raise DownloadError(f"{url} lists no md5 for {weights.file}; {advice}")


def _fetch(
    remote: _RemoteFile, path: Path, options: PullOptions, progress: DownloadProgress | None
) -> None:
    """Fetch a file to `path`: to a temporary file beside it, checked, then renamed."""
    files = pooch.create(
        path=path.parent,
        base_url="",
        registry={path.name: remote.known_hash},
        urls={path.name: remote.url},
        retry_if_failed=options.attempts - 1,
    )
    downloader = pooch.HTTPDownloader(
        progressbar=progress or False,
        chunk_size=CHUNK_BYTES,
        timeout=options.timeout_seconds,
        headers=HEADERS,
        hooks={"response": _ResponseCheck(remote)},
    )
    try:
        with _quiet_pooch():
            files.fetch(path.name, downloader=downloader)
    except requests.RequestException as error:
        raise DownloadError(
            f"{remote.url} {_describe_failure(error, options)}; {remote.advice}"
        ) from error
    except ValueError as error:
        raise DownloadError(
            f"{remote.url} sent bytes that aren't {remote.known_hash}; {remote.advice}"
        ) from error
    except OSError as error:
        raise DownloadError(
            f"{path.parent} can't take the file of {remote.url} ({error.strerror or error}); "
            f"make room there or set STEMKIT_HOME to another folder"
        ) from error


@contextmanager
def _quiet_pooch() -> Iterator[None]:
    """Keep pooch from announcing each download on stderr."""
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("WARNING")
    try:
        yield
    finally:
        logger.setLevel(level)


def _describe_failure(error: requests.RequestException, options: PullOptions) -> str:
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"answered {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return f"was silent for {options.timeout_seconds:g} s"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "broke off before the end of the file"
    if isinstance(error, requests.exceptions.SSLError):
        return "has no valid certificate"
    if isinstance(error, requests.ConnectionError):
        return "can't be reached"
    return f"failed ({error})"
