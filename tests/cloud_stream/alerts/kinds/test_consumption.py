"""The sum of a local day or month."""

import random
from typing import Any

import pytest

from tests.cloud_stream.alerts.facts import (
    DAY_MS,
    GRACE_MS,
    HALF_HOUR_MS,
    HOUR_MS,
    alerts,
    at,
    judge,
    messages,
    notices,
    paged,
    play,
    restarted,
    states,
    usage,
)

BUDGET = {"kind": "consumption", "above": 10.0}
MIDNIGHT_MS = at("2026-11-21")


def _day(start_ms: int, kwh: float, hours: float = 24) -> list[Any]:
    return [usage(t_ms, energy_kwh=kwh) for t_ms in range(start_ms, start_ms + round(hours * HOUR_MS), HALF_HOUR_MS)]


def test_it_fires_in_the_window_in_which_the_sum_passes_and_ends_with_the_day() -> None:
    said = play(judge(BUDGET), _day(MIDNIGHT_MS, 0.5, 25))
    # 20 half hours are 10.0 kWh, which is not above 10.
    assert states(said) == [(MIDNIGHT_MS + 20 * HALF_HOUR_MS, "firing"), (MIDNIGHT_MS + DAY_MS, "resolved")]
    assert messages(said) == [
        "meter m1 of h1: energy_kwh since Sat 21 Nov 00:00 is 10.5, above 10 a day",
        "meter m1 of h1: energy_kwh of the day from Sat 21 Nov 00:00 was 24, limit 10",
    ]
    assert paged(said) == ["firing", "resolved"]


def test_it_ends_with_the_day_when_nothing_more_comes() -> None:
    who = judge(BUDGET)
    who.judge([usage(MIDNIGHT_MS, energy_kwh=11)], MIDNIGHT_MS + 1)
    assert who.due(MIDNIGHT_MS + DAY_MS + GRACE_MS - 1) == []
    assert states(who.due(MIDNIGHT_MS + DAY_MS + GRACE_MS)) == [(MIDNIGHT_MS + DAY_MS, "resolved")]


def test_an_open_window_counts_as_it_grows() -> None:
    who = judge(BUDGET)
    assert who.judge([usage(MIDNIGHT_MS, energy_kwh=6)], MIDNIGHT_MS + 1000) == []
    open_ms = MIDNIGHT_MS + HALF_HOUR_MS
    assert who.judge([usage(open_ms, energy_kwh=3.9)], open_ms + 1000) == []
    assert states(who.judge([usage(open_ms, energy_kwh=4.1)], open_ms + 2000)) == [(open_ms, "firing")]
    assert who.judge([usage(open_ms, energy_kwh=4.2)], open_ms + 3000) == []


def test_a_correction_takes_the_alert_back() -> None:
    who = judge(BUDGET)
    who.judge([usage(MIDNIGHT_MS, energy_kwh=11)], MIDNIGHT_MS + 1000)
    said = who.judge([usage(MIDNIGHT_MS, energy_kwh=9)], MIDNIGHT_MS + 2000)
    assert (states(said), paged(said)) == ([(MIDNIGHT_MS, "resolved")], ["resolved"])


@pytest.mark.parametrize(
    ("per", "zone", "first", "last", "hours"),
    [
        ("day", "UTC", "2026-11-21 00:00", "2026-11-22 00:00", 24),
        ("day", "Europe/Berlin", "2026-03-28 23:00", "2026-03-29 22:00", 23),
        ("day", "Europe/Berlin", "2026-10-24 22:00", "2026-10-25 23:00", 25),
        ("month", "Europe/London", "2026-09-30 23:00", "2026-11-01 00:00", 31 * 24 + 1),
        ("month", "UTC", "2026-02-01 00:00", "2026-03-01 00:00", 28 * 24),
    ],
)
def test_days_and_months_are_the_sites_own(per: str, zone: str, first: str, last: str, hours: int) -> None:
    who = judge({"kind": "consumption", "above": 0, "per": per}, zone_of=lambda _: zone)
    start_ms, end_ms = at(first), at(last)
    said = [*who.judge([usage(start_ms, energy_kwh=1)], start_ms + 1), *who.due(end_ms + GRACE_MS)]
    assert states(said) == [(start_ms, "firing"), (end_ms, "resolved")]
    assert end_ms - start_ms == hours * HOUR_MS


def test_a_month_of_half_hours_adds_up_although_few_are_remembered() -> None:
    start_ms, windows = at("2026-10-01"), 31 * 48
    who = judge({"kind": "consumption", "above": 0.5 * windows - 0.3, "per": "month"})
    said = play(who, _day(start_ms, 0.5, 31 * 24))
    assert states(said) == [(start_ms + (windows - 1) * HALF_HOUR_MS, "firing")]


