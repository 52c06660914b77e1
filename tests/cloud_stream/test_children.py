"""Processes that are restarted together and die with their parent."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud_stream.children import STABLE_S, Group
from tests.cloud_stream.waiting import wait_until
from wattline.backoff import Backoff

SLEEPS = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)",
]


def _exits(status: int) -> list[str]:
    return [sys.executable, "-c", f"raise SystemExit({status})"]


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


class Ticking:
    """A group on a clock that the test moves."""

    def __init__(self, *commands: list[str]) -> None:
        self.now_s = 0.0
        self.group = Group("test", lambda: commands, Backoff(1.0, 8.0, seed=1))

    def tick(self, seconds: float = 0.0) -> None:
        self.now_s += seconds
        self.group.tick(self.now_s)

    def tick_until_restart(self) -> None:
        before = self.group.restarts

        def restarted() -> bool:
            self.tick()
            return self.group.restarts > before

        wait_until(restarted, "the group is restarted")


@pytest.fixture
def two() -> Iterator[Ticking]:
    ticking = Ticking(SLEEPS, SLEEPS)
    yield ticking
    ticking.group.terminate()
    ticking.group.end(5.0)


def test_a_first_tick_starts_all(two: Ticking) -> None:
    two.tick()
    assert len(two.group.pids) == 2
    assert all(_alive(pid) for pid in two.group.pids)


def test_when_one_dies_all_are_stopped_and_started_again_after_a_delay(two: Ticking) -> None:
    two.tick()
    first, second = two.group.pids
    os.kill(first, signal.SIGKILL)
    two.tick_until_restart()
    assert not _alive(second)
    two.tick()
    assert two.group.pids == []
    two.tick(1.0)
    assert len(two.group.pids) == 2
    assert not set(two.group.pids) & {first, second}


def test_the_delay_grows_while_it_dies_young_and_is_short_after_a_long_life() -> None:
    ticking = Ticking(_exits(1))
    delays: list[float] = []
    for _ in range(4):
        ticking.tick(100.0)
        ticking.tick_until_restart()
        delays.append(ticking.group._start_at_s - ticking.now_s)
    assert delays[3] >= 4.0
    assert delays == sorted(delays)

    steady = Ticking(SLEEPS)
    for _ in range(3):
        steady.tick(100.0)
        steady.tick(STABLE_S)
        os.kill(steady.group.pids[0], signal.SIGKILL)
        steady.tick_until_restart()
        assert steady.group._start_at_s - steady.now_s <= 1.0


@pytest.mark.parametrize(("status", "hopeless"), [(0, False), (1, False), (2, True)])
def test_only_a_wrong_configuration_at_the_first_start_is_hopeless(status: int, *, hopeless: bool) -> None:
    ticking = Ticking(_exits(status))
    ticking.tick()
    ticking.tick_until_restart()
    assert ticking.group.hopeless == hopeless


def test_what_was_right_at_the_first_start_is_tried_again_however_young_it_dies() -> None:
    statuses = iter([1, 2])  # 2 may be a port that is not free again yet
    ticking = Ticking()
    ticking.group = Group("test", lambda: [_exits(next(statuses))], Backoff(1.0, 8.0, seed=1))
    for _ in range(2):
        ticking.tick(10.0)
        ticking.tick_until_restart()
    assert not ticking.group.hopeless


def test_a_process_that_ignores_sigterm_is_killed() -> None:
    ticking = Ticking(STUBBORN)
    ticking.tick()
    (pid,) = ticking.group.pids
    ticking.group.terminate()
    ticking.group.end(0.2)
    assert not _alive(pid)


def test_a_child_dies_with_its_parent_even_by_kill_9(tmp_path: Path) -> None:
    child = "from cloud_stream.children import die_with_parent as d; d(); print('ready', flush=True); input()"
    parent = f"""
import sys, time
from wattline.backoff import Backoff
from cloud_stream.children import Group
group = Group("g", lambda: [[sys.executable, "-c", {child!r}]], Backoff(1, 1))
group.tick(1.0)
open({str(tmp_path / "pid")!r}, "w").write(str(group.pids[0]) + "\\n")
time.sleep(60)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        wait_until(lambda: (tmp_path / "pid").exists() and bool((tmp_path / "pid").read_text().strip()), "its pid")
        pid = int((tmp_path / "pid").read_text())
        assert _alive(pid)
        process.kill()
        wait_until(lambda: not _alive(pid), "the child is gone")


def test_a_child_whose_parent_is_gone_already_does_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "from cloud_stream.children import die_with_parent; die_with_parent(); print('begun')"
    monkeypatch.setenv("WATTLINE_PARENT_PID", "1")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, cwd=Path(__file__).parents[2], timeout=30
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"the supervisor has ended" in done.stderr
