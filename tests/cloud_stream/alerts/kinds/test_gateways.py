"""Gateways that are offline, and gateways whose clock is off."""

from typing import Any

import pytest

from tests.cloud_stream.alerts.facts import (
    HOUR_MS,
    MINUTE_MS,
    at,
    gateway,
    judge,
    messages,
    notices,
    paged,
    restarted,
    states,
)

T_MS = at("2026-11-21 12:00")
OFFLINE: dict[str, Any] = {"kind": "gateway_offline"}


def _will(t_ms: int, session: int = 1) -> Any:  # noqa: ANN401 - a point
    return gateway(t_ms, "offline", session=session, reason="will")


def test_the_will_is_an_alert_and_the_next_birth_its_end() -> None:
    who = judge(OFFLINE)
    assert who.judge([gateway(T_MS - HOUR_MS)], T_MS - HOUR_MS) == []
    said = who.judge([_will(T_MS)], T_MS + 500)
    assert (states(said), paged(said)) == ([(T_MS, "firing")], ["firing"])
    assert messages(said) == ["gateway g of h1: offline since Sat 21 Nov 12:00, found dead by the broker"]
    said = who.judge([gateway(T_MS + 90_000, session=2)], T_MS + 90_500)
    assert (states(said), messages(said)) == ([(T_MS + 90_000, "resolved")], ["gateway g of h1: online again"])


def test_the_alert_is_about_the_gateway() -> None:
    (notice,) = notices(judge(OFFLINE).judge([_will(T_MS)], T_MS + 500))
    assert (notice.level, notice.site, notice.meter, notice.title) == ("gateway", "h1", "g", "rule: gateway g of h1")
    assert notice.key == f"rule/warning/gateway/h1/g/{T_MS}/firing"


class TestFor:
    RULE = OFFLINE | {"for": "5m"}

    def test_it_is_pending_until_then(self) -> None:
        who = judge(self.RULE)
        said = who.judge([_will(T_MS)], T_MS + 500)
        assert (states(said), paged(said)) == ([(T_MS, "pending")], [])
        assert who.due(T_MS + 5 * MINUTE_MS - 1) == []
        said = who.due(T_MS + 5 * MINUTE_MS)
        assert (states(said), paged(said)) == ([(T_MS, "firing")], ["firing"])

    def test_who_comes_back_in_time_was_only_pending(self) -> None:
        who = judge(self.RULE)
        who.judge([_will(T_MS)], T_MS + 500)
        said = who.judge([gateway(T_MS + MINUTE_MS, session=2)], T_MS + MINUTE_MS)
        assert (states(said), paged(said)) == ([(T_MS + MINUTE_MS, "resolved")], [])
        assert messages(said) == ["gateway g of h1: online again (over before it fired)"]
        assert who.due(T_MS + HOUR_MS) == []

    def test_a_restart_while_pending_changes_nothing(self) -> None:
        who = judge(self.RULE)
        who.judge([_will(T_MS)], T_MS + 500)
        assert paged(restarted(who, self.RULE).due(T_MS + HOUR_MS)) == ["firing"]

    def test_a_backlog_pages_nobody(self) -> None:
        who = judge(self.RULE)
        now_ms = T_MS + 5 * HOUR_MS
        said = [*who.judge([_will(T_MS)], now_ms), *who.due(now_ms + 1000)]
        said += who.judge([gateway(T_MS + 2 * HOUR_MS, session=2)], now_ms + 2000)
        assert [state for _, state in states(said)] == ["pending", "firing", "resolved"]
        assert paged(said) == []

    def test_who_is_offline_after_a_backlog_is_told(self) -> None:
        who = judge(self.RULE)
        now_ms = T_MS + 5 * HOUR_MS
        who.judge([_will(T_MS)], now_ms)
        (notice,) = notices(who.due(now_ms + 31_000))
        assert (notice.state, notice.since_ms) == ("firing", T_MS)


def test_the_death_of_an_earlier_session_is_no_news() -> None:
    who = judge(OFFLINE)
    said = who.judge([gateway(T_MS, session=8), _will(T_MS + 10, session=7)], T_MS + 500)
    assert said == []


