"""Rules that need no model: a stuck value, a long zero, an implausible jump, a drop-out.

Pure and vectorised, on the intervals and on what `FeatureState.advance` observed
of them; the edge and the evaluation call the same `broken_rules`. A rule is
broken once in an episode, at the interval in which its limit is passed: that
follows from the run up to the interval, so nothing is remembered here and a
restart repeats nothing.

A meter that does the same as a rule, only by nature, is measured by itself: each
limit is the larger of a fixed time and a multiple of the meter's own longest run
of the last weeks.
"""

from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from wattline.features import WARM_UP_MS, FeatureRows
from wattline.intervals import HOUR_MS, Floats, Integers, Intervals
from wattline.rule_settings import MeterLimits, RuleSettings

WEEK_MS: Final = 7 * 24 * HOUR_MS
_PAST_PER_RUN: Final = 2.0
"""A run says something only against a past that is so many times as long."""
_GAP_MULTIPLE: Final = 12.0
_MOST_GAP_SHARE: Final = 0.5
"""Sameness across a gap is chance: a run counts when less than this share of its limit is a gap."""


class Rule(IntEnum):
    """Which rule is broken."""

    STUCK = 0
    ZERO = 1
    JUMP = 2
    DROP_OUT = 3

    @property
    def detector(self) -> str:
        """The name that events of this rule carry as their detector."""
        return f"rule-{self.name.lower().replace('_', '-')}"


class Limits:
    """The limits of M meters as columns, by the row that `Intervals.meter` speaks of."""

    def __init__(self, meters: Iterable[MeterLimits]) -> None:
        rows = list(meters)
        self._columns = np.array(rows, np.float64).reshape(len(rows), len(MeterLimits._fields)).T

    @classmethod
    def of(cls, quantities: Iterable[str], settings: RuleSettings | None = None) -> Self:
        """The same settings for every meter.

        Args:
            quantities: The judged quantity of each meter.
            settings: What is too long; the defaults without.
        """
        chosen = settings or RuleSettings()
        return cls(MeterLimits.of(name, chosen) for name in quantities)

    def at(self, meter: Integers) -> "_Columns":
        """The limits of each interval's meter."""
        return _Columns(*self._columns[:, meter])


class _Columns(NamedTuple):
    """`MeterLimits` of N intervals."""

    stuck_ms: Floats
    zero_ms: Floats
    gap_ms: Floats
    multiple: Floats
    jump: Floats
    least: Floats
    most: Floats


class Broken(NamedTuple):
    """K broken rules; an interval can break several.

    Attributes:
        row: Which interval, an index into those that were given; ascending within a rule.
        rule: Which `Rule`.
        figure: How long in ms; of a jump the rate.
        limit: What the figure passed, in the same unit.
    """

    row: Integers
    rule: Integers
    figure: Floats
    limit: Floats

    def __len__(self) -> int:
        return len(self.row)


class _Verdict(NamedTuple):
    """One rule about N intervals."""

    broken: npt.NDArray[np.bool_]
    figure: Floats
    limit: Floats


