"""Consumption against what was forecast for it."""

from typing import Any

import pytest

from tests.cloud_stream.alerts.facts import (
    GRACE_MS,
    HALF_HOUR_MS,
    HOUR_MS,
    at,
    forecast,
    judge,
    messages,
    restarted,
    states,
    tracks,
    usage,
)

NOON_MS = at("2026-11-21 12:00")
RULE = {"kind": "deviation", "outside_band": 2.0}


def _expected(t_ms: int, value: float = 10.0, lead: str = "day_ahead") -> Any:  # noqa: ANN401 - a point
    return forecast(t_ms, t_ms - 24 * HOUR_MS, value, lead=lead)


def _closed(t_ms: int) -> int:
    return t_ms + HALF_HOUR_MS + GRACE_MS


@pytest.mark.parametrize(
    ("rule", "actual", "fires"),
    [
        ({}, 12.0, False),
        ({}, 12.1, True),
        ({}, 7.9, True),
        ({"direction": "above"}, 7.9, False),
        ({"direction": "below"}, 12.1, False),
        ({"at_least_kwh": 3.0}, 12.9, False),
        ({"at_least_kwh": 3.0}, 13.1, True),
        ({"outside_band": None, "relative": 0.5}, 14.9, False),
        ({"outside_band": None, "relative": 0.5}, 15.1, True),
        ({"lead": "latest"}, 99.0, False),
    ],
    ids=[
        "twice the half band",
        "beyond it",
        "below it",
        "only above",
        "only below",
        "a difference too small to matter",
        "large enough",
        "half of the forecast",
        "more than half",
        "another lead",
    ],
)
def test_what_is_too_far_away(rule: dict[str, Any], actual: float, fires: bool) -> None:  # noqa: FBT001
    keys = {key: value for key, value in (RULE | rule).items() if value is not None}
    who = judge(keys)
    who.judge([_expected(NOON_MS)], NOON_MS - 24 * HOUR_MS)
    said = who.judge([usage(NOON_MS, meter="", energy_kwh=actual)], _closed(NOON_MS))
    assert states(said) == ([(NOON_MS, "firing")] if fires else [])


def test_an_open_interval_is_not_compared() -> None:
    who = judge(RULE)
    who.judge([_expected(NOON_MS)], NOON_MS - 24 * HOUR_MS)
    assert who.judge([usage(NOON_MS, meter="", energy_kwh=0.1)], NOON_MS + 1000) == []
    assert who.judge([usage(NOON_MS, meter="", energy_kwh=10.0)], NOON_MS + HALF_HOUR_MS) == []
    assert who.due(_closed(NOON_MS)) == []


def test_it_says_what_was_expected_and_when_it_is_near_again() -> None:
    who = judge(RULE)
    times = [NOON_MS + number * HALF_HOUR_MS for number in range(2)]
    who.judge([_expected(t_ms) for t_ms in times], NOON_MS - HOUR_MS)
    said = who.judge(
        [usage(t_ms, meter="", energy_kwh=kwh) for t_ms, kwh in zip(times, (13, 10), strict=True)], at("2026-11-22")
    )
    assert messages(said) == [
        "h1: energy_kwh over 30m is 13, forecast 10 (9 to 11), too far away",
        "h1: energy_kwh over 30m is 10, forecast 10 (9 to 11), near enough again",
    ]


def test_for_asks_for_several_intervals_in_a_row() -> None:
    who = judge(RULE | {"for": "90m"})
    times = [NOON_MS + number * HALF_HOUR_MS for number in range(5)]
    who.judge([_expected(t_ms) for t_ms in times], NOON_MS - HOUR_MS)
    amounts = (13, 13, 10, 13, 13)
    said = who.judge(
        [usage(t_ms, meter="", energy_kwh=kwh) for t_ms, kwh in zip(times, amounts, strict=True)], at("2026-11-22")
    )
    assert states(said) == [(times[0], "pending"), (times[2], "resolved"), (times[3], "pending")]


def test_an_interval_without_forecast_says_nothing() -> None:
    who = judge(RULE)
    assert who.judge([usage(NOON_MS, meter="", energy_kwh=99)], _closed(NOON_MS)) == []


def test_of_the_latest_forecast_only_the_next_interval_is_kept() -> None:
    who = judge(RULE | {"lead": "latest"})
    issue = [forecast(NOON_MS + number * HALF_HOUR_MS, NOON_MS, 10.0) for number in range(96)]
    who.judge(issue, NOON_MS + 15_000)
    ((_, _, watcher, _),) = tracks(who)
    assert len(watcher[1]) == 8


def test_what_is_expected_is_bounded_and_forgotten() -> None:
    who = judge(RULE)
    many = [_expected(NOON_MS + number * HALF_HOUR_MS) for number in range(500)]
    who.judge(many, NOON_MS)
    assert [len(watcher[1]) // 8 for _, _, watcher, _ in tracks(who)] == [100]
    who.judge([usage(NOON_MS + 90 * HALF_HOUR_MS, meter="", energy_kwh=10)], at("2027-01-01"))
    assert [len(watcher[1]) // 8 for _, _, watcher, _ in tracks(who)] == [10]


def test_a_restart_keeps_what_is_expected() -> None:
    who = judge(RULE)
    who.judge([_expected(NOON_MS)], NOON_MS - HOUR_MS)
    who.judge([usage(NOON_MS, meter="", energy_kwh=13)], NOON_MS + 1000)
    assert states(restarted(who, RULE).due(_closed(NOON_MS))) == [(NOON_MS, "firing")]
