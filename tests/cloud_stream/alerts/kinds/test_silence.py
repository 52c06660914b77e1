"""Meters of which nothing comes any more."""

from typing import Any

import pytest

from tests.cloud_stream.alerts.facts import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    Decisions,
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

T_MS = at("2026-11-21 12:00")
WINDOW_MS = 5 * MINUTE_MS
RULE: dict[str, Any] = {"kind": "silent", "after": "15m"}


def _rows(meter: str, first: int, last: int) -> list[Any]:
    return [usage(T_MS + number * WINDOW_MS, meter=meter, window="5m", power_w_mean=1) for number in range(first, last)]


def _both(*rows: list[Any]) -> list[Any]:
    return sorted((point for part in rows for point in part), key=lambda point: point.t_ms)


def test_silence_begins_where_the_last_window_ends() -> None:
    who = judge(RULE)
    said = play(who, _both(_rows("m1", 0, 6), _rows("m2", 0, 12)))
    last_ms = T_MS + 5 * WINDOW_MS
    assert states(said) == [(last_ms, "firing")]
    assert messages(said) == ["meter m1 of h1: no data since Sat 21 Nov 12:30"]
    (notice,) = notices(said)
    # The row of 12:45 is the first that is 15 minutes after.
    assert last_ms + 20 * MINUTE_MS <= notice.decided_ms <= last_ms + 26 * MINUTE_MS


def test_who_comes_back_is_told() -> None:
    said = play(judge(RULE), _both(_rows("m1", 0, 6), _rows("m1", 20, 21), _rows("m2", 0, 22)))
    assert [state for _, state in states(said)] == ["firing", "resolved"]
    assert messages(said)[1] == "meter m1 of h1: data again, until Sat 21 Nov 13:45"
    assert paged(said) == ["firing", "resolved"]


def test_a_whole_shard_that_falls_silent_is_seen_by_the_clock() -> None:
    who = judge(RULE)
    play(who, _rows("m1", 0, 6))
    last_ms = T_MS + 5 * WINDOW_MS
    assert who.due(last_ms + 20 * MINUTE_MS - 1) == []
    assert paged(who.due(last_ms + 20 * MINUTE_MS)) == ["firing"]


def test_a_thousand_meters_are_a_thousand_notices_of_one_group() -> None:
    who = judge(RULE)
    play(who, _both(*(_rows(f"m{number}", 0, 5) for number in range(3))))
    now_ms = T_MS + 4 * WINDOW_MS + 60_000
    who.judge(
        [usage(T_MS + 4 * WINDOW_MS, meter=f"n{number}", window="5m", power_w_mean=1) for number in range(1000)], now_ms
    )
    said = who.due(T_MS + 4 * WINDOW_MS + 20 * MINUTE_MS)
    assert {notice.group for notice in notices(said)} == {"rule"}
    assert len({notice.key for notice in notices(said)}) == 1003 == len(alerts(said))


class TestAfterTheCloudWasAway:
    def _before(self) -> Any:  # noqa: ANN401 - a judge
        who = judge(RULE)
        play(who, _both(_rows("m1", 0, 6), _rows("m2", 0, 6)))
        return restarted(who, RULE)

    def test_nobody_is_silent_at_once(self) -> None:
        assert self._before().due(T_MS + 5 * HOUR_MS) == []

    def test_the_backlog_tells_who_was_and_is_silent(self) -> None:
        who = self._before()
        said: Decisions = []
        for number, point in enumerate(_rows("m2", 6, 66)):
            said = [*said, *who.judge([point], T_MS + 5 * HOUR_MS + number * 1000)]
            said = [*said, *who.due(T_MS + 5 * HOUR_MS + number * 1000)]
        said = [*said, *who.due(T_MS + 5 * HOUR_MS + 70_000)]
        assert {point.tags["meter"] for point in alerts(said)} == {"m1"}
        assert [state for _, state in states(said)] == ["firing"]

    def test_who_stays_away_is_silent_in_the_end(self) -> None:
        who = self._before()
        said = [*who.due(T_MS + 5 * HOUR_MS), *who.due(T_MS + 5 * HOUR_MS + 11 * MINUTE_MS)]
        assert sorted(point.tags["meter"] for point in alerts(said)) == ["m1", "m2"]
        assert len(notices(said)) == 2


def test_a_backlog_of_its_own_does_not_end_a_silence_that_goes_on() -> None:
    who = judge(RULE)
    play(who, _both(_rows("m1", 0, 2), _rows("m2", 0, 40)))
    now_ms = T_MS + 40 * WINDOW_MS
    assert who.judge(_rows("m1", 2, 10), now_ms) == []
    assert [state for _, state in states(who.judge(_rows("m1", 10, 40), now_ms))] == ["resolved"]


def test_a_meter_that_is_gone_is_not_expected_for_ever() -> None:
    who = judge(RULE | {"forget_after": "2d"})
    play(who, _rows("m1", 0, 2))
    assert paged(who.due(T_MS + HOUR_MS)) == ["firing"]
    said = who.due(T_MS + 3 * DAY_MS)
    assert messages(said) == ["meter m1 of h1: silent for 2d, not expected any more"]
    assert who.due(T_MS + 9 * DAY_MS) == []


def test_a_restart_repeats_nothing_and_forgets_nothing() -> None:
    who = judge(RULE)
    play(who, _rows("m1", 0, 2))
    assert paged(who.due(T_MS + HOUR_MS)) == ["firing"]
    who = restarted(who, RULE)
    assert [*who.due(T_MS + HOUR_MS + 1000), *who.due(T_MS + 3 * HOUR_MS)] == []
    (point,) = _rows("m1", 40, 41)
    said = who.judge([point], T_MS + 40 * WINDOW_MS)
    assert [(notice.state, notice.since_ms) for notice in notices(said)] == [("resolved", T_MS + WINDOW_MS)]


@pytest.mark.parametrize("ahead_ms", [2 * HOUR_MS, 23 * HOUR_MS])
def test_a_clock_that_is_ahead_hides_no_silence(ahead_ms: int) -> None:
    who = judge(RULE)
    play(who, _rows("m1", 0, 2))
    wrong = usage(T_MS + ahead_ms, meter="m1", window="5m", power_w_mean=1)
    who.judge([wrong], T_MS + 2 * WINDOW_MS)
    assert paged(who.due(T_MS + HOUR_MS)) == ["firing"]


def test_quiet_meters_are_looked_at_rarely() -> None:
    """A look at the clock costs nothing while nobody can be silent yet."""
    who = judge(RULE)
    play(who, _rows("m1", 0, 2))
    assert who.settled


def test_a_site_is_silent_when_none_of_its_meters_speaks() -> None:
    who = judge(RULE | {"level": "site"})
    who.judge([usage(T_MS, meter="", window="5m", power_w_mean=1)], T_MS + 1000)
    said = who.due(T_MS + HOUR_MS)
    assert messages(said) == ["h1: no data since Sat 21 Nov 12:05"]
