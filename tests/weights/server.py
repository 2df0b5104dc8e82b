"""A real HTTP server on this machine that answers as badly as it is told to."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]


class MisbehavingServer(ThreadingHTTPServer):
    """Gives each path the answers told, in order; the last one again and again."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, list[Answer]] = {}
        self.counts: dict[str, int] = defaultdict(int)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"

    def tell(self, path: str, *answers: Answer) -> str:
        self.answers[path] = list(answers)
        return self.url(path)

    def handle_error(self, *_: object) -> None:
        """Say nothing when a client hangs up."""


class _Handler(BaseHTTPRequestHandler):
    server: MisbehavingServer

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        answers = self.server.answers.get(path, [status(404)])
        answer = answers[min(self.server.counts[path], len(answers) - 1)]
        self.server.counts[path] += 1
        answer(self)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serve() -> Iterator[MisbehavingServer]:
    with MisbehavingServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def send(body: bytes, kind: str = "application/octet-stream", missing: int = 0) -> Answer:
    """Promise `body` and hang up `missing` bytes before its end."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: len(body) - missing])

    return answer


def stall(body: bytes, seconds: float) -> Answer:
    """Send the first half, stay silent, send the rest."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        send(body, missing=len(body) - len(body) // 2)(request)
        request.wfile.flush()
        time.sleep(seconds)
        request.wfile.write(body[len(body) // 2 :])

    return answer


def status(code: int) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        request.send_header("Content-Type", "text/html")
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


def redirect(url: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Content-Type", "text/html; charset=utf-8")
        request.send_header("Location", url)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


def hang_up(request: BaseHTTPRequestHandler) -> None:
    """Close the connection without a word."""
    request.close_connection = True
