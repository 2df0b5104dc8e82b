"""`pull_weights` gives the whole file under its name, or an error and nothing."""

import hashlib
import json
import socket
from logging.handlers import BufferingHandler
from pathlib import Path

import pooch
import pytest

from stemkit.errors import DownloadError
from stemkit.weights.cache import is_installed, is_whole, weights_path
from stemkit.weights.download import CHUNK_BYTES, PullOptions, pull_weights
from stemkit.weights.folders import models_folder
from stemkit.weights.registry import ModelCard
from tests.weights.server import Answer, MisbehavingServer, hang_up, redirect, send, stall, status
from tests.weights.shelf import FILE, record_of, remote_card

BODY = bytes(range(256)) * 40
ONCE = PullOptions(attempts=1, timeout_seconds=0.4)
BY_HAND = (
    "fetch {url} yourself and run: "
    f"stemkit models add {FILE} --architecture mobilenet-subband --sources vocals"
)


def recorded_card(server: MisbehavingServer, *answers: Answer, body: bytes = BODY) -> ModelCard:
    """A card without a hash, whose record lists the md5 of `body`."""
    record = server.tell("/record", send(record_of(body), "application/json"))
    return remote_card("m", url=server.tell("/file", *answers), record=record, size=len(body))


def hashed_card(server: MisbehavingServer, *answers: Answer) -> ModelCard:
    url = server.tell("/file", *answers)
    return remote_card("m", url=url, sha256=hashlib.sha256(BODY).hexdigest())


def left_behind() -> list[str]:
    """What a failed pull of "m" left in the models folder."""
    return [path.name for path in models_folder().iterdir() if path.name != "m.toml"]


@pytest.mark.parametrize("size", [1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1])
def test_pulled_file_has_the_bytes_of_the_server(server: MisbehavingServer, size: int) -> None:
    body = bytes(i % 251 for i in range(size))
    card = recorded_card(server, send(body), body=body)
    assert pull_weights(card, ONCE)
    assert weights_path(card).read_bytes() == body
    assert sorted(left_behind()) == ["m.pth", "m.pth.md5"]


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_hash_of_the_card_is_used_before_the_record(
    server: MisbehavingServer, algorithm: str
) -> None:
    digest = hashlib.new(algorithm, BODY).hexdigest()
    card = remote_card(
        "m",
        url=server.tell("/file", send(BODY)),
        record=server.tell("/record", send(record_of(b"other"), "application/json")),
        **{algorithm: digest},
    )
    assert pull_weights(card, ONCE)
    assert server.counts["/record"] == 0


def test_whole_file_is_not_asked_for_again(server: MisbehavingServer) -> None:
    card = recorded_card(server, send(BODY))
    assert pull_weights(card, ONCE)
    asked = dict(server.counts)
    assert not pull_weights(card, ONCE)
    assert not pull_weights(card, PullOptions(offline=True))
    assert server.counts == asked == {"/record": 1, "/file": 1}


@pytest.mark.parametrize("damage", [b"", BODY[:-1], BODY[:-1] + b"x"])
def test_damaged_file_is_pulled_again(server: MisbehavingServer, damage: bytes) -> None:
    card = recorded_card(server, send(BODY))
    pull_weights(card, ONCE)
    weights_path(card).write_bytes(damage)
    assert not is_whole(card)
    assert pull_weights(card, ONCE)
    assert weights_path(card).read_bytes() == BODY


@pytest.mark.parametrize("note", ["", "d41d8cd98f00b204e9800998ecf8427e", "no md5  m.pth\n"])
def test_file_with_a_broken_note_is_checked_against_the_record(
    server: MisbehavingServer, note: str
) -> None:
    card = recorded_card(server, send(BODY))
    pull_weights(card, ONCE)
    (models_folder() / "m.pth.md5").write_text(note)
    assert pull_weights(card, ONCE)
    assert server.counts == {"/record": 2, "/file": 1}
    assert is_whole(card)


