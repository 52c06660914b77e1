"""When a rule fires and when it resolves."""

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_stream.alerts.judge import AlertJudge
from cloud_stream.alerts.kinds.threshold import ThresholdRule
from cloud_stream.alerts.rule import Rule
from cloud_stream.records import Notice, Point
from tests.cloud_stream.alerts.facts import tracks
from wattline.config import convert

WINDOW_MS = 300_000
GRACE_MS = 10_000
T0_MS = 1_800_000_000_000
LONG_AFTER_MS = T0_MS + 100 * 86_400_000
Told = tuple[int, str]


def _rule(**keys: Any) -> Rule:  # noqa: ANN401 - whatever a TOML file may hold
    return convert({"name": "limit", "quantity": "power_w", **keys}, ThresholdRule)


def _usage(number: int, *, level: str = "meter", site: str = "h1", meter: str = "m1", **fields: float) -> Point:
    """The window with that number, counted from T0."""
    tags = {"level": level, "site": site, "meter": meter, "window": "5m"}
    return Point("usage", tags, T0_MS + number * WINDOW_MS, fields)


def _series(values: Sequence[float], field: str = "power_w_mean") -> list[Point]:
    columns: list[dict[str, Any]] = [{field: value} for value in values]
    return [_usage(number, **column) for number, column in enumerate(columns)]