def test_a_window_counts_once_however_often_it_comes() -> None:
    who, day = judge(BUDGET), _day(MIDNIGHT_MS, 0.2)
    for _ in range(3):
        assert who.judge(day, MIDNIGHT_MS + DAY_MS) == []


def test_a_window_that_is_in_the_sum_for_good_is_not_counted_again() -> None:
    who = judge({"kind": "consumption", "above": 30, "per": "month"})
    three_days = _day(at("2026-11-01"), 0.2, 72)
    for _ in range(3):
        assert who.judge(three_days, at("2026-11-05")) == []


@pytest.mark.parametrize("restart", [False, True])
def test_a_clock_that_is_ahead_does_not_end_the_day(restart: bool) -> None:  # noqa: FBT001
    who, evening_ms = judge(BUDGET), MIDNIGHT_MS + 20 * HOUR_MS
    for first in (usage(MIDNIGHT_MS + DAY_MS + HALF_HOUR_MS, energy_kwh=6), usage(evening_ms, energy_kwh=9)):
        assert who.judge([first], evening_ms + 1000) == []
    who = restarted(who, BUDGET) if restart else who
    said = [*who.judge([usage(evening_ms + HALF_HOUR_MS, energy_kwh=2)], evening_ms + HOUR_MS)]
    said += who.due(MIDNIGHT_MS + DAY_MS + GRACE_MS)
    next_ms = MIDNIGHT_MS + DAY_MS
    assert states(said) == [(evening_ms + HALF_HOUR_MS, "firing"), (next_ms, "resolved")]
    # What came early counts on its own day.
    said = who.judge([usage(next_ms + HOUR_MS, energy_kwh=5)], next_ms + HOUR_MS)
    assert states(said) == [(next_ms + HOUR_MS, "firing")]


def test_windows_out_of_order_end_in_the_same_alert() -> None:
    day = _day(MIDNIGHT_MS, 0.5)
    shuffled = random.Random(1).sample(day, len(day))
    now_ms = MIDNIGHT_MS + DAY_MS
    assert states(judge(BUDGET).judge(shuffled, now_ms)) == states(judge(BUDGET).judge(day, now_ms))


def test_a_day_that_is_over_is_history() -> None:
    who = judge(BUDGET)
    who.judge([usage(MIDNIGHT_MS, energy_kwh=1)], MIDNIGHT_MS + 1)
    assert who.judge([usage(MIDNIGHT_MS - HALF_HOUR_MS, energy_kwh=99)], MIDNIGHT_MS + 2) == []


def test_a_restart_in_the_middle_changes_nothing() -> None:
    day = _day(MIDNIGHT_MS, 0.5, 25)
    straight, who = judge(BUDGET), judge(BUDGET)
    for point in day:
        now_ms = point.t_ms + 1000
        assert who.judge([point], now_ms) == straight.judge([point], now_ms)
        who = restarted(who, BUDGET)


@pytest.mark.parametrize("places", [[0, 1, 2], [0, 1, 1, 1], [0, 1, 0, 2, 1], [0, *range(1, 60), 59, 30]])
def test_what_is_remembered_is_all_there_is_to_go_on_from(places: list[int]) -> None:
    start_ms, who = at("2026-02-01 00:00"), judge({**BUDGET, "per": "month"})
    for number, place in enumerate(places):
        row = usage(start_ms + place * HALF_HOUR_MS, energy_kwh=0.1 * number)
        who.judge([row], row.t_ms + 1000)
        assert restarted(who, {**BUDGET, "per": "month"}).state() == who.state()
    fresh = judge({**BUDGET, "per": "month"})
    for number, place in enumerate(places):  # never looked at in between
        fresh.judge(
            [usage(start_ms + place * HALF_HOUR_MS, energy_kwh=0.1 * number)], start_ms + place * HALF_HOUR_MS + 1000
        )
    assert fresh.state() == who.state()


def test_a_gateways_backlog_pages_only_when_the_day_is_not_over() -> None:
    who = judge(BUDGET, max_age_ms=HOUR_MS)
    two_days = [*_day(MIDNIGHT_MS - DAY_MS, 0.5), *_day(MIDNIGHT_MS, 0.5, 12)]
    said = who.judge(two_days, MIDNIGHT_MS + 12 * HOUR_MS)
    assert [state for _, state in states(said)] == ["firing", "resolved", "firing"]
    # The second beginning is old as well, but it goes on: that is told in the end, and the record says so.
    assert [alert.fields["told"] for alert in alerts(said)] == [False, False, False, True]
    assert [notice.since_ms for notice in notices(said)] == [MIDNIGHT_MS + 20 * HALF_HOUR_MS]