FAULTS: dict[str, tuple[Answer, str]] = {
    "web page": (send(BODY, "text/html; charset=utf-8"), "answered with a web page"),
    "cut": (send(BODY, missing=1), "broke off before the end"),
    "cut at once": (send(BODY, missing=len(BODY)), "broke off before the end"),
    "longer": (send(BODY + b"x"), f"offers {len(BODY) + 1} bytes instead of {len(BODY)}"),
    "shorter": (send(BODY[:-1]), f"offers {len(BODY) - 1} bytes instead of {len(BODY)}"),
    "wrong bytes": (send(BODY[:-1] + b"x"), "sent bytes that aren't md5:"),
    "not found": (status(404), "answered 404 Not Found"),
    "gone wrong": (status(500), "answered 500 Internal Server Error"),
    "too many": (status(429), "answered 429 Too Many Requests"),
    "stalled": (stall(BODY, 1.0), "was silent for 0.4 s"),
    "hung up": (hang_up, "can't be reached"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_one_line_and_leaves_nothing(server: MisbehavingServer, fault: str) -> None:
    answer, words = FAULTS[fault]
    card = recorded_card(server, answer)
    with pytest.raises(DownloadError) as caught:
        pull_weights(card, ONCE)
    message = str(caught.value)
    assert server.url("/file") in message
    assert words in message
    assert message.endswith(f"; try again, or {BY_HAND.format(url=server.url('/file'))}")
    assert "\n" not in message
    assert left_behind() == []


@pytest.mark.parametrize("fault", ["web page", "longer", "not found"])
def test_fault_that_stays_is_not_tried_again(server: MisbehavingServer, fault: str) -> None:
    with pytest.raises(DownloadError):
        pull_weights(recorded_card(server, FAULTS[fault][0]), PullOptions(attempts=3))
    assert server.counts["/file"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["cut", "wrong bytes", "gone wrong", "hung up"])
def test_fault_that_passes_is_tried_again(server: MisbehavingServer, fault: str) -> None:
    card = recorded_card(server, FAULTS[fault][0], send(BODY))
    assert pull_weights(card, PullOptions(attempts=2))
    assert weights_path(card).read_bytes() == BODY


def test_refused_connection_names_the_address() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/file"
    card = remote_card("m", url=url, md5="0" * 32)
    with pytest.raises(DownloadError, match=f"^{url} can't be reached; "):
        pull_weights(card, ONCE)
    assert left_behind() == []


def test_redirect_by_way_of_a_web_page_is_followed(server: MisbehavingServer) -> None:
    there = server.tell("/there", send(BODY))
    card = recorded_card(server, redirect(there))
    assert pull_weights(card, ONCE)
    assert weights_path(card).read_bytes() == BODY


def test_failed_pull_keeps_what_was_there(server: MisbehavingServer) -> None:
    card = hashed_card(server, status(500))
    weights_path(card).write_bytes(b"older")
    with pytest.raises(DownloadError):
        pull_weights(card, ONCE)
    assert weights_path(card).read_bytes() == b"older"
    assert left_behind() == ["m.pth"]


RECORDS: dict[str, tuple[Answer, str]] = {
    "missing": (status(404), "answered 404"),
    "web page": (send(b"<html>", "text/html"), "answered with a web page"),
    "not JSON": (send(b"\xff{", "application/json"), "isn't a Zenodo record"),
    "no files": (send(b'{"files": {}}', "application/json"), "isn't a Zenodo record"),
    "odd files": (send(b'{"files": [{"key": 3}]}', "application/json"), "isn't a Zenodo record"),
    "other files": (send(record_of(BODY, "a.pth"), "application/json"), f"no md5 for {FILE}"),
    "no md5": (
        send(json.dumps({"files": [{"key": FILE, "checksum": "crc:1"}]}).encode(), "text/json"),
        f"no md5 for {FILE}",
    ),
}


@pytest.mark.parametrize("fault", RECORDS)
def test_without_a_usable_record_nothing_is_fetched(server: MisbehavingServer, fault: str) -> None:
    answer, words = RECORDS[fault]
    record = server.tell("/record", answer)
    card = remote_card("m", url=server.tell("/file", send(BODY)), record=record)
    with pytest.raises(DownloadError, match=words) as caught:
        pull_weights(card, ONCE)
    assert str(caught.value).startswith(record)
    assert str(caught.value).endswith(BY_HAND.format(url=server.url("/file")))
    assert server.counts["/file"] == 0
    assert left_behind() == []


def test_record_with_another_md5_refuses_the_file(server: MisbehavingServer) -> None:
    record = server.tell("/record", send(record_of(b"other"), "application/json"))
    card = remote_card("m", url=server.tell("/file", send(BODY)), record=record)
    with pytest.raises(DownloadError, match="sent bytes that aren't md5:"):
        pull_weights(card, ONCE)
    assert left_behind() == []


@pytest.mark.parametrize("variable", [None, "1", "true"])
def test_offline_refuses_to_connect(
    server: MisbehavingServer, monkeypatch: pytest.MonkeyPatch, variable: str | None
) -> None:
    if variable:
        monkeypatch.setenv("STEMKIT_OFFLINE", variable)
    card = recorded_card(server, send(BODY))
    with pytest.raises(DownloadError, match=r"model 'm' .* stemkit is offline"):
        pull_weights(card, PullOptions(offline=variable is None))
    assert server.counts == {}


@pytest.mark.parametrize("variable", ["", "0"])
def test_offline_switched_off_connects(
    server: MisbehavingServer, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv("STEMKIT_OFFLINE", variable)
    assert pull_weights(recorded_card(server, send(BODY)), ONCE)


def test_card_without_address_says_what_to_do() -> None:
    card = remote_card("m", sha256="0" * 64)
    with pytest.raises(DownloadError, match="model 'm' has no address"):
        pull_weights(card, ONCE)


def test_home_that_takes_no_file_is_named(
    server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = hashed_card(server, send(BODY))
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STEMKIT_HOME", str(tmp_path / "file"))
    with pytest.raises(DownloadError, match="set STEMKIT_HOME to another folder"):
        pull_weights(card, ONCE)


def test_pooch_announces_nothing(server: MisbehavingServer) -> None:
    logger, kept = pooch.get_logger(), BufferingHandler(capacity=100)
    level = logger.level
    logger.addHandler(kept)
    try:
        card = recorded_card(server, status(500), send(BODY))
        pull_weights(card, PullOptions(attempts=2))
    finally:
        logger.removeHandler(kept)
    assert kept.buffer == []
    assert logger.level == level


class Counter:
    """A progress bar that keeps what it is told."""

    def __init__(self) -> None:
        self.total = 0
        self.sizes: list[int] = []
        self.closed = False

    def update(self, count: int) -> None:
        self.sizes.append(count)

    def reset(self) -> None:
        self.sizes.clear()

    def close(self) -> None:
        self.closed = True


def test_progress_ends_at_the_size_of_the_file(server: MisbehavingServer) -> None:
    counter = Counter()
    pull_weights(hashed_card(server, send(BODY)), ONCE, counter)
    assert (counter.total, sum(counter.sizes), counter.closed) == (len(BODY), len(BODY), True)


def test_nothing_is_installed_before_it_is_pulled(server: MisbehavingServer) -> None:
    card = recorded_card(server, send(BODY))
    assert not is_installed(card)
    pull_weights(card, ONCE)
    assert is_installed(card)
