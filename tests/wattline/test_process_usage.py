"""Memory and processor time of a process and of what it started."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from wattline.process_usage import TreeUsage

_MB = 1 << 20
_HOLD = "import sys; held = bytearray({size}); {then}; print('held', flush=True); sys.stdin.read()"
_START = "import subprocess; subprocess.Popen([sys.executable, '-c', {program!r}], stdin=sys.stdin)"


@contextmanager
def _running(program: str, words: int) -> Iterator[subprocess.Popen[bytes]]:
    """A program that has said that it holds its memory, until its stdin ends."""
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(words):
            assert process.stdout.readline() == b"held\n"
        yield process


def _reaches(usage: TreeUsage, mb: float) -> bool:
    deadline_s = time.monotonic() + 10
    while usage.peak_mb < mb and time.monotonic() < deadline_s:
        time.sleep(0.01)
    return usage.peak_mb >= mb


def test_what_a_process_and_its_children_hold_together() -> None:
    child = _HOLD.format(size=60 * _MB, then="pass")
    program = _HOLD.format(size=40 * _MB, then=_START.format(program=child))
    with _running(program, 2) as process, TreeUsage(process.pid) as usage:
        assert _reaches(usage, 100)
        process.communicate(b"")
    assert usage.peak_mb < 200


def test_what_was_held_before_it_was_looked_at() -> None:
    program = _HOLD.format(size=80 * _MB, then="del held")
    with _running(program, 1) as process, TreeUsage(process.pid) as usage:
        assert _reaches(usage, 80)
        process.communicate(b"")


def test_processor_time_of_a_child_that_has_ended_counts() -> None:
    burn = "import time\nwhile time.process_time() < 0.4: pass"
    program = _HOLD.format(size=1, then=f"import subprocess; subprocess.run([sys.executable, '-c', {burn!r}])")
    command = [sys.executable, "-c", program]
    with (
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process,
        TreeUsage(process.pid) as usage,
    ):
        process.wait()
    assert 0.3 < usage.cpu_s < 3


@pytest.mark.parametrize("status", [0, 3])
def test_a_process_that_is_over_holds_nothing(status: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", f"raise SystemExit({status})"])
    process.wait()
    with TreeUsage(process.pid) as usage:
        pass
    assert (usage.peak_mb, usage.cpu_s) == (0, 0)
