"""The demo's own processes: parts of `wattline`, each with its log, ended in order."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from wattline.errors import WattlineError

_STOP_TIMEOUT_S: Final = 20.0


class DemoError(WattlineError):
    """A part of the demo ended by itself; the message holds the end of its log."""


class Part:
    """One `wattline` command as a process.

    Attributes:
        log: What it prints, both streams.
    """

    def __init__(self, folder: Path, name: str, *arguments: str) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as output:
            # A session of its own: Ctrl-C reaches the demo alone, which then ends its parts in order.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "wattline", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def check(self) -> None:
        """Complain when it has ended.

        Raises:
            DemoError: It has.
        """
        status = self._process.poll()
        if status is not None:
            raise DemoError(f"{self.name} ended with status {status}: {self.log_text()[-1500:]}")

    def ask_to_stop(self) -> None:
        """SIGTERM."""
        if self._process.poll() is None:
            self._process.terminate()

    def stop(self) -> None:
        """SIGTERM, and SIGKILL when it takes too long."""
        self.ask_to_stop()
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def log_text(self) -> str:
        """What it has printed."""
        return self.log.read_text("utf-8", "replace")


@contextmanager
def signals_held() -> Iterator[None]:
    """Let signals that end the demo wait until the block is over: a part that starts is also noted as started."""
    caught: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, lambda number, _: caught.append(number)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
    for one in caught:
        signal.raise_signal(one)
