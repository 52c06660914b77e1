"""Runs jobs one after the other, each in a thread that can be left behind.

A job that hangs cannot be stopped from outside, only waited for no longer: its thread stays, and the job is not
begun anew before that has ended. Everything a job writes survives a kill, so the process may end at any time.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from cloud_stream.jobs.job import Job, is_due
from cloud_stream.jobs.memory import JobMemory
from wattline.backoff import Backoff
from wattline.errors import WattlineError

_log: Final = logging.getLogger("cloud_stream.jobs")
FIRST_RETRY_S: Final = 30.0
LONGEST_RETRY_S: Final = 3600.0
LOOK_S: Final = 2.0
"""How often a job may become due, about."""
RARE_MS: Final = 300_000
"""Jobs that run more often are neither logged each time nor remembered through a restart."""


class _Plan:
    """One job with what is known of its runs."""

    def __init__(self, job: Job, first_retry_s: float) -> None:
        self.job = job
        self.backoff = Backoff(first_retry_s, min(LONGEST_RETRY_S, max(first_retry_s, job.period_ms / 1000)))
        self.not_before_s = 0.0
        self.thread: threading.Thread | None = None

    @property
    def hangs(self) -> bool:
        """Whether a run that nothing waits for any more has still not ended."""
        return self.thread is not None and self.thread.is_alive()


class JobRunner:
    """Runs what is due until told to stop.

    Args:
        jobs: In the order in which they run when several are due.
        memory: Of their last runs.
        now_ms: The wall clock, ms UTC.
        first_retry_s: After a failure; doubles up to an hour or the job's period.

    Attributes:
        counts: `<job>_runs`, `<job>_failures`, `<job>_timeouts`.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        memory: JobMemory,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        first_retry_s: float = FIRST_RETRY_S,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._plans = [_Plan(job, first_retry_s) for job in jobs]
        self._memory = memory
        self._now_ms = now_ms
        self._stopping = False
        self._woken = threading.Event()

    @property
    def names(self) -> list[str]:
        """The jobs' names."""
        return [plan.job.name for plan in self._plans]

    @property
    def busy(self) -> bool:
        """Whether a job's thread is still at work."""
        return any(plan.hangs for plan in self._plans)

    def stop(self) -> None:
        """Have `run` return at once, also in the middle of a job; from any thread."""
        self._stopping = True
        self._woken.set()

    def run(self) -> None:
        """Run jobs as they become due, until `stop`."""
        while not self._stopping:
            self.turn()
            if not self._stopping:
                self._woken.wait(self._rest_s())
            self._woken.clear()

    def turn(self) -> None:
        """Run every job that is due now, once."""
        for plan in self._plans:
            if not self._stopping and not plan.hangs and time.monotonic() >= plan.not_before_s:
                now_ms = self._now_ms()
                if is_due(plan.job, self._memory.last_ms(plan.job.name), now_ms):
                    self._run(plan, now_ms)

    def _rest_s(self) -> float:
        """Until a failed job may be tried again, or until it is worth to look at the clock again."""
        now_s = time.monotonic()
        retries_s = [plan.not_before_s - now_s for plan in self._plans if plan.not_before_s > now_s]
        return min([LOOK_S, *retries_s])

    def _run(self, plan: _Plan, now_ms: int) -> None:
        name, began_s = plan.job.name, time.monotonic()
        outcome: list[str] = []
        plan.thread = threading.Thread(
            target=self._do, args=(plan.job, now_ms, outcome), name=f"job-{name}", daemon=True
        )
        plan.thread.start()
        while not outcome and not self._stopping and time.monotonic() - began_s < plan.job.timeout_s:
            self._woken.wait(plan.job.timeout_s - (time.monotonic() - began_s))
            self._woken.clear()
        if outcome:
            plan.thread.join()
        elif self._stopping:
            return
        self.counts[f"{name}_runs"] += 1
        took_s = time.monotonic() - began_s
        if outcome and not outcome[0]:
            plan.backoff.reset()
            self._note_success(plan.job, now_ms, took_s)
        else:
            self._note_failure(plan, outcome[0] if outcome else "", took_s)

    def _note_success(self, job: Job, began_ms: int, took_s: float) -> None:
        if job.period_ms >= RARE_MS:
            self._memory.remember(job.name, began_ms)
            _log.info("job_done name=%s took_s=%.1f", job.name, took_s)
        else:
            self._memory.hold(job.name, began_ms)

    def _note_failure(self, plan: _Plan, problem: str, took_s: float) -> None:
        retry_s = plan.backoff.next_s()
        plan.not_before_s = time.monotonic() + retry_s
        self.counts[f"{plan.job.name}_{'failures' if problem else 'timeouts'}"] += 1
        event = "job_failed" if problem else "job_timed_out"
        _log.warning(
            "%s name=%s took_s=%.1f in_a_row=%d retry_s=%.0f problem=%r",
            event, plan.job.name, took_s, plan.backoff.attempts, retry_s, problem,
        )  # fmt: skip

    def _do(self, job: Job, now_ms: int, outcome: list[str]) -> None:
        """In the job's own thread; says how it ended by one text, "" for well."""
        try:
            job.run(now_ms)
            outcome.append("")
        except WattlineError as error:
            outcome.append(str(error) or type(error).__name__)
        except BaseException as error:  # noqa: BLE001 - one job's defect must not stop the others
            _log.exception("job_defect name=%s", job.name)
            outcome.append(f"{type(error).__name__}: {error}")
        finally:
            self._woken.set()
