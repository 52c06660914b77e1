"""Jobs run one after the other, and none can stop the others."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cloud_stream.jobs.errors import JobError
from cloud_stream.jobs.job import Job
from cloud_stream.jobs.memory import JobMemory
from cloud_stream.jobs.runner import JobRunner
from tests.cloud_stream.waiting import wait_until

HOUR = 3_600_000
NOW = 1_700_000_000_000


class Clock:
    def __init__(self) -> None:
        self.ms = NOW

    def __call__(self) -> int:
        return self.ms


def runner_of(
    tmp_path: Path, *jobs: tuple[str, Callable[[int], None]], clock: Clock | None = None, timeout_s: float = 30.0
) -> JobRunner:
    listed = [Job(name, HOUR, run, timeout_s) for name, run in jobs]
    return JobRunner(listed, JobMemory(tmp_path), clock or Clock(), first_retry_s=0.01)


def fail(_: int) -> None:
    raise JobError("the server is away")


def break_down(_: int) -> None:
    raise ZeroDivisionError


def test_jobs_run_in_their_order_with_the_time_and_once_a_period(tmp_path: Path) -> None:
    ran: list[tuple[str, int]] = []
    clock = Clock()
    runner = runner_of(
        tmp_path, ("one", lambda t: ran.append(("one", t))), ("two", lambda t: ran.append(("two", t))), clock=clock
    )
    runner.turn()
    runner.turn()
    assert ran == [("one", NOW), ("two", NOW)]
    clock.ms += HOUR
    runner.turn()
    assert [name for name, _ in ran] == ["one", "two"] * 2
    assert runner.counts == {"one_runs": 2, "two_runs": 2}


def test_a_restart_does_not_repeat_and_makes_up_for_what_was_missed(tmp_path: Path) -> None:
    ran: list[int] = []
    clock = Clock()
    runner_of(tmp_path, ("one", ran.append), clock=clock).turn()
    runner_of(tmp_path, ("one", ran.append), clock=clock).turn()
    assert ran == [NOW]
    clock.ms += 5 * HOUR
    late = runner_of(tmp_path, ("one", ran.append), clock=clock)
    late.turn()
    late.turn()
    assert ran == [NOW, NOW + 5 * HOUR]


@pytest.mark.parametrize("failing", [fail, break_down], ids=["an error", "a defect"])
def test_a_failing_job_stops_no_other_and_is_tried_again(tmp_path: Path, failing: Callable[[int], None]) -> None:
    ran: list[int] = []
    runner = runner_of(tmp_path, ("bad", failing), ("good", ran.append))
    runner.turn()
    assert ran == [NOW]
    assert runner.counts["bad_failures"] == 1

    def tried_again() -> bool:
        runner.turn()
        return runner.counts["bad_failures"] == 3

    wait_until(tried_again, "the job is tried again")
    assert ran == [NOW]


def test_a_job_that_hangs_is_left_behind_and_not_begun_twice(tmp_path: Path) -> None:
    let_go, begun, ran = threading.Event(), list[int](), list[int]()

    def hang(now_ms: int) -> None:
        begun.append(now_ms)
        let_go.wait()

    runner = runner_of(tmp_path, ("stuck", hang), ("good", ran.append), timeout_s=0.05)
    runner.turn()
    assert runner.counts == {"stuck_runs": 1, "stuck_timeouts": 1, "good_runs": 1}
    runner.turn()
    assert (begun, runner.busy) == ([NOW], True)
    let_go.set()
    wait_until(lambda: not runner.busy, "the job ends")

    def begun_again() -> bool:
        runner.turn()
        return len(begun) == 2

    wait_until(begun_again, "the job is begun again once it has ended")


def test_stop_ends_the_wait_for_a_job_that_is_at_work(tmp_path: Path) -> None:
    let_go, begun = threading.Event(), threading.Event()

    def hang(_: int) -> None:
        begun.set()
        let_go.wait()

    runner = runner_of(tmp_path, ("stuck", hang))
    thread = threading.Thread(target=runner.run)
    thread.start()
    assert begun.wait(30)
    runner.stop()
    thread.join(30)
    assert not thread.is_alive()
    assert runner.busy
    let_go.set()


def test_what_runs_often_is_not_written_down(tmp_path: Path) -> None:
    JobRunner([Job("often", 5_000, lambda _: None)], JobMemory(tmp_path), Clock()).turn()
    assert list(tmp_path.iterdir()) == []
