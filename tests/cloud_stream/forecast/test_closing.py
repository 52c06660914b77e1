"""Which usage rows become closed usage, and when."""

import pickle
from math import isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_stream.forecast.closing import GRACE_MS, NEWS_EVERY_MS, REVISE_EVERY_MS, ClosingStep
from cloud_stream.records import ClosedUsage, Point
from tests.cloud_stream.forecast.rows import HALF_HOUR_MS, MINUTE_MS, meter_row, told, usage

CLOSED_MS = HALF_HOUR_MS + GRACE_MS


def new_step(max_rows: int = 1000) -> ClosingStep:
    return ClosingStep(HALF_HOUR_MS, "30m", max_rows=max_rows)


def test_a_window_closes_a_grace_after_its_end_with_its_newest_word() -> None:
    step = new_step()
    step.on_batch([(meter_row(0, 0.1),), (meter_row(0, 0.2),)], MINUTE_MS)
    step.on_batch([(meter_row(0, 0.3),)], CLOSED_MS - 2)
    assert step.on_timer(CLOSED_MS - 1) == []
    assert told(step.on_timer(CLOSED_MS)) == {("meter", "home", "main", 0): 0.3}
    assert step.settled
    assert step.on_timer(CLOSED_MS + 1) == []


def test_what_comes_for_a_closed_window_goes_with_the_next_one() -> None:
    step = new_step()
    step.on_batch([(meter_row(0, 0.1),)], MINUTE_MS)
    step.on_timer(CLOSED_MS)
    step.on_batch([(meter_row(0, 0.2), meter_row(HALF_HOUR_MS, 0.5))], CLOSED_MS + 1)
    assert step.on_timer(CLOSED_MS + 1000) == []
    both = told(step.on_timer(CLOSED_MS + HALF_HOUR_MS))
    assert both == {("meter", "home", "main", 0): 0.2, ("meter", "home", "main", HALF_HOUR_MS): 0.5}
    assert step.counts["revised_rows"] == 1


def test_a_revision_never_waits_longer_than_its_time_and_open_windows_stay() -> None:
    step = new_step()
    step.on_batch([(meter_row(0, 0.1),)], MINUTE_MS)
    step.on_timer(CLOSED_MS)
    step.on_batch([(meter_row(0, 0.2), meter_row(HALF_HOUR_MS, 0.5))], CLOSED_MS + 1)
    assert told(step.on_timer(CLOSED_MS + REVISE_EVERY_MS)) == {("meter", "home", "main", 0): 0.2}
    assert not step.settled


def test_the_end_of_a_backlog_does_not_wait_like_a_revision() -> None:
    step, late_ms = new_step(), 4 * HALF_HOUR_MS + MINUTE_MS
    step.on_batch([(meter_row(0, 0.1),)], late_ms)
    assert told(step.on_timer(late_ms)) == {("meter", "home", "main", 0): 0.1}
    step.on_batch([(meter_row(0, 0.2), meter_row(HALF_HOUR_MS, 0.5))], late_ms + 1)
    assert step.on_timer(late_ms + NEWS_EVERY_MS - 1) == []
    both = told(step.on_timer(late_ms + NEWS_EVERY_MS))
    assert both == {("meter", "home", "main", 0): 0.2, ("meter", "home", "main", HALF_HOUR_MS): 0.5}
    step.on_batch([(meter_row(0, 0.3),)], late_ms + NEWS_EVERY_MS + 1)
    assert step.on_timer(late_ms + 3 * NEWS_EVERY_MS) == []


def test_after_the_clock_was_set_back_windows_close_by_the_new_clock() -> None:
    step, ahead_ms = new_step(), 48 * HALF_HOUR_MS
    step.on_timer(ahead_ms)
    step.on_batch([(meter_row(0, 0.1),)], MINUTE_MS)
    assert step.on_timer(MINUTE_MS + REVISE_EVERY_MS) == [], "the window is open"
    assert told(step.on_timer(CLOSED_MS)) == {("meter", "home", "main", 0): 0.1}
    step.on_batch([(meter_row(0, 0.2),)], CLOSED_MS + 1)
    assert told(step.on_timer(CLOSED_MS + REVISE_EVERY_MS)) == {("meter", "home", "main", 0): 0.2}