def broken_rules(intervals: Intervals, rows: FeatureRows, limits: Limits, *, warm_up_ms: int = WARM_UP_MS) -> Broken:
    """Which intervals pass the limit of which rule.

    Args:
        intervals: N closed intervals.
        rows: What `FeatureState.advance` gave for them.
        limits: Of all meters that `intervals.meter` names.
        warm_up_ms: How long a meter is only watched at first.

    Returns:
        One entry for each episode that begins within these intervals.
    """
    columns = limits.at(intervals.meter)
    ready = rows.ready(warm_up_ms)
    parts = []
    for rule, judge in _RULES.items():
        verdict = judge(intervals, rows, columns)
        found = np.flatnonzero(verdict.broken & (rows.in_order if rule is Rule.JUMP else ready))
        if len(found):
            rules = np.full(len(found), int(rule), np.int64)
            parts.append(Broken(found.astype(np.int64), rules, verdict.figure[found], verdict.limit[found]))
    if not parts:
        none = np.zeros(0, np.int64)
        return Broken(none, none, np.zeros(0), np.zeros(0))
    return Broken(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def reason(rule: Rule, name: str, rate: float, figure: float, limit: float) -> str:
    """What a person reads of a broken rule.

    Args:
        rule: Which.
        name: The judged quantity.
        rate: The mean rate of the interval.
        figure: As in `Broken`.
        limit: As in `Broken`.
    """
    if rule is Rule.JUMP:
        return f"implausible jump: {name} {figure:.4g}, beyond {limit:.4g}"
    passed = f"{_span(figure)}, longer than {_span(limit)}"
    if rule is Rule.STUCK:
        return f"stuck value: {name} {rate:.4g} for {passed}"
    if rule is Rule.ZERO:
        return f"long zero: {name} 0 for {passed}"
    return f"drop-out: no {name} for {passed}"


def _stuck(intervals: Intervals, rows: FeatureRows, limits: _Columns) -> _Verdict:
    seen = rows.observed
    verdict = _run(intervals, rows, (seen.flat_ms, seen.flat_usual_ms), (limits.stuck_ms, limits.multiple))
    return verdict._replace(broken=verdict.broken & (seen.zero_ms == 0))


def _zero(intervals: Intervals, rows: FeatureRows, limits: _Columns) -> _Verdict:
    seen = rows.observed
    verdict = _run(intervals, rows, (seen.zero_ms, seen.zero_usual_ms), (limits.zero_ms, limits.multiple))
    return verdict._replace(broken=verdict.broken & (rows.known_ms >= WEEK_MS))


def _run(
    intervals: Intervals, rows: FeatureRows, run: tuple[Floats, Floats], limits: tuple[Floats, Floats]
) -> _Verdict:
    """A run, (so far, usual) in ms, that passes (the least limit in ms, the multiple of the usual) in this interval."""
    (run_ms, usual_ms), (least_ms, multiple) = run, limits
    limit = np.maximum(least_ms, multiple * usual_ms)
    gap_ms = rows.observed.gap_ms
    before_ms = run_ms - gap_ms - intervals.length_ms
    passes = (run_ms >= limit) & (before_ms < limit)
    told = (rows.known_ms - run_ms >= _PAST_PER_RUN * limit) & (gap_ms < _MOST_GAP_SHARE * limit)
    return _Verdict(passes & told, run_ms, limit)


def _jump(intervals: Intervals, rows: FeatureRows, limits: _Columns) -> _Verdict:
    high = np.abs(intervals.high) >= np.abs(intervals.low)
    rate = np.where(high, intervals.high, intervals.low)
    seen = rows.observed
    settled = (rows.known_ms >= WEEK_MS) & (seen.peak > 0)
    usual = np.where(settled, limits.jump * np.where(settled, seen.peak, 1.0), np.inf)
    most, least = np.minimum(limits.most, usual), np.maximum(limits.least, -usual)
    # The interval before was as far out: the episode is older.
    goes_on = (seen.previous > most) | (seen.previous < least)
    limit = np.where(rate < least, least, most)
    return _Verdict(((rate > most) | (rate < least)) & ~goes_on, rate, limit)


def _drop_out(intervals: Intervals, rows: FeatureRows, limits: _Columns) -> _Verdict:
    seen = rows.observed
    limit = np.maximum(np.maximum(limits.gap_ms, _GAP_MULTIPLE * seen.gap_usual_ms), intervals.length_ms)
    return _Verdict(seen.gap_ms > limit, seen.gap_ms, limit)


_Judge = Callable[[Intervals, FeatureRows, _Columns], _Verdict]
_RULES: Final[dict[Rule, _Judge]] = {
    Rule.STUCK: _stuck,
    Rule.ZERO: _zero,
    Rule.JUMP: _jump,
    Rule.DROP_OUT: _drop_out,
}


def _span(ms: float) -> str:
    """A length of time for a person: "45 min", "3.5 h", "12 days"."""
    if ms < 2 * HOUR_MS:
        return f"{ms / 60_000:.0f} min"
    return f"{ms / HOUR_MS:.1f} h" if ms < 72 * HOUR_MS else f"{ms / (24 * HOUR_MS):.0f} days"
