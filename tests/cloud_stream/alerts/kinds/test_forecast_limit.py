"""An alert before it happens."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from cloud_stream.records import Point, PointColumns
from tests.cloud_stream.alerts.facts import HALF_HOUR_MS, HOUR_MS, at, forecast, judge, messages, restarted, states

NOON_MS = at("2026-11-21 12:00")
RULE = {"kind": "forecast", "level": "site", "above": 4.0}


def _issue(issued_ms: int, peak: float, ahead_h: float = 5.5) -> list[Point]:
    """A forecast of two days at 1 kWh, but for one peak."""
    peak_ms = issued_ms + round(ahead_h * HOUR_MS)
    times = range(issued_ms, issued_ms + 48 * HOUR_MS, HALF_HOUR_MS)
    return [forecast(t_ms, issued_ms, peak if t_ms == peak_ms else 1.0) for t_ms in times]


def test_it_fires_ahead_and_says_when() -> None:
    said = judge(RULE).judge(_issue(NOON_MS, 5.2), NOON_MS + 15_000)
    assert states(said) == [(NOON_MS, "firing")]
    assert messages(said) == ["h1: forecast energy_kwh of Sat 21 Nov 17:30 is 5.2, above 4"]


def test_forecasts_by_the_column_are_judged_as_their_points_are() -> None:
    points = _issue(NOON_MS, 5.2)
    columns = PointColumns(
        "forecast",
        [points[0].tags, {**points[0].tags, "site": "h2"}],
        np.array([point.t_ms for point in points]),
        {
            name: np.array([[float(point.fields[name]) for point in points]] * 2)
            for name in ("energy_kwh", "lower", "upper")
        },
        {"issued_at": [NOON_MS] * 2},
    )
    rule = {**RULE, "sites": ["h1"]}
    assert judge(rule).judge([columns], NOON_MS + 15_000) == judge(rule).judge(points, NOON_MS + 15_000) != []


def test_a_later_forecast_ends_it_once_it_is_whole() -> None:
    who = judge(RULE)
    who.judge(_issue(NOON_MS, 5.2), NOON_MS + 15_000)
    now_ms = NOON_MS + HALF_HOUR_MS + 15_000
    assert who.judge(_issue(NOON_MS + HALF_HOUR_MS, 3.0), now_ms) == []
    assert states(who.due(now_ms + 2000)) == [(NOON_MS + HALF_HOUR_MS, "resolved")]


def test_a_forecast_that_comes_in_pieces_does_not_flicker() -> None:
    who = judge(RULE)
    who.judge(_issue(NOON_MS, 5.2), NOON_MS + 15_000)
    who.due(NOON_MS + 20_000)
    said = []
    for number, point in enumerate(_issue(NOON_MS + HALF_HOUR_MS, 5.3)):
        now_ms = NOON_MS + HALF_HOUR_MS + 15_000 + 100 * number
        said += [*who.judge([point], now_ms), *who.due(now_ms)]
    assert said == []


@pytest.mark.parametrize(
    ("rule", "peak", "ahead_h", "fires"),
    [
        ({}, 4.0, 5.5, False),
        ({}, 4.1, 5.5, True),
        ({"within": "6h"}, 9.0, 5.5, True),
        ({"within": "6h"}, 9.0, 6.0, False),
        ({"band": "upper"}, 3.1, 5.5, True),
        ({"band": "lower"}, 4.9, 5.5, False),
        ({"level": "meter"}, 9.0, 5.5, False),
    ],
    ids=["at the limit", "above", "within the horizon", "beyond it", "upper end", "lower end", "another level"],
)
def test_what_is_compared(rule: dict[str, Any], peak: float, ahead_h: float, fires: bool) -> None:  # noqa: FBT001
    assert bool(judge(RULE | rule).judge(_issue(NOON_MS, peak, ahead_h), NOON_MS + 15_000)) is fires


def test_an_older_forecast_says_nothing() -> None:
    who = judge(RULE)
    who.judge(_issue(NOON_MS, 1.0), NOON_MS + 15_000)
    assert who.judge(_issue(NOON_MS - HALF_HOUR_MS, 9.0), NOON_MS + 16_000) == []


def test_a_forecast_that_nothing_follows_is_forgotten_after_its_time() -> None:
    who = judge(RULE)
    who.judge(_issue(NOON_MS, 5.2), NOON_MS + 15_000)
    assert who.due(NOON_MS + 7 * HOUR_MS) == []
    assert states(who.due(NOON_MS + 8 * HOUR_MS)) == [(NOON_MS + round(5.5 * HOUR_MS), "resolved")]


@pytest.mark.parametrize("cut", [1, 7, 96])
def test_a_restart_in_the_middle_changes_nothing(cut: int) -> None:
    issues: Sequence[Point] = [*_issue(NOON_MS, 5.2), *_issue(NOON_MS + HALF_HOUR_MS, 1.0)]
    straight, who = judge(RULE), judge(RULE)
    said: list[Any] = []
    for first in range(0, len(issues), cut):
        batch = issues[first : first + cut]
        now_ms = int(batch[-1].fields["issued_at"]) + 15_000
        told = who.judge(batch, now_ms)
        assert told == straight.judge(batch, now_ms)
        said += told
        who = restarted(who, RULE)
    assert [state for _, state in states([*said, *who.due(NOON_MS + HOUR_MS)])] == ["firing", "resolved"]