def test_a_clock_that_was_set_back_a_little_closes_no_window_twice() -> None:
    step = new_step()
    step.on_batch([(meter_row(0, 0.1),)], MINUTE_MS)
    step.on_timer(CLOSED_MS)
    step.on_batch([(meter_row(0, 0.2),)], CLOSED_MS - 5000)
    assert step.on_timer(CLOSED_MS - 4000) == []
    assert step.on_timer(CLOSED_MS + 1000) == []
    assert told(step.on_timer(CLOSED_MS + REVISE_EVERY_MS)) == {("meter", "home", "main", 0): 0.2}
    assert step.counts["revised_rows"] == 1


@pytest.mark.parametrize(
    "other",
    [
        usage("meter", "home", "main", 0, window="5m", energy_kwh=1.0),
        usage("shard", "shard-03", "", 0, energy_kwh=1.0),
        usage("meter", "home", "main", 0, power_w_mean=1.0),
        usage("meter", "home", "main", 0, temperature_c_mean=9.0),
        Point("anomaly", {"site": "home", "gateway": "gw", "meter": "main"}, 0, {"score": 1.0}),
        Point("alert", {"window": "30m", "level": "meter"}, 0, {"energy_kwh": 1.0}),
        Point("usage", {"window": "30m", "level": "meter"}, 0, {"energy_kwh": "much"}),
    ],
)
def test_other_rows_are_passed_over(other: Point) -> None:
    step = new_step()
    step.on_batch([(other,)], MINUTE_MS)
    assert step.settled
    assert step.on_timer(CLOSED_MS) == []


@pytest.mark.parametrize(
    ("site_kwh", "members"),
    [(0.75, 2.0), (0.5, nan)],
    ids=["both meters add up", "a meter is a sub-meter: how many count is not known"],
)
def test_a_site_tells_its_own_temperature_and_its_members_where_they_add_up(site_kwh: float, members: float) -> None:
    step = new_step()
    site = usage("site", "home", "", 0, energy_kwh=site_kwh, temperature_c_mean=7.5)
    step.on_batch([(meter_row(0, 0.5), meter_row(0, 0.25, "second"), site)], MINUTE_MS)
    (closed,) = step.on_timer(CLOSED_MS)
    assert list(closed.level) == ["meter", "meter", "site"]
    assert closed.temperature_c[2] == 7.5
    assert all(isnan(closed.temperature_c[row]) for row in (0, 1))
    assert closed.members.tolist() == pytest.approx([1.0, 1.0, members], nan_ok=True)


def test_with_too_many_rows_closed_ones_go_at_once_and_open_ones_are_refused() -> None:
    step = new_step(max_rows=3)
    late = [meter_row(start * HALF_HOUR_MS, 1.0) for start in range(3)]
    now_ms = 10 * HALF_HOUR_MS
    assert len(told(step.on_batch([tuple(late)], now_ms))) == 3
    ahead = [meter_row((10 + start) * HALF_HOUR_MS, 1.0) for start in range(5)]
    assert step.on_batch([tuple(ahead)], now_ms) == []
    assert step.counts["refused_rows"] == 2
    step.on_batch([(meter_row(10 * HALF_HOUR_MS, 2.0),)], now_ms)
    assert step.counts["refused_rows"] == 2, "a row that is held is replaced"


def run(step: ClosingStep, words: list[tuple[int, int, float]], restart_at: int) -> list[ClosedUsage]:
    """Words are (minute, start in half hours, energy); the clock ticks every minute."""
    told_all: list[ClosedUsage] = []
    for minute in range(200):
        now_ms = minute * MINUTE_MS
        spoken = tuple(meter_row(start * HALF_HOUR_MS, kwh) for when, start, kwh in words if when == minute)
        told_all += step.on_batch([spoken], now_ms)
        if minute == restart_at:
            state = pickle.loads(pickle.dumps(step.snapshot(now_ms)))  # noqa: S301 (our own bytes)
            step = new_step()
            step.restore(state)
        told_all += step.on_timer(now_ms)
    return told_all


@given(st.lists(st.tuples(st.integers(0, 199), st.integers(0, 4), st.floats(0, 10)), max_size=20), st.integers(0, 199))
def test_a_restart_changes_nothing(words: list[tuple[int, int, float]], restart_at: int) -> None:
    kept, restarted = run(new_step(), words, -1), run(new_step(), words, restart_at)
    assert [told([one]) for one in kept] == [told([one]) for one in restarted]


def test_the_state_of_other_intervals_is_left_behind() -> None:
    step = new_step()
    step.on_batch([(meter_row(0, 0.1),)], MINUTE_MS)
    other = ClosingStep(2 * HALF_HOUR_MS, "1h")
    other.restore(step.snapshot(MINUTE_MS))
    assert other.settled
