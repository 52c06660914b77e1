"""The most memory that a process and everything it started held at one time (Linux)."""

import threading
from pathlib import Path
from typing import Final, Self

_INTERVAL_S: Final = 0.02
_KB_PER_MB: Final = 1024


class PeakMemory:
    """Watches a process and its descendants while the `with` block runs.

    The sum of the resident memory of all of them, looked at fifty times a second. Pages that processes share count
    in each. For the process itself, the kernel's own peak (VmHWM, proc(5)) is used where it is more.

    Attributes:
        mb: MiB, the most so far.
    """

    def __init__(self, pid: int) -> None:
        self.mb = 0.0
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="peak-memory", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_INTERVAL_S):
            together_kb = sum(_status_kb(pid, "VmRSS") for pid in _family(self._pid))
            self.mb = max(self.mb, together_kb / _KB_PER_MB, _status_kb(self._pid, "VmHWM") / _KB_PER_MB)


def _family(pid: int) -> list[int]:
    """The process and its descendants, as far as they are still there."""
    family = [pid]
    for parent in family:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            family += [int(child) for child in _text(children).split()]
    return family


def _status_kb(pid: int, name: str) -> int:
    lines = _text(Path(f"/proc/{pid}/status")).splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