def _told(decisions: Sequence[Point | Notice]) -> list[Told]:
    return [((point.t_ms - T0_MS) // WINDOW_MS, str(point.fields["state"])) for point in _alerts(decisions)]


def _alerts(decisions: Sequence[Point | Notice]) -> list[Point]:
    return [one for one in decisions if isinstance(one, Point)]


def _judged(judge: AlertJudge, points: Sequence[Point], now_ms: int) -> list[Point]:
    return _alerts(judge.judge(points, now_ms))


def _for_good(decisions: Sequence[Point | Notice]) -> list[Point]:
    """What is stored, without what depends on when it was decided: whether people were still told."""
    plain = (
        replace(point, fields={name: value for name, value in point.fields.items() if name != "told"})
        for point in _alerts(decisions)
    )
    return [point for point in plain if point.fields]


def _closed_at(number: int) -> int:
    """The first instant at which the window with that number is closed."""
    return T0_MS + (number + 1) * WINDOW_MS + GRACE_MS


@pytest.mark.parametrize(
    ("rule", "values", "expected"),
    [
        ({"above": 100}, [99, 100, 101, 150], [(2, "firing")]),
        ({"above": 100}, [101, 96, 95], [(0, "firing"), (2, "resolved")]),
        ({"above": 100, "clear": 50}, [101, 60, 50], [(0, "firing"), (2, "resolved")]),
        ({"above": 100, "clear": 50}, [101, 60, 120, 60, 120, 40], [(0, "firing"), (5, "resolved")]),
        ({"above": 100, "clear": 100}, [101, 100], [(0, "firing"), (1, "resolved")]),
        ({"below": 100}, [101, 99, 105, 106], [(1, "firing"), (2, "resolved")]),
        ({"below": 100, "clear": 120}, [99, 119, 120], [(0, "firing"), (2, "resolved")]),
        ({"above": 0}, [1, 0], [(0, "firing"), (1, "resolved")]),
        ({"above": 100}, [50, 60, 70], []),
        ({"above": 100, "last_n": 3}, [150, 150, 90, 90, 90], [(2, "firing"), (4, "resolved")]),
        ({"above": 100, "last_n": 3}, [500, 500], []),
    ],
    ids=[
        "fires beyond the limit, not at it",
        "resolves five percent inside",
        "resolves at clear",
        "between clear and limit nothing changes",
        "without hysteresis",
        "below",
        "below with clear",
        "a limit of nothing",
        "all is well",
        "the average of the last three",
        "fewer than three are not judged",
    ],
)
def test_closed_windows_are_judged_in_order(
    rule: Mapping[str, object], values: Sequence[float], expected: list[Told]
) -> None:
    judge = AlertJudge([_rule(**rule)])
    assert _told(judge.judge(_series(values), LONG_AFTER_MS)) == expected


@pytest.mark.parametrize("rule", [{}, {"statistic": "peak"}])
def test_the_order_within_a_batch_does_not_matter(rule: Mapping[str, object]) -> None:
    points = [_usage(number, power_w_mean=value, power_w_max=value) for number, value in enumerate([50, 150, 50, 150])]
    for now_ms in (LONG_AFTER_MS, T0_MS):
        judge = AlertJudge([_rule(above=100, **rule)])
        told = judge.judge(reversed(points), now_ms) + judge.due(LONG_AFTER_MS)
        assert _told(told) == [(1, "firing"), (2, "resolved"), (3, "firing")]


def test_an_alert_says_who_what_and_how_much() -> None:
    judge = AlertJudge([_rule(above=5000, severity="critical")])
    (alert,) = _judged(judge, [_usage(3, power_w_mean=5210.4)], LONG_AFTER_MS)
    tags = {"rule": "limit", "severity": "critical", "level": "meter", "site": "h1", "meter": "m1"}
    message = "meter m1 of h1: mean power_w over 5m is 5210.4, above 5000"
    fields: dict[str, str | float] = {
        "state": "firing",
        "value": 5210.4,
        "limit": 5000.0,
        "message": message,
        "since_ms": T0_MS + 3 * WINDOW_MS,
        "told": False,
    }
    assert alert == Point("alert", tags, T0_MS + 3 * WINDOW_MS, fields)


@pytest.mark.parametrize(
    ("rule", "point", "expected"),
    [
        ({"level": "site", "above": 1}, {"level": "site", "meter": ""}, "h1: mean power_w over 5m is 2, above 1"),
        (
            {"level": "fleet", "below": 3, "last_n": 1},
            {"level": "fleet", "site": "", "meter": ""},
            "the fleet: mean power_w over 5m is 2, below 3",
        ),
    ],
)
def test_messages_name_the_level(rule: Mapping[str, object], point: Mapping[str, str], expected: str) -> None:
    (alert,) = _judged(AlertJudge([_rule(**rule)]), [_usage(0, power_w_mean=2, **point)], LONG_AFTER_MS)  # type: ignore[arg-type]
    assert alert.fields["message"] == expected


def test_a_resolving_average_names_its_windows() -> None:
    *_, last = _judged(AlertJudge([_rule(above=100, last_n=2)]), _series([200, 200, 0, 0]), LONG_AFTER_MS)
    assert last.fields["message"] == "meter m1 of h1: mean power_w over 2 x 5m is 0, no longer above 100"


@pytest.mark.parametrize(
    ("rule", "fields", "fires"),
    [
        ({"statistic": "mean"}, {"power_w_mean": 101}, True),
        ({"statistic": "mean"}, {"power_w_max": 101, "power_w_mean": 99}, False),
        ({"statistic": "peak"}, {"power_w_max": 101, "power_w_mean": 99}, True),
        ({"statistic": "last"}, {"power_w_last": 101}, True),
        ({"quantity": "energy_kwh"}, {"energy_kwh": 101}, True),
        ({"quantity": "energy_kwh"}, {"power_w_mean": 101}, False),
    ],
)
def test_a_rule_judges_its_own_field(rule: Mapping[str, object], fields: Mapping[str, float], fires: bool) -> None:  # noqa: FBT001
    told = AlertJudge([_rule(above=100, **rule)]).judge([_usage(0, **fields)], LONG_AFTER_MS)  # type: ignore[arg-type]
    assert bool(told) is fires


@pytest.mark.parametrize(
    ("rule", "subject", "fires"),
    [
        ({}, {"level": "meter"}, True),
        ({}, {"level": "site", "meter": ""}, False),
        ({}, {"level": "shard", "site": "shard-07", "meter": ""}, False),
        ({"level": "site"}, {"level": "site", "meter": ""}, True),
        ({"level": "site"}, {"level": "meter"}, False),
        ({"level": "fleet"}, {"level": "fleet", "site": "", "meter": ""}, True),
        ({"sites": ["h1"]}, {"site": "h1"}, True),
        ({"sites": ["h1"]}, {"site": "h2"}, False),
        ({"meters": ["m1"]}, {"site": "h2"}, True),
        ({"sites": ["h1"], "meters": ["m1"]}, {"meter": "m2"}, False),
        ({"window": "30m"}, {}, False),
    ],
)
def test_a_rule_judges_only_whom_it_is_about(
    rule: Mapping[str, object],
    subject: Mapping[str, str],
    fires: bool,  # noqa: FBT001
) -> None:
    told = AlertJudge([_rule(above=1, **rule)]).judge([_usage(0, power_w_mean=2, **subject)], LONG_AFTER_MS)  # type: ignore[arg-type]
    assert bool(told) is fires


def test_a_point_without_readable_window_is_ignored() -> None:
    point = Point("usage", {"level": "meter", "site": "h1", "meter": "m1", "window": "?"}, T0_MS, {"power_w_mean": 9})
    assert AlertJudge([_rule(above=1)]).judge([point], LONG_AFTER_MS) == []


def test_subjects_and_rules_are_judged_apart() -> None:
    rules = [_rule(above=100), _rule(name="second", above=200)]
    points = [_usage(0, power_w_mean=150), _usage(0, meter="m2", power_w_mean=250), _usage(1, power_w_mean=250)]
    told = _judged(AlertJudge(rules), points, LONG_AFTER_MS)
    assert [
        (point.tags["rule"], point.tags["meter"], number) for point, (number, _) in zip(told, _told(told), strict=True)
    ] == [
        ("limit", "m1", 0),
        ("limit", "m2", 0),
        ("second", "m2", 0),
        ("second", "m1", 1),
    ]


class TestOpenWindows:
    def test_a_mean_waits_for_the_end_and_the_grace(self) -> None:
        judge = AlertJudge([_rule(above=100)], grace_ms=GRACE_MS)
        assert judge.judge([_usage(0, power_w_mean=500)], T0_MS + 1) == []
        assert judge.due(_closed_at(0) - 1) == []
        assert _told(judge.due(_closed_at(0))) == [(0, "firing")]
        assert judge.due(LONG_AFTER_MS) == []

    def test_only_the_newest_value_of_an_open_window_counts(self) -> None:
        judge = AlertJudge([_rule(above=100)])
        assert judge.judge([_usage(0, power_w_mean=500)], T0_MS + 1) == []
        assert judge.judge([_usage(0, power_w_mean=50)], T0_MS + 2) == []
        assert judge.due(LONG_AFTER_MS) == []

    def test_a_peak_above_fires_at_once_and_once(self) -> None:
        judge = AlertJudge([_rule(above=100, statistic="peak")])
        assert judge.judge([_usage(0, power_w_max=99)], T0_MS + 1) == []
        assert _told(judge.judge([_usage(0, power_w_max=101)], T0_MS + 2)) == [(0, "firing")]
        assert judge.judge([_usage(0, power_w_max=300)], T0_MS + 3) == []
        assert judge.due(_closed_at(0)) == []

    def test_a_peak_resolves_only_when_its_window_closes(self) -> None:
        judge = AlertJudge([_rule(above=100, statistic="peak")])
        assert _told(judge.judge([_usage(0, power_w_max=101)], T0_MS)) == [(0, "firing")]
        assert judge.judge([_usage(1, power_w_max=5)], T0_MS + WINDOW_MS + 1) == []
        assert _told(judge.due(_closed_at(1))) == [(1, "resolved")]

    def test_a_peak_in_the_next_window_fires_while_the_last_one_is_still_in_grace(self) -> None:
        judge = AlertJudge([_rule(above=100, statistic="peak")])
        points = [_usage(0, power_w_max=5), _usage(1, power_w_max=101)]
        assert _told(judge.judge(points, T0_MS + WINDOW_MS + 1)) == [(1, "firing")]
        assert judge.due(_closed_at(0)) == []
        assert judge.due(_closed_at(1)) == []

    def test_a_peak_after_a_quiet_window_fires_anew(self) -> None:
        judge = AlertJudge([_rule(above=100, statistic="peak")])
        assert _told(judge.judge([_usage(0, power_w_max=101)], _closed_at(0))) == [(0, "firing")]
        points = [_usage(1, power_w_max=5), _usage(2, power_w_max=101)]
        assert judge.judge(points, T0_MS + 2 * WINDOW_MS + 1) == []
        assert _told(judge.due(_closed_at(1))) == [(1, "resolved"), (2, "firing")]
        assert judge.due(_closed_at(2)) == []

    def test_a_peak_below_waits(self) -> None:
        judge = AlertJudge([_rule(below=100, statistic="peak")])
        assert judge.judge([_usage(0, power_w_max=50)], T0_MS + 1) == []
        assert _told(judge.due(_closed_at(0))) == [(0, "firing")]


class TestRepeatsAndRevisions:
    def test_a_repeated_window_says_nothing(self) -> None:
        judge = AlertJudge([_rule(above=100)])
        points = _series([101, 50, 101])
        assert len(judge.judge(points, LONG_AFTER_MS)) == 3
        assert judge.judge(points, LONG_AFTER_MS) == []

    @pytest.mark.parametrize(
        ("values", "revised", "expected"),
        [
            ([50, 50], 150, [(1, "firing")]),
            ([50, 150], 50, [(1, "resolved")]),
            ([150, 50], 150, [(1, "firing")]),
            ([150, 50], 40, []),
            ([150, 98], 200, []),
            ([150, 98], 90, [(1, "resolved")]),
        ],
    )
    def test_a_revision_that_turns_the_newest_verdict_is_told(
        self, values: Sequence[float], revised: float, expected: list[Told]
    ) -> None:
        judge = AlertJudge([_rule(above=100)])
        judge.judge(_series(values), LONG_AFTER_MS)
        assert _told(judge.judge([_usage(1, power_w_mean=revised)], LONG_AFTER_MS)) == expected

    def test_a_window_older_than_the_newest_is_history(self) -> None:
        judge = AlertJudge([_rule(above=100)])
        judge.judge(_series([50, 50, 50]), LONG_AFTER_MS)
        assert judge.judge([_usage(0, power_w_mean=999)], LONG_AFTER_MS) == []

    def test_an_average_follows_revisions_of_all_its_windows(self) -> None:
        judge = AlertJudge([_rule(above=100, last_n=3)])
        assert judge.judge(_series([90, 90, 90]), LONG_AFTER_MS) == []
        (alert,) = _judged(judge, [_usage(0, power_w_mean=150)], LONG_AFTER_MS)
        assert _told([alert]) == [(2, "firing")]
        assert alert.fields["value"] == 110.0

    def test_an_average_takes_in_a_window_that_came_late(self) -> None:
        judge = AlertJudge([_rule(above=100, last_n=2)])
        assert judge.judge([_usage(0, power_w_mean=50), _usage(2, power_w_mean=110)], LONG_AFTER_MS) == []
        assert _told(judge.judge([_usage(1, power_w_mean=110)], LONG_AFTER_MS)) == [(2, "firing")]

    def test_a_peak_that_a_rebuild_takes_back_is_resolved_at_its_own_window(self) -> None:
        judge = AlertJudge([_rule(above=100, statistic="peak")])
        assert _told(judge.judge([_usage(0, power_w_max=101)], T0_MS)) == [(0, "firing")]
        assert judge.judge([_usage(0, power_w_max=50)], T0_MS + 1) == []
        assert _told(judge.due(_closed_at(0))) == [(0, "resolved")]

    def test_a_clock_set_back_opens_no_judged_window(self) -> None:
        judge = AlertJudge([_rule(above=100)])
        judge.judge(_series([50, 50]), LONG_AFTER_MS)
        assert _told(judge.judge([_usage(1, power_w_mean=150)], T0_MS)) == [(1, "firing")]


class TestBounds:
    def test_who_was_silent_longest_is_forgotten_and_counted(self) -> None:
        judge = AlertJudge([_rule(above=100)], max_windows=20)
        for number in range(100):
            judge.judge([_usage(number, meter=f"m{number}", power_w_mean=50)], LONG_AFTER_MS)
        kept = [meter for _, meter, *_ in tracks(judge)]
        assert judge.evicted == 100 - len(kept)
        assert kept == [f"m{number}" for number in range(100 - len(kept), 100)]
        assert 18 <= len(kept) <= 20

    def test_who_is_firing_is_forgotten_last(self) -> None:
        judge = AlertJudge([_rule(above=100)], max_windows=20)
        judge.judge([_usage(0, meter="hot", power_w_mean=500)], LONG_AFTER_MS)
        for number in range(100):
            judge.judge([_usage(number, meter=f"m{number}", power_w_mean=50)], LONG_AFTER_MS)
        assert judge.evicted > 80
        assert _told(judge.judge([_usage(1, meter="hot", power_w_mean=5)], LONG_AFTER_MS)) == [(1, "resolved")]

    def test_open_windows_count(self) -> None:
        judge = AlertJudge([_rule(above=100)], max_windows=50)
        for number in range(1000):
            judge.judge([_usage(number, meter=f"m{number % 3}", power_w_mean=50)], T0_MS)
        assert sum(len(watcher[0][1]) for _, _, watcher, _ in tracks(judge)) <= 50
        assert judge.evicted > 0

    def test_a_long_backlog_needs_no_more_memory_than_its_last_windows(self) -> None:
        judge = AlertJudge([_rule(above=100, last_n=3)], max_windows=10)
        judge.judge(_series([50] * 4032), LONG_AFTER_MS)
        ((_, _, ((_, held), judged), _),) = tracks(judge)
        assert (len(judged), held, judge.evicted) == (3, (), 0)

    def test_what_was_told_of_old_windows_is_forgotten(self) -> None:
        judge = AlertJudge([_rule(above=100)])
        assert len(judge.judge(_series([50, 150] * 2000), LONG_AFTER_MS)) == 3999
        ((_, _, _, (_, _, told, _)),) = tracks(judge)
        assert len(told) == 1


class TestSnapshots:
    def test_a_restored_judge_goes_on_in_every_place(self) -> None:
        rules = [
            _rule(above=100),
            _rule(name="peak", above=100, statistic="peak"),
            _rule(name="n", above=100, last_n=2),
        ]
        points = [
            _usage(number, power_w_mean=mean, power_w_max=peak)
            for number, (mean, peak) in enumerate([(50, 90), (150, 190), (90, 120), (150, 160), (10, 20), (120, 130)])
        ]
        straight, restarted = AlertJudge(rules), AlertJudge(rules)
        for number, point in enumerate(points):
            now_ms = T0_MS + number * WINDOW_MS + 5000
            told = restarted.judge([point], now_ms)
            assert told == straight.judge([point], now_ms)
            state = pickle.loads(pickle.dumps(restarted.state()))  # noqa: S301 - our own bytes
            restarted = AlertJudge(rules)
            restarted.restore(state)
        assert restarted.due(LONG_AFTER_MS) == straight.due(LONG_AFTER_MS)
        assert restarted.state() == straight.state()

    def test_a_snapshot_is_independent_of_what_comes_after(self) -> None:
        judge = AlertJudge([_rule(above=100)])
        judge.judge([_usage(0, power_w_mean=50)], LONG_AFTER_MS)
        state = judge.state()
        copy = pickle.dumps(state)
        judge.judge([_usage(1, power_w_mean=150)], LONG_AFTER_MS)
        assert pickle.dumps(state) == copy

    def test_a_moved_limit_keeps_what_fires(self) -> None:
        before, after = AlertJudge([_rule(above=100)]), AlertJudge([_rule(name="new", above=1), _rule(above=90)])
        before.judge([_usage(0, power_w_mean=150)], LONG_AFTER_MS)
        after.restore(before.state())
        told = _judged(after, [_usage(1, power_w_mean=50)], LONG_AFTER_MS)
        assert {(point.tags["rule"], point.fields["state"]) for point in told} == {
            ("limit", "resolved"),
            ("new", "firing"),
        }

    @pytest.mark.parametrize(
        "changed",
        [{"quantity": "energy_kwh"}, {"statistic": "last"}, {"last_n": 2}, {"severity": "info"}, {"name": "b"}],
    )
    def test_a_rule_about_something_else_begins_anew(self, changed: Mapping[str, object]) -> None:
        before, after = AlertJudge([_rule(above=100)]), AlertJudge([_rule(above=100, **changed)])
        before.judge([_usage(0, power_w_mean=150)], LONG_AFTER_MS)
        after.restore(before.state())
        assert tracks(after) == []


class TestPeople:
    def test_a_notice_says_all_that_a_message_needs(self) -> None:
        judge = AlertJudge([_rule(above=100, statistic="peak", severity="critical")])
        now_ms = T0_MS + 1500
        _, notice = judge.judge([_usage(0, power_w_max=101)], now_ms)
        assert notice == Notice(
            key=f"limit/critical/meter/h1/m1/{T0_MS}/firing",
            group="limit",
            state="firing",
            severity="critical",
            happened_ms=now_ms,
            decided_ms=now_ms,
            since_ms=T0_MS,
            level="meter",
            site="h1",
            meter="m1",
            title="limit: meter m1 of h1",
            text="meter m1 of h1: peak power_w over 5m is 101, above 100",
            quantity="power_w_max",
            value=101.0,
            limit=100.0,
            window="5m",
        )

    def test_beginning_and_end_share_their_since(self) -> None:
        judge, keys = AlertJudge([_rule(above=100)]), []
        for number, value in enumerate([150, 150, 50]):
            decisions = judge.judge([_usage(number, power_w_mean=value)], _closed_at(number))
            keys += [one.key for one in decisions if isinstance(one, Notice)]
        assert keys == [f"limit/warning/meter/h1/m1/{T0_MS}/firing", f"limit/warning/meter/h1/m1/{T0_MS}/resolved"]

    def test_a_backlog_pages_nobody_but_for_what_goes_on(self) -> None:
        judge = AlertJudge([_rule(above=100)], max_age_ms=3_600_000)
        values = [150, 50] * 50 + [150] * 30
        decisions = judge.judge(_series(values), _closed_at(len(values) - 1))
        alerts = _alerts(decisions)
        assert [alert.fields.get("state") for alert in alerts] == [*["firing", "resolved"] * 50, "firing", None]
        assert [alert.fields["told"] for alert in alerts] == [False] * 101 + [True]
        assert alerts[-1].t_ms == alerts[-2].t_ms
        (notice,) = [one for one in decisions if isinstance(one, Notice)]
        assert notice.since_ms == T0_MS + 100 * WINDOW_MS

    def test_a_replay_after_a_crash_says_the_same_under_the_same_keys(self) -> None:
        points = _series([50, 150, 150, 50, 150])
        keys = []
        for delay_ms in (0, 7000):
            judge = AlertJudge([_rule(above=100)], max_age_ms=10**12)
            for number, point in enumerate(points):
                keys += [
                    one.key for one in judge.judge([point], _closed_at(number) + delay_ms) if isinstance(one, Notice)
                ]
        assert keys[: len(keys) // 2] == keys[len(keys) // 2 :]
        assert len(set(keys)) == 3


class TestOverrides:
    RULE: Mapping[str, object] = {
        "above": 100,
        "override": [
            {"meters": ["quiet"], "enabled": False},
            {"sites": ["workshop"], "meters": ["saw"], "above": 900, "severity": "critical"},
            {"sites": ["workshop"], "above": 500},
        ],
    }

    @pytest.mark.parametrize(
        ("site", "meter", "value", "severity"),
        [
            ("h1", "m1", 101, "warning"),
            ("h1", "saw", 101, "warning"),
            ("h1", "quiet", 9999, None),
            ("workshop", "m1", 499, None),
            ("workshop", "m1", 501, "warning"),
            ("workshop", "saw", 899, None),
            ("workshop", "saw", 901, "critical"),
        ],
    )
    def test_the_first_that_fits_holds(self, site: str, meter: str, value: float, severity: str | None) -> None:
        told = _judged(
            AlertJudge([_rule(**self.RULE)]), [_usage(0, site=site, meter=meter, power_w_mean=value)], LONG_AFTER_MS
        )
        assert [point.tags["severity"] for point in told] == ([severity] if severity else [])

    def test_who_is_left_out_now_is_no_longer_firing(self) -> None:
        before = AlertJudge([_rule(above=100, override=[{"meters": ["other"], "enabled": False}])])
        before.judge([_usage(0, power_w_mean=150)], LONG_AFTER_MS)
        after = AlertJudge([_rule(above=100, sites=["elsewhere"], override=[{"meters": ["other"], "enabled": False}])])
        after.restore(before.state())
        assert [state for _, state in _told(after.due(LONG_AFTER_MS))] == ["resolved"]

    def test_a_rule_that_is_switched_off_is_not_there(self) -> None:
        assert AlertJudge([_rule(above=1, enabled=False)]).judge([_usage(0, power_w_mean=2)], LONG_AFTER_MS) == []


class TestActive:
    def _told(self, active: Mapping[str, object], values: Sequence[float], zone: str = "UTC") -> list[Told]:
        judge = AlertJudge([_rule(above=100, active=active)], zone_of=lambda _: zone)
        return _told(judge.judge(_series(values), LONG_AFTER_MS))

    def test_outside_its_hours_all_is_well(self) -> None:
        # T0 is 08:00 UTC; windows 0 and 1 end at 08:05 and 08:10.
        assert self._told({"from": "08:05"}, [150, 150]) == [(1, "firing")]
        assert self._told({"to": "08:05"}, [150, 150]) == [(0, "firing"), (1, "resolved")]

    def test_hours_are_the_sites_own(self) -> None:
        assert self._told({"from": "09:00", "to": "10:00"}, [150], zone="Europe/Berlin") == [(0, "firing")]
        assert self._told({"from": "09:00", "to": "10:00", "time_zone": "UTC"}, [150], zone="Europe/Berlin") == []


def test_a_settled_judge_need_not_be_looked_at() -> None:
    judge, settled = AlertJudge([_rule(above=100)]), []
    judge.judge([_usage(0, power_w_mean=50)], T0_MS + 1000)
    for now_ms in (T0_MS + 1000, _closed_at(0) - 20_000, _closed_at(0)):
        judge.due(now_ms)
        settled.append(judge.settled)
    assert settled == [True, False, True]


# ---------------------------------------------------------------- any splitting, any repetition

RULES = [
    _rule(above=100),
    _rule(name="peak", above=100, clear=80, statistic="peak"),
    _rule(name="below", below=60, clear=90, statistic="last"),
    _rule(name="average", above=90, clear=70, last_n=3),
]
_level = st.sampled_from([40.0, 75.0, 85.0, 97.0, 120.0])
_window = st.tuples(st.integers(1, 3), _level, _level, _level)


@st.composite
def _histories(draw: st.DrawFn) -> list[Point]:
    """Windows of two meters in the order of time, with gaps."""
    points = []
    for meter in ("m1", "m2"):
        number = 0
        for gap, mean, peak, last in draw(st.lists(_window, max_size=25)):
            number += gap
            points.append(_usage(number, meter=meter, power_w_mean=mean, power_w_max=peak, power_w_last=last))
    return sorted(points, key=lambda point: point.t_ms)


def _key(point: Point) -> tuple[int, str, str]:
    return point.t_ms, point.tags["rule"], point.tags["meter"]


@given(_histories(), st.data())
def test_any_splitting_and_repetition_tells_the_same(points: list[Point], data: st.DataObject) -> None:
    """The same windows, all at once long after or one by one as they come, end in the same alerts."""
    at_once = AlertJudge(RULES).judge(points, LONG_AFTER_MS)
    judge = AlertJudge(RULES)
    told: list[Point | Notice] = []
    done = 0
    now_ms = T0_MS
    while done < len(points):
        size = data.draw(st.integers(1, 6))
        batch = points[done : done + size]
        repeated = data.draw(st.lists(st.sampled_from(points[: done + size]), max_size=4))
        done += size
        # Between the newest window's start and far behind it: open, in its grace, closed.
        now_ms = max(now_ms, batch[-1].t_ms + data.draw(st.integers(0, 2 * WINDOW_MS)))
        told += judge.judge([*batch, *repeated], now_ms)
        if data.draw(st.booleans()):
            told += judge.due(now_ms)
    told += judge.due(LONG_AFTER_MS)
    assert sorted(_for_good(told), key=_key) == sorted(_for_good(at_once), key=_key)


@given(_histories(), st.data())
def test_growing_windows_end_in_the_same_state(points: list[Point], data: st.DataObject) -> None:
    """What a store of upserts keeps says the same about the newest window, however often each was revised."""
    once, often = AlertJudge(RULES), AlertJudge(RULES)
    kept_once = {_key(point): point for point in _alerts(once.judge(points, LONG_AFTER_MS))}
    kept_often: dict[tuple[int, str, str], Point] = {}
    for point in points:
        shares = data.draw(st.lists(st.floats(0.1, 1.5), max_size=2))
        drafts = [
            Point("usage", point.tags, point.t_ms, {k: v * f for k, v in _numbers(point).items()}) for f in shares
        ]
        for version in [*drafts, point]:
            kept_often |= {_key(alert): alert for alert in _alerts(often.judge([version], LONG_AFTER_MS))}
    assert _last_states(kept_often) == _last_states(kept_once)


def _numbers(point: Point) -> dict[str, float]:
    return {name: float(value) for name, value in point.fields.items()}


def _last_states(kept: Mapping[tuple[int, str, str], Point]) -> dict[tuple[str, str], str]:
    """Who fires in the end: subjects whose last alert is no resolution."""
    states = {key[1:]: str(kept[key].fields["state"]) for key in sorted(kept)}
    return {subject: state for subject, state in states.items() if state == "firing"}
