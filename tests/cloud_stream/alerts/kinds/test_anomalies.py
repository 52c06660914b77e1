"""Counts of anomalies, and single events."""

from collections.abc import Sequence
from typing import Any

import pytest

from cloud_stream.records import Point
from tests.cloud_stream.alerts.facts import (
    GRACE_MS,
    HOUR_MS,
    MINUTE_MS,
    anomaly,
    at,
    judge,
    messages,
    paged,
    restarted,
    states,
    tracks,
)

T_MS = at("2026-11-21 12:00")
THREE = {"kind": "anomalies", "at_least": 3, "within": "1h"}


def _minutes(*minutes: int) -> list[Point]:
    return [anomaly(T_MS + minute * MINUTE_MS) for minute in minutes]


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        ([0, 10, 20], [(20, "firing"), (60, "resolved")]),
        ([0, 30, 59], [(59, "firing"), (60, "resolved")]),
        ([0, 30, 60], []),
        ([0, 10, 20, 50], [(20, "firing"), (70, "resolved")]),
        ([0, 1, 2, 100, 101, 102], [(2, "firing"), (60, "resolved"), (102, "firing"), (160, "resolved")]),
        ([0, 0, 0], []),
    ],
    ids=["three", "just within", "not within", "goes on", "twice", "one event three times"],
)
def test_so_many_in_so_long(minutes: list[int], expected: list[tuple[int, str]]) -> None:
    who = judge(THREE)
    said = [*who.judge(_minutes(*minutes), T_MS + 10 * HOUR_MS), *who.due(T_MS + 10 * HOUR_MS)]
    assert [((t_ms - T_MS) // MINUTE_MS, state) for t_ms, state in states(said)] == expected


def test_it_fires_with_the_last_event_and_ends_by_the_clock() -> None:
    who = judge(THREE)
    said = who.judge(_minutes(0, 10, 20), T_MS + 20 * MINUTE_MS + 1000)
    assert paged(said) == ["firing"]
    assert messages(said) == ["meter m1 of h1: 3 anomalies within 1h (why)"]
    assert who.due(T_MS + HOUR_MS + GRACE_MS - 1) == []
    assert paged(who.due(T_MS + HOUR_MS + GRACE_MS)) == ["resolved"]


@pytest.mark.parametrize(
    ("rule", "points", "fires"),
    [
        ({}, [anomaly(T_MS)], True),
        ({"min_score": 0.9}, [anomaly(T_MS, score=0.8)], False),
        ({"min_score": 0.9}, [anomaly(T_MS, score=0.9)], True),
        ({"kinds": ["counter_jump"]}, [anomaly(T_MS)], False),
        ({"kinds": ["counter_jump"]}, [anomaly(T_MS, kind="counter_jump")], True),
        ({"detectors": ["rule-stuck"]}, [anomaly(T_MS)], False),
        ({"detectors": ["rule-stuck"]}, [anomaly(T_MS, detector="rule-stuck")], True),
        ({"meters": ["m2"]}, [anomaly(T_MS)], False),
        ({"at_least": 2}, [anomaly(T_MS), anomaly(T_MS, meter="m2")], False),
        ({"at_least": 2, "level": "site"}, [anomaly(T_MS), anomaly(T_MS, meter="m2")], True),
        ({"at_least": 2, "level": "site", "meters": ["m2", "m3"]}, [anomaly(T_MS), anomaly(T_MS, meter="m2")], False),
        ({"at_least": 2}, [anomaly(T_MS), anomaly(T_MS, detector="rule-stuck")], True),
    ],
)
def test_what_counts(rule: dict[str, Any], points: Sequence[Point], fires: bool) -> None:  # noqa: FBT001
    assert bool(judge({"kind": "anomalies"} | rule).judge(points, T_MS + 1000)) is fires


def test_an_override_may_ask_for_more() -> None:
    strict = {"override": [{"meters": ["m1"], "min_score": 0.9, "severity": "critical"}]}
    who = judge({"kind": "anomalies", "min_score": 0.5} | strict)
    said = who.judge([anomaly(T_MS, score=0.8), anomaly(T_MS, meter="m2", score=0.8)], T_MS + 1000)
    assert [one.tags["meter"] for one in said if isinstance(one, Point)] == ["m2"]


def test_an_override_may_ask_for_less() -> None:
    who = judge({"kind": "anomalies", "min_score": 0.9, "override": [{"meters": ["m1"], "min_score": 0.1}]})
    said = who.judge([anomaly(T_MS, score=0.8), anomaly(T_MS, meter="m2", score=0.8)], T_MS + 1000)
    assert [one.tags["meter"] for one in said if isinstance(one, Point)] == ["m1"]


RESET = {"kind": "event", "events": ["counter_rollback", "counter_jump"]}


def test_an_event_is_an_alert_that_ends_by_itself() -> None:
    who = judge(RESET)
    said = who.judge([anomaly(T_MS, kind="counter_rollback"), anomaly(T_MS + 1)], T_MS + 1000)
    assert (states(said), messages(said)) == (
        [(T_MS, "firing")],
        ["meter m1 of h1: counter_rollback or counter_jump (why)"],
    )
    assert states(who.due(T_MS + 2 * HOUR_MS)) == [(T_MS + HOUR_MS, "resolved")]


def test_another_event_may_end_it() -> None:
    silent = {"kind": "event", "events": ["meter_silent"], "ends": ["meter_back"]}
    who = judge(silent)
    assert states(who.judge([anomaly(T_MS, kind="meter_silent")], T_MS + 1000)) == [(T_MS, "firing")]
    assert who.due(T_MS + 20 * HOUR_MS) == []
    back_ms = T_MS + 20 * HOUR_MS
    said = who.judge([anomaly(back_ms, kind="meter_back", score=0)], back_ms + 1000)
    assert (states(said), messages(said)) == ([(back_ms, "resolved")], ["meter m1 of h1: no more meter_silent"])
    assert states(who.judge([anomaly(back_ms + 5, kind="meter_silent")], back_ms + 1000)) == [(back_ms + 5, "firing")]


def test_a_repeated_event_is_not_told_again_after_a_restart() -> None:
    who = judge(RESET)
    who.judge([anomaly(T_MS, kind="counter_jump")], T_MS + 1000)
    who = restarted(who, RESET)
    assert who.judge([anomaly(T_MS, kind="counter_jump")], T_MS + 2000) == []


def test_events_are_bounded() -> None:
    who = judge(THREE)
    who.judge([anomaly(T_MS + number) for number in range(5000)], T_MS + HOUR_MS)
    ((_, _, watcher, _),) = tracks(who)
    assert len(watcher[1]) <= 3 + 64


def test_an_event_from_the_future_hides_no_other() -> None:
    who = judge(THREE)
    wrong = anomaly(T_MS + 20 * HOUR_MS)
    said = who.judge([wrong, *_minutes(0, 1, 2)], T_MS + 3 * MINUTE_MS)
    assert states(said) == [(T_MS + 2 * MINUTE_MS, "firing")]


def test_a_backlog_of_events_pages_nobody() -> None:
    said = judge(THREE).judge(_minutes(0, 1, 2), T_MS + 5 * HOUR_MS)
    assert (states(said)[0], paged(said)) == ((T_MS + 2 * MINUTE_MS, "firing"), [])
