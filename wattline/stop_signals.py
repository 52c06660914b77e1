"""Signals that end a process, delivered where locks may be taken.

Python runs a signal's handler in the main thread between two instructions of
whatever it is at. A handler that sets a `threading.Event` while that thread is
inside the event's own lock waits for itself for ever. So the handlers here
only write to an eventfd, and a thread of its own calls back.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def called_on_stop(callback: Callable[[], object]) -> Iterator[None]:
    """Call back, from a thread of its own, once for each SIGTERM and SIGINT; call it in the main thread.

    Args:
        callback: May take locks; it must not raise. Signals that come faster
            than it returns are counted, not lost.
    """
    # A semaphore's count: two quick signals are two calls.
    fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_SEMAPHORE)
    over = threading.Event()
    thread = threading.Thread(target=_listen, args=(fd, over, callback), name="stop-signals", daemon=True)
    before = [signal.signal(number, lambda *_: os.eventfd_write(fd, 1)) for number in STOP_SIGNALS]
    thread.start()
    try:
        yield
    finally:
        for number, handler in zip(STOP_SIGNALS, before, strict=True):
            signal.signal(number, handler)
        over.set()
        os.eventfd_write(fd, 1)
        thread.join()
        os.close(fd)


def _listen(fd: int, over: threading.Event, callback: Callable[[], object]) -> None:
    while True:
        os.eventfd_read(fd)
        if over.is_set():
            return
        callback()


@contextmanager
def interrupted_when_ended() -> Iterator[None]:
    """SIGTERM and a closed terminal end the block like Ctrl-C: what it has started is ended, too."""

    def interrupt(_number: int, _frame: object) -> NoReturn:
        raise KeyboardInterrupt

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
