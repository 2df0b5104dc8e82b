"""What an interrupt does to a run: the first lets it end in good order, the second ends it."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stemkit.batch.cancel import CancelToken

_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


@contextmanager
def cancel_on_signals(cancel: "CancelToken") -> Iterator[None]:
    """Cancel at the first SIGINT, SIGTERM or SIGHUP, and exit with 130 at the next.

    What is ignored, as SIGHUP is under nohup, stays so. Only the main thread can do this; in
    another nothing changes.
    """
    arrived: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if arrived:
            os._exit(130)
        arrived.append(number)
        cancel.cancel()
        if sys.stderr is not None:  # else 2 may be any file by now
            with suppress(OSError):
                os.write(2, b"stopping; what is in flight is dropped. Once more stops at once.\n")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    taken = [number for number in _SIGNALS if before[number] != signal.SIG_IGN]
    for number in taken:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in taken:  # after an interrupt the process ends anyway, and as it should
            signal.signal(number, signal.SIG_IGN if arrived else before[number])
