"""When a job is due."""

import pytest

from cloud_stream.jobs.job import Job, is_due

HOUR = 3_600_000
DAY = 24 * HOUR


@pytest.mark.parametrize(
    ("anchor_ms", "last_ms", "now_ms", "due"),
    [
        pytest.param(None, None, 0, True, id="it never ran"),
        pytest.param(None, 0, HOUR - 1, False, id="its period is not over"),
        pytest.param(None, 0, HOUR, True, id="its period is over"),
        pytest.param(None, HOUR, 0, True, id="the clock was set back behind its last run"),
        pytest.param(4 * HOUR, None, 0, True, id="a daily one never ran"),
        pytest.param(4 * HOUR, DAY + 3 * HOUR, DAY + 4 * HOUR - 1, False, id="a daily one ran at night"),
        pytest.param(4 * HOUR, DAY + 3 * HOUR, DAY + 4 * HOUR, True, id="at four the next day begins"),
        pytest.param(4 * HOUR, DAY + 4 * HOUR, DAY + 28 * HOUR - 1, False, id="once a day"),
        pytest.param(4 * HOUR, DAY + 20 * HOUR, DAY + 28 * HOUR, True, id="made up in the evening, again at four"),
        pytest.param(4 * HOUR, DAY, 9 * DAY, True, id="missed for a week"),
    ],
)
def test_a_job_is_due(anchor_ms: int | None, last_ms: int | None, now_ms: int, *, due: bool) -> None:
    period_ms = HOUR if anchor_ms is None else DAY
    assert is_due(Job("x", period_ms, lambda _: None, anchor_ms=anchor_ms), last_ms, now_ms) is due