def test_a_death_that_is_told_twice_counts_once() -> None:
    who = judge(OFFLINE)
    who.judge([_will(T_MS)], T_MS + 500)
    assert who.judge([_will(T_MS + HOUR_MS)], T_MS + HOUR_MS) == []


def test_a_gateways_own_wrong_clock_does_not_hide_its_return() -> None:
    who = judge(OFFLINE)
    who.judge([_will(T_MS)], T_MS + 500)
    late = gateway(T_MS + 60_000 - HOUR_MS, session=2, offset_s=-3600.0)
    assert [state for _, state in states(who.judge([late], T_MS + 60_000))] == ["resolved"]


def test_order_of_arrival_counts_not_the_gateways_clock() -> None:
    ahead = gateway(T_MS + HOUR_MS, session=1, offset_s=3600.0)
    said = judge(OFFLINE).judge([ahead, _will(T_MS + 1000)], T_MS + 1500)
    assert [state for _, state in states(said)] == ["firing"]


@pytest.mark.parametrize(
    ("rule", "reason", "name", "fires"),
    [
        ({}, "shutdown", "g", True),
        ({"reason": "will"}, "shutdown", "g", False),
        ({"reason": "will"}, "will", "g", True),
        ({"gateways": ["g"]}, "will", "h", False),
        ({"sites": ["h2"]}, "will", "g", False),
        ({"override": [{"gateways": ["g"], "enabled": False}]}, "will", "g", False),
    ],
)
def test_who_is_meant(rule: dict[str, Any], reason: str, name: str, fires: bool) -> None:  # noqa: FBT001
    point = gateway(T_MS, "offline", reason=reason, name=name)
    assert bool(judge(OFFLINE | rule).judge([point], T_MS + 500)) is fires


DRIFT = {"kind": "clock_drift", "above": "30s"}


def _births(offsets: list[float], first_ms: int = T_MS, every_ms: int = MINUTE_MS) -> list[Any]:
    """Each arrives a minute after the other and says a time that is off by so many seconds."""
    return [
        gateway(first_ms + number * every_ms + round(offset * 1000), offset_s=offset)
        for number, offset in enumerate(offsets)
    ]


def _drift(points: list[Any]) -> list[str]:
    who, said = judge(DRIFT), []
    for number, point in enumerate(points):
        said += states(who.judge([point], T_MS + number * MINUTE_MS))
    return [state for _, state in said]


@pytest.mark.parametrize(
    ("offsets", "expected"),
    [
        ([0.1] * 10, []),
        ([29.0] * 10, []),
        ([40.0] * 5, ["pending"]),
        ([40.0] * 6, ["pending", "firing"]),
        ([-40.0] * 6, ["pending", "firing"]),
        ([40.0] * 6 + [0.0] * 3, ["pending", "firing", "resolved"]),
        ([0.0, 0.0, -90.0, 0.0, 0.0, -90.0, 0.0], []),
        ([7200.0] * 6, ["pending", "firing"]),
    ],
    ids=["right", "nearly", "not long enough", "ahead", "behind", "set right", "some messages were late", "by hours"],
)
def test_a_clock_is_off_when_its_best_message_is(offsets: list[float], expected: list[str]) -> None:
    assert _drift(_births(offsets)) == expected


def test_messages_that_waited_at_the_broker_are_no_drift() -> None:
    """An hour of births comes at once: their arrival is the same, their times are up to an hour old."""
    waited = [gateway(T_MS - number * MINUTE_MS, offset_s=-60.0 * number) for number in range(60, -1, -1)]
    said = judge(DRIFT).judge(waited, T_MS)
    assert [state for _, state in states(said)] in ([], ["pending", "resolved"], ["resolved"])
    assert paged(said) == []


def test_drift_is_told_with_its_size_and_side() -> None:
    who, said = judge(DRIFT), []
    for number, point in enumerate(_births([-45.5] * 6)):
        said += who.judge([point], T_MS + number * MINUTE_MS)
    (notice,) = notices(said)
    assert notice.text == "gateway g of h1: its clock is 45.5 s behind, more than 30 s"


def test_a_clock_that_was_never_set_is_seen() -> None:
    """The time of 1970 is replaced by the arrival; the offset is what it was."""
    points = [gateway(T_MS + number * MINUTE_MS, offset_s=-1.8e9) for number in range(6)]
    assert _drift(points) == ["pending", "firing"]
