"""One job, and when it is due."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do every so often.

    Attributes:
        name: For the log and for the file that remembers it: `[a-z0-9-]+`.
        period_ms: Time between two runs.
        run: Does it, given the wall clock's time in ms UTC; raises when it is to be tried again. What it did
            before must not have to be undone.
        timeout_s: After this it counts as failed and nothing waits for it any more.
        anchor_ms: With a time of the day (ms after midnight UTC): due once in each period that begins then, however
            long ago the last run was. None: due one period after the last run.
    """

    name: str
    period_ms: int
    run: Callable[[int], None]
    timeout_s: float = 600.0
    anchor_ms: int | None = None


def is_due(job: Job, last_ms: int | None, now_ms: int) -> bool:
    """Whether a job shall run now.

    Several missed runs are made up by one. A last run in the future, which a set clock leaves behind, counts as none.

    Args:
        job: The job.
        last_ms: When its last successful run began; None when there was none.
        now_ms: The wall clock.
    """
    if last_ms is None or last_ms > now_ms:
        return True
    if job.anchor_ms is None:
        return now_ms - last_ms >= job.period_ms
    return (now_ms - job.anchor_ms) // job.period_ms > (last_ms - job.anchor_ms) // job.period_ms
