"""Rules without a model: what they find, once, and what they leave alone."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattline.config import DurationMs
from wattline.features import FeatureState
from wattline.intervals import HOUR_MS, Floats, Intervals, concatenate, from_amounts
from wattline.rule_settings import RuleSettings
from wattline.rules import Broken, Limits, Rule, RuleState, broken_rules, reason

STEP = HOUR_MS
T0 = 1_700_006_400_000 // (24 * HOUR_MS) * 24 * HOUR_MS
WEEKS = 10 * 24
"""Hours of ordinary use before anything happens."""


def ordinary(n: int, seed: int = 3) -> Floats:
    return np.random.default_rng(seed).uniform(0.1, 0.6, n)


def hours(amounts: Floats, missing: Sequence[int] = (), meter: int = 0) -> Intervals:
    """Hourly amounts from `T0` on, without those at the indices `missing`."""
    kept = np.setdiff1d(np.arange(len(amounts)), np.asarray(missing, np.int64))
    return from_amounts(meter, T0 + kept * STEP, amounts[kept], STEP)


def judged(intervals: Intervals, name: str = "energy_kwh", chosen: RuleSettings | None = None) -> list[str]:
    """Every broken rule as "RULE after <hours since `WEEKS`>"."""
    meters = int(intervals.meter.max()) + 1
    broken = broken_rules(intervals, FeatureState(meters).advance(intervals), Limits.of([name] * meters, chosen))
    return told(intervals, broken)


def told(intervals: Intervals, broken: Broken) -> list[str]:
    places = (intervals.start_ms[broken.row] - T0) // STEP - WEEKS
    return [f"{Rule(rule).name} {place}" for rule, place in zip(broken.rule.tolist(), places.tolist(), strict=True)]


def after_weeks(*then: float) -> Floats:
    """Ten ordinary days, what happens then, and an ordinary day."""
    return np.concatenate([ordinary(WEEKS), then, ordinary(24, seed=4)])


@pytest.mark.parametrize(
    ("name", "amounts", "found"),
    [
        ("energy_kwh", after_weeks(), []),
        ("energy_kwh", after_weeks(*[0.25] * 10), ["STUCK 3"]),
        ("energy_kwh", after_weeks(*[0.25] * 3), []),
        ("energy_kwh", after_weeks(*[0.0] * 10), ["ZERO 2"]),
        ("energy_kwh", after_weeks(*[0.0] * 2), []),
        ("energy_kwh", after_weeks(60.0), ["JUMP 0"]),
        ("energy_kwh", after_weeks(60.0, 61.0, 62.0, 61.0), ["JUMP 0"]),
        ("energy_kwh", after_weeks(-60.0), ["JUMP 0"]),
        ("energy_kwh", after_weeks(3.0), []),
        ("gas_kwh", after_weeks(*[0.0] * 24 * 20), []),
        ("gas_kwh", after_weeks(*[0.25] * 10), []),
        ("gas_kwh", after_weeks(*[0.25] * 15), ["STUCK 12"]),
        ("gas_used_m3", after_weeks(-0.1), ["JUMP 0"]),
    ],
    ids=[
        "ordinary",
        "stuck for ten hours",
        "stuck for just under the limit",
        "zero for ten hours",
        "zero for just under the limit",
        "a hundred times too much",
        "too much for hours is one episode",
        "far below zero",
        "a large oven",
        "nobody heats for weeks",
        "an even flow of gas for ten hours",
        "an even flow of gas for fifteen hours",
        "gas that comes back",
    ],
)
def test_an_episode_is_told_once_where_its_limit_is_passed(name: str, amounts: Floats, found: list[str]) -> None:
    assert judged(hours(amounts), name) == found


@pytest.mark.parametrize(
    ("missing", "found"),
    [(range(WEEKS, WEEKS + 1), []), (range(WEEKS, WEEKS + 2), ["DROP_OUT 2"]), (range(0, WEEKS, 4), [])],
    ids=["one hour", "two hours", "every fourth hour is always missing"],
)
def test_a_drop_out_is_told_when_data_come_again(missing: range, found: list[str]) -> None:
    assert judged(hours(after_weeks(), missing)) == found


def test_a_meter_is_measured_by_itself() -> None:
    nights = np.tile(np.r_[ordinary(16), np.full(8, 0.016)], 12)
    assert judged(hours(nights)) == []
    assert judged(hours(np.concatenate([nights, np.full(30, 0.016)]))) != []


def test_faults_now_and_then_do_not_make_the_next_one_look_ordinary() -> None:
    faults = np.concatenate([np.r_[np.full(8, 0.2 + 0.01 * i), ordinary(88, seed=i)] for i in range(8)])
    assert judged(hours(after_weeks(*faults))) == [f"STUCK {96 * i + 3}" for i in range(8)]


def test_a_glitch_now_and_then_does_not_hide_the_next_one() -> None:
    glitches = np.concatenate([np.r_[50.0, ordinary(239, seed=i)] for i in range(4)])
    assert judged(hours(after_weeks(*glitches))) == [f"JUMP {240 * i}" for i in range(4)]
    assert judged(hours(after_weeks(*[50.0, 0.3] * 40))) == ["JUMP 0"]


def test_coming_home_from_a_holiday_is_no_jump() -> None:
    away = np.random.default_rng(5).uniform(0.02, 0.04, 20 * 24)
    assert judged(hours(after_weeks(*away))) == []


def test_a_jump_counts_from_the_hour_in_which_the_week_is_over() -> None:
    week, noon = 7 * 24, 12
    series = hours(np.r_[ordinary(week + 2), 60.0, ordinary(3)])
    assert judged(replace(series, start_ms=series.start_ms + noon * STEP)) == [f"JUMP {week + 2 + noon - WEEKS}"]


def test_a_meter_that_goes_from_days_to_half_hours_had_no_gap() -> None:
    days, day, half_hour = 30, 24 * HOUR_MS, HOUR_MS // 2
    before = from_amounts(0, T0 + day * np.arange(days), 24 * ordinary(days), day)
    after = from_amounts(0, T0 + day * days + half_hour * np.arange(48), ordinary(48) / 2, half_hour)
    late = replace(after, start_ms=after.start_ms + 5 * HOUR_MS)
    assert judged(concatenate([before, after])) == []
    assert judged(concatenate([before, late])) == [f"DROP_OUT {days * 24 + 5 - WEEKS}"]


def test_what_flaps_is_told_again_only_after_a_day_without() -> None:
    flapping = np.tile(np.r_[np.full(6, 0.2), 0.4], 6)
    assert judged(hours(after_weeks(*flapping, *ordinary(30), *[0.3] * 6))) == ["STUCK 3", "STUCK 75"]


def test_a_reader_that_pauses_every_night_is_not_missed() -> None:
    nights = [day * 24 + hour for day in range(20) for hour in range(8)]
    assert judged(hours(ordinary(20 * 24), nights)) == []
    assert judged(hours(ordinary(30 * 24), [*nights, *range(21 * 24, 24 * 24)])) != []


def test_sun_power_is_zero_every_night() -> None:
    assert judged(hours(np.tile(np.r_[np.zeros(15), ordinary(9)], 14))) == []


def test_nothing_is_told_of_a_meter_that_is_hardly_known() -> None:
    assert judged(hours(np.r_[ordinary(20), np.full(20, 0.2), 60.0, ordinary(5)])) == []


def test_the_impossible_needs_no_past() -> None:
    assert judged(hours(np.r_[ordinary(3), 60_000.0, 60_000.0, ordinary(3)])) == [f"JUMP {3 - WEEKS}"]


def test_the_same_value_across_a_gap_is_chance() -> None:
    amounts = after_weeks(0.25, *[0.3] * 10, 0.25)
    assert judged(hours(amounts, range(WEEKS + 1, WEEKS + 11))) == ["DROP_OUT 11"]


def test_other_limits_are_obeyed() -> None:
    strict = RuleSettings(stuck_after=DurationMs(2 * HOUR_MS), jump=3.0)
    assert judged(hours(after_weeks(*[0.25] * 5, 2.0)), chosen=strict) == ["STUCK 2", "JUMP 5"]


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(1, WEEKS + 40), max_size=4))
def test_it_does_not_matter_how_a_series_is_cut(cuts: list[int]) -> None:
    series = hours(after_weeks(*[0.25] * 10, *ordinary(5), *[0.0] * 10, 60.0), range(WEEKS + 30, WEEKS + 33))
    state, rules, limits, found = FeatureState(1), RuleState(), Limits.of(["energy_kwh"]), []
    edges = [0, *sorted(cuts), len(series)]
    for low, high in pairwise(edges):
        part = series.take(np.arange(low, max(low, high)))
        found += told(part, rules.advance(part, state.advance(part), limits))
        rules = RuleState.restore(rules.export())
    assert sorted(found) == sorted(judged(series))
    assert len(found) == 4


def test_meters_are_judged_each_by_its_own_limits() -> None:
    both = concatenate([hours(after_weeks(*[0.25] * 10)), hours(after_weeks(*[0.25] * 10), meter=1)])
    rows = FeatureState(2).advance(both)
    broken = broken_rules(both, rows, Limits.of(["energy_kwh", "gas_kwh"]))
    assert both.meter[broken.row].tolist() == [0]


@pytest.mark.parametrize(
    ("rule", "figure", "limit", "text"),
    [
        (Rule.STUCK, 3.5 * HOUR_MS, 3 * HOUR_MS, "stuck value: power_w 412 for 3.5 h, longer than 3.0 h"),
        (Rule.ZERO, 22 * 24 * HOUR_MS, 21 * 24 * HOUR_MS, "long zero: power_w 0 for 22 days, longer than 21 days"),
        (Rule.JUMP, 81_000.0, 50_000.0, "implausible jump: power_w 8.1e+04, beyond 5e+04"),
        (Rule.DROP_OUT, 100 * 60_000, 90 * 60_000, "drop-out: no power_w for 100 min, longer than 90 min"),
    ],
)
def test_a_reason_is_for_a_person(rule: Rule, figure: float, limit: float, text: str) -> None:
    assert reason(rule, "power_w", 412.0, figure, limit) == text
    assert rule.detector in {"rule-stuck", "rule-zero", "rule-jump", "rule-drop-out"}


@pytest.mark.parametrize("name", ["open_ms", "broken_ms", "until_ms"])
def test_a_broken_memory_is_refused(name: str) -> None:
    arrays = RuleState(3).export()
    for spoiled in (arrays[name][..., :1], arrays[name] * np.nan):
        with pytest.raises(ValueError, match="no memory of rules"):
            RuleState.restore({**arrays, name: spoiled})
