"""What a process and everything it started use together: memory at the worst moment, and processor time (Linux)."""

import os
import threading
from pathlib import Path
from typing import Final, Self

_INTERVAL_S: Final = 0.02
_KB_PER_MB: Final = 1024
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_CPU_FIELDS: Final = slice(11, 13)
"""User and system time, counted after the name: fields 14 and 15 of proc(5)'s stat."""


class TreeUsage:
    """Watches a process and its descendants while the `with` block runs, fifty times a second.

    Attributes:
        peak_mb: MiB, the most so far: resident memory of all of them together, pages that they share counted in each.
            For the process itself, the kernel's own peak (VmHWM, proc(5)) is used where it is more.
    """

    def __init__(self, pid: int) -> None:
        self.peak_mb = 0.0
        self._pid = pid
        self._cpu_s: dict[int, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="process-usage", daemon=True)

    @property
    def cpu_s(self) -> float:
        """Processor seconds of all of them, of those that have ended too."""
        return sum(self._cpu_s.values())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_INTERVAL_S):
            family = _family(self._pid)
            together_kb = sum(_status_kb(pid, "VmRSS") for pid in family)
            self.peak_mb = max(self.peak_mb, together_kb / _KB_PER_MB, _status_kb(self._pid, "VmHWM") / _KB_PER_MB)
            for pid in family:
                self._cpu_s[pid] = max(self._cpu_s.get(pid, 0.0), _cpu_s(pid))


def _family(pid: int) -> list[int]:
    """The process and its descendants, as far as they are still there."""
    family = [pid]
    for parent in family:
        for thread in _threads(parent):
            family += [int(child) for child in _text(thread / "children").split()]
    return family


def _threads(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:  # it has ended
        return []


def _status_kb(pid: int, name: str) -> int:
    lines = _text(Path(f"/proc/{pid}/status")).splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


def _cpu_s(pid: int) -> float:
    # The name, in parentheses, may hold blanks and parentheses.
    _, _, fields = _text(Path(f"/proc/{pid}/stat")).rpartition(")")
    return sum(map(int, fields.split()[_CPU_FIELDS])) / _TICKS_PER_S


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
