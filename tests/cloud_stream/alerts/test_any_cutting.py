"""Facts in the order of time end in the same records, however they are cut into batches, with restarts between."""

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cloud_stream.alerts.judge import AlertJudge
from cloud_stream.records import Point
from tests.cloud_stream.alerts.facts import (
    HALF_HOUR_MS,
    HOUR_MS,
    Decisions,
    alerts,
    anomaly,
    at,
    forecast,
    judge,
    notices,
    restarted,
    usage,
)

START_MS = at("2026-11-20 22:00")
"""Two hours before the end of a day, so that short series see its end."""
RULES: list[dict[str, Any]] = [
    {"name": "limit", "quantity": "energy_kwh", "window": "30m", "above": 3, "clear": 2},
    {"name": "for", "quantity": "energy_kwh", "window": "30m", "above": 2, "for": "90m", "keep_firing_for": "1h"},
    {"name": "average", "quantity": "energy_kwh", "window": "30m", "above": 2, "last_n": 3, "for": "1h"},
    {"name": "budget", "kind": "consumption", "above": 10},
    {"name": "deviation", "kind": "deviation", "level": "meter", "relative": 0.5, "for": "1h"},
    {"name": "many", "kind": "anomalies", "at_least": 2, "within": "2h"},
    {"name": "event", "kind": "event", "events": ["counter_jump"], "ends": ["meter_back"]},
    {"name": "ahead", "kind": "forecast", "level": "site", "above": 3, "within": "2h"},
]
LONG_AFTER_MS = START_MS + 30 * 24 * HOUR_MS
Record = tuple[str, int, str]


def _facts_of(number: int, kwh: int, expected: int, kind: str, ahead: int) -> list[Point]:
    t_ms = START_MS + number * HALF_HOUR_MS
    facts = [
        forecast(t_ms, t_ms - 24 * HOUR_MS, expected, meter="m1", lead="day_ahead"),
        usage(t_ms, energy_kwh=kwh),
        forecast(t_ms + HOUR_MS, t_ms, ahead),
    ]
    return [*facts, anomaly(t_ms + 1, kind=kind)] if kind else facts


_kinds = st.sampled_from(["", "", "anomaly", "counter_jump", "meter_back"])
_steps = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 3), _kinds, st.integers(0, 5)), min_size=1, max_size=30)


def _records(said: Decisions) -> Mapping[Record, Mapping[str, object]]:
    """What a store of upserts keeps, without what depends on when it was decided."""
    kept: dict[Record, dict[str, object]] = {}
    for point in alerts(said):
        fields = {name: value for name, value in point.fields.items() if name != "told"}
        kept.setdefault((point.tags["rule"], point.t_ms, point.tags["meter"]), {}).update(fields)
    return {key: fields for key, fields in kept.items() if fields}


def _end(who: AlertJudge) -> Decisions:
    """All that the clock alone decides, each second look later than the one before."""
    return [one for number in range(4) for one in who.due(LONG_AFTER_MS + number * 10_000)]


@given(_steps, st.data())
def test_any_cutting_ends_in_the_same_records(steps: Sequence[tuple[int, int, str, int]], data: st.DataObject) -> None:
    facts = [_facts_of(number, *step) for number, step in enumerate(steps)]
    one_by_one, cut = judge(*RULES), judge(*RULES)
    expected: list[Any] = []
    for number, some in enumerate(facts):
        now_ms = START_MS + number * HALF_HOUR_MS + 15_000
        expected += [*one_by_one.judge(some, now_ms), *one_by_one.due(now_ms + 5000)]
    said: list[Any] = []
    done = 0
    while done < len(facts):
        size = data.draw(st.integers(1, 8))
        batch = facts[done : done + size]
        done += size
        now_ms = START_MS + (done - 1) * HALF_HOUR_MS + data.draw(st.integers(15_000, 20 * 60_000))
        said += cut.judge([point for some in batch for point in some], now_ms)
        if data.draw(st.booleans()):
            cut = restarted(cut, *RULES)
    expected += _end(one_by_one)
    said += _end(cut)
    assert _records(said) == _records(expected)


@given(_steps)
def test_a_replay_after_a_crash_gives_the_same_keys(steps: Sequence[tuple[int, int, str, int]]) -> None:
    facts = [point for number, step in enumerate(steps) for point in _facts_of(number, *step)]
    keys = []
    for delay_ms in (15_000, 40_000):
        who = judge(*RULES, max_age_ms=10**12)
        said = [one for point in facts for one in who.judge([point], point.t_ms + delay_ms)]
        keys.append({notice.key for notice in notices([*said, *_end(who)])})
    assert keys[0] == keys[1]
