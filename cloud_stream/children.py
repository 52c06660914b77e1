"""Child processes that are restarted together, and never outlive their parent."""

import ctypes
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Final

from cloud_stream.errors import CloudError
from wattline.backoff import Backoff

_log: Final = logging.getLogger("cloud_stream.supervisor")
_PARENT: Final = "WATTLINE_PARENT_PID"
_PR_SET_PDEATHSIG: Final = 1
FIRST_RESTART_S: Final = 0.5
LONGEST_RESTART_S: Final = 30.0
STABLE_S: Final = 60.0
"""A group that ran this long is restarted after the shortest delay again."""
STOP_REST_S: Final = 5.0
WRONG_CONFIG: Final = 2
"""The exit status that says: a person must change the file first."""


class Group:
    """Processes that only make sense together: when one ends, all are stopped and started anew.

    Call order: `tick` every so often; `terminate` and `end` to stop for good.

    Attributes:
        name: For the log.
        restarts: How often it was started again.
        started_s: When it was last started, on the clock that `tick` is given.
        hopeless: A process said at its first start that the configuration is wrong.
    """

    def __init__(self, name: str, commands: Callable[[], Sequence[Sequence[str]]], backoff: Backoff) -> None:
        """Nothing is started yet.

        Args:
            name: For the log.
            commands: The argument lists of one start; asked at each.
            backoff: The delays between restarts.
        """
        self.name = name
        self.restarts = 0
        self.started_s = 0.0
        self.hopeless = False
        self._commands = commands
        self._backoff = backoff
        self._processes: list[subprocess.Popen[bytes]] = []
        self._start_at_s = 0.0
        self._was_stable = False

    @property
    def pids(self) -> list[int]:
        """The running processes, in the order of their commands."""
        return [process.pid for process in self._processes]

    def tick(self, now_s: float) -> None:
        """Start what is due, and notice what has ended.

        Args:
            now_s: Of a clock that never goes back.
        """
        if not self._processes:
            if now_s >= self._start_at_s:
                self._start(now_s)
            return
        if now_s - self.started_s >= STABLE_S:
            self._was_stable = True
            self._backoff.reset()
        for process in self._processes:
            status = process.poll()
            if status is not None:
                self.hopeless = status == WRONG_CONFIG and not self.restarts and not self._was_stable
                self.restart(now_s, f"pid={process.pid} status={status}")
                return

    def restart(self, now_s: float, reason: str) -> None:
        """Stop all processes now and start them again after a delay."""
        self.restarts += 1
        delay_s = self._backoff.next_s()
        _log.warning("group_restarts name=%s count=%d in_s=%.1f %s", self.name, self.restarts, delay_s, reason)
        self.terminate()
        self.end(STOP_REST_S)
        self._start_at_s = now_s + delay_s

    def terminate(self) -> None:
        """Ask every process to end, without waiting."""
        for process in self._processes:
            process.terminate()

    def end(self, patience_s: float) -> None:
        """Wait until every process has ended, and kill those that take longer than `patience_s`."""
        deadline = time.monotonic() + patience_s
        for process in self._processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _log.warning("child_killed group=%s pid=%d", self.name, process.pid)
                process.kill()
                process.wait()
        self._processes = []

    def _start(self, now_s: float) -> None:
        environment = os.environ | {_PARENT: str(os.getpid())}
        self._processes = [subprocess.Popen(command, env=environment) for command in self._commands()]
        self.started_s = now_s
        _log.info("group_started name=%s pids=%s", self.name, ",".join(map(str, self.pids)))


def is_supervised() -> bool:
    """Whether this process is a child of a `Group`."""
    return bool(os.environ.get(_PARENT))


def die_with_parent() -> None:
    """In a child of a `Group`: be killed with the parent, however that ends; elsewhere nothing.

    Everything here survives a kill, and two generations of children at work on the same files would be worse.

    Raises:
        CloudError: The parent is gone already.
    """
    parent = os.environ.get(_PARENT, "")
    if not parent:
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):
        raise CloudError("the supervisor has ended")
