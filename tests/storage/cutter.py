"""A TCP proxy that notes what is asked through it, and cuts connections where it's told to."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

REQUEST = re.compile(rb"^([A-Z]+) (\S+) HTTP/1\.1\r$", re.MULTILINE)


class Cutter:
    """Between clients and the server at `port`; cuts `cuts` connections after `cut_after` bytes."""

    def __init__(self, port: int) -> None:
        self.cut_after = 0
        self.cuts = 0
        self.requests: list[str] = []
        self._server_port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server_port))
                _Connection(self, client, server)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


class _Connection:
    def __init__(self, cutter: Cutter, client: socket.socket, server: socket.socket) -> None:
        self._cutter = cutter
        self._sockets = (client, server)
        self._passed = 0
        for ends in ((client, server), (server, client)):
            threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(2**16):
                if source is self._sockets[0]:
                    found = REQUEST.findall(data)
                    self._cutter.requests += [b" ".join(words).decode() for words in found]
                self._passed += len(data)
                if self._cutter.cuts and self._passed > self._cutter.cut_after:
                    self._cutter.cuts -= 1
                    break
                sink.sendall(data)
        for end in self._sockets:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        source.close()


@contextmanager
def cut_between(port: int) -> Iterator[Cutter]:
    with closing(Cutter(port)) as cutter:
        threading.Thread(target=cutter.accept, daemon=True).start()
        yield cutter
