"""What can be killed and started again: programs of ours, and servers."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from wattline.local_servers import LocalServer

_CHECKOUT = Path(__file__).parents[2]
_STOP_TIMEOUT_S = 30.0


class Component(Protocol):
    """One part of an installation, as the schedule of kills sees it."""

    def kill9(self) -> None:
        """Take it away without notice."""

    def restart(self) -> None:
        """Start it on whatever it left behind."""


class Program:
    """One `wattline` command line as a process.

    Args:
        log: What it prints, in all its lives.
        arguments: Behind `wattline`.
    """

    def __init__(self, log: Path, arguments: Sequence[str]) -> None:
        self._log = log
        self._arguments = tuple(arguments)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *more: str) -> None:
        """Start it; `more` are arguments of this life only."""
        assert self._process is None, "it runs already"
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "wattline", *self._arguments, *more]
            # A session of its own: a signal to the test run is not one to it.
            self._process = subprocess.Popen(
                command, cwd=_CHECKOUT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def restart(self) -> None:
        """Start it again."""
        self.start()

    @property
    def runs(self) -> bool:
        """Whether it is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None, "it does not run"
        return self._process.pid

    def kill9(self) -> None:
        """SIGKILL.

        Raises:
            AssertionError: It had ended already, which nobody asked for.
        """
        assert self.runs, f"ended by itself: {self.log_text()[-2000:]}"
        self.end()

    def end(self) -> None:
        """SIGKILL where it still runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def terminate(self) -> None:
        """SIGTERM, without waiting."""
        if self._process is not None:
            self._process.terminate()

    def wait(self, deadline_s: float = _STOP_TIMEOUT_S) -> int:
        """Wait for its end; returns the exit status."""
        assert self._process is not None, "it was never started"
        status = self._process.wait(deadline_s)
        self._process = None
        return status

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        self.terminate()
        return self.wait()

    def log_text(self) -> str:
        """What it has printed in all its lives."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""


class Server:
    """A broker or a database as a component."""

    def __init__(self, server: LocalServer) -> None:
        self._server = server

    def kill9(self) -> None:
        """SIGKILL."""
        self._server.kill()

    def restart(self) -> None:
        """Start it on the same port and data, and wait until it answers."""
        self._server.start()
