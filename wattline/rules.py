"""Rules that need no model: a stuck value, a long zero, an implausible jump, a drop-out.

No clock and no files, only closed intervals and what `FeatureState.advance`
observed of them; the edge and the evaluation use the same `RuleState`. A rule is
told once in an episode, at the interval in which its limit is passed: that follows
from the length of the run up to there, so a restart repeats nothing.

A meter that does the same as a rule, only by nature, is measured by itself: a limit
is the larger of a fixed time and a multiple of the runs that the meter has on most
days (`wattline.day_memory`).
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from itertools import pairwise
from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from wattline.day_memory import DAY_MS, DayMemory, Kind
from wattline.features import WARM_UP_MS, FeatureRows, Observed
from wattline.intervals import HOUR_MS, Floats, Integers, Intervals
from wattline.rule_settings import MeterLimits, RuleSettings

WEEK_MS: Final = 7 * 24 * HOUR_MS
_PAST_PER_RUN: Final = 2.0
"""A run says something only against a past that is so many times as long."""
_EPISODE_MS: Final = 24 * HOUR_MS
"""A rule that is broken again within this time is still the same episode."""
_GAP_MULTIPLE: Final = 12.0
"""Gaps of up to so many times their running mean are ordinary."""
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

    @property
    def meters(self) -> int:
        """How many meters there are."""
        return self._columns.shape[1]

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
        row: Which interval, an index into those that were given; ascending.
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


def broken_rules(intervals: Intervals, rows: FeatureRows, limits: Limits, *, warm_up_ms: int = WARM_UP_MS) -> Broken:
    """Which intervals of whole series break which rule; see `RuleState` for series in parts.

    Args:
        intervals: N closed intervals, each meter's from its first on.
        rows: What `FeatureState.advance` gave for them.
        limits: Of all meters that `intervals.meter` names.
        warm_up_ms: How long a meter is only watched at first.

    Returns:
        One entry for each episode.
    """
    return RuleState(limits.meters).advance(intervals, rows, limits, warm_up_ms=warm_up_ms)


class RuleState:
    """What the rules remember of M meters: their usual runs, and those that go on."""

    def __init__(self, meters: int = 0) -> None:
        """Start without memory; `advance` adds meters."""
        self._days = DayMemory(meters)
        self._open_ms = np.zeros((len(Kind), meters))
        self._broken_ms = np.zeros((len(Kind), meters))
        self._until_ms = np.zeros(meters)

    def advance(
        self, intervals: Intervals, rows: FeatureRows, limits: Limits, *, warm_up_ms: int = WARM_UP_MS
    ) -> Broken:
        """Take intervals in and give the rules that they break.

        It does not matter how a series is cut into calls.

        Args:
            intervals: N closed intervals, of each meter the next ones.
            rows: What `FeatureState.advance` gave for them.
            limits: Of all meters that `intervals.meter` names.
            warm_up_ms: How long a meter is only watched at first.

        Returns:
            One entry for each episode whose limit is passed within these intervals.
        """
        self._grow(limits.meters)
        order = np.lexsort((intervals.start_ms, intervals.meter))
        order = order[rows.in_order[order]]
        now, seen = intervals.take(order), Observed(*(column[order] for column in rows.observed))
        known_ms, ready, columns = rows.known_ms[order], rows.ready(warm_up_ms)[order], limits.at(now.meter)
        found = self._jumps(now, known_ms, columns)
        if len(order):
            found += [entry for entry in self._run_rules(now, seen, known_ms, columns) if ready[entry.row]]
        return _broken(found, order)

    def _grow(self, meters: int) -> None:
        missing = max(meters - len(self._until_ms), 0)
        if missing:
            self._days.grow(meters)
            self._open_ms = np.pad(self._open_ms, ((0, 0), (0, missing)))
            self._broken_ms = np.pad(self._broken_ms, ((0, 0), (0, missing)))
            self._until_ms = np.pad(self._until_ms, (0, missing))

    def _run_rules(self, now: Intervals, seen: Observed, known_ms: Floats, limits: "_Columns") -> "list[_Entry]":
        """What N > 0 intervals break, sorted by meter and time, by going on as before or by coming after a gap."""
        last = np.r_[now.meter[1:] != now.meter[:-1], True]
        end_ms = (now.start_ms + now.length_ms).astype(np.float64)
        until_ms = _before(end_ms, last, self._until_ms[now.meter])
        self._until_ms[now.meter[last]] = end_ms[last]
        # By the end of the interval before: a meter that goes from days to half hours had no gap of a day.
        since_ms = np.maximum(now.start_ms - until_ms, 0.0)
        seen = seen._replace(gap_ms=np.where(until_ms > 0, since_ms, seen.gap_ms))
        found = self._gaps(now, seen, known_ms, limits)
        for kind, length_ms, least_ms in (
            (Kind.FLAT, np.where(seen.zero_ms == 0, seen.flat_ms, 0.0), limits.stuck_ms),
            (Kind.ZERO, seen.zero_ms, limits.zero_ms),
        ):
            before_ms = _before(length_ms, last, self._open_ms[kind, now.meter])
            self._open_ms[kind, now.meter[last]] = length_ms[last]
            ended = (before_ms > length_ms) & (before_ms * limits.multiple > least_ms)
            for row in np.flatnonzero(ended | (length_ms >= least_ms)).tolist():
                meter, length = int(now.meter[row]), float(length_ms[row])
                if ended[row]:
                    self._days.book_run(kind, meter, until_ms[row] - before_ms[row], until_ms[row])
                usual = self._days.usual_ms(kind, meter, end_ms[row] - length, known_ms[row] - length)
                limit = max(float(least_ms[row]), float(limits.multiple[row]) * usual)
                if length < limit:
                    continue
                again = end_ms[row] - length - self._broken_ms[kind, meter] < _EPISODE_MS
                self._broken_ms[kind, meter] = end_ms[row]
                step, gap, past = float(now.length_ms[row]), float(seen.gap_ms[row]), float(known_ms[row]) - length
                if _passed_now(length, limit, step, gap) and past >= _past_ms(kind, limit) and not again:
                    found.append(_Entry(row, _RULE_OF[kind], length, limit))
        return found

    def _jumps(self, now: Intervals, known_ms: Floats, limits: "_Columns") -> "list[_Entry]":
        found = []
        high = np.abs(now.high) >= np.abs(now.low)
        rate, day = np.where(high, now.high, now.low), now.start_ms // DAY_MS
        for first, end in pairwise(_borders(now.meter, day)):
            meter, today = int(now.meter[first]), int(day[first])
            peak = self._days.usual_peak(meter, today)
            usual = np.where(known_ms[first:end] >= WEEK_MS, limits.jump[first] * peak if peak else np.inf, np.inf)
            most, least = np.minimum(limits.most[first], usual), np.maximum(limits.least[first], -usual)
            for place in np.flatnonzero((rate[first:end] > most) | (rate[first:end] < least)).tolist():
                row = first + place
                again = now.start_ms[row] - self._broken_ms[Kind.PEAK, meter] < _EPISODE_MS
                self._broken_ms[Kind.PEAK, meter] = now.start_ms[row] + now.length_ms[row]
                if not again:
                    value = float(rate[row])
                    found.append(
                        _Entry(row, Rule.JUMP, value, float(least[place] if value < least[place] else most[place]))
                    )
            self._days.book_peak(meter, today, float(np.abs(rate[first:end]).max()))
        return found

    def _gaps(self, now: Intervals, seen: Observed, known_ms: Floats, limits: "_Columns") -> "list[_Entry]":
        found = []
        for row in np.flatnonzero(seen.gap_ms * limits.multiple > limits.gap_ms).tolist():
            meter, gap, start = int(now.meter[row]), float(seen.gap_ms[row]), float(now.start_ms[row])
            usual = self._days.usual_ms(Kind.GAP, meter, start - gap, known_ms[row] - gap)
            limit = max(
                float(limits.gap_ms[row]),
                float(now.length_ms[row]),
                float(limits.multiple[row]) * usual,
                _GAP_MULTIPLE * float(seen.gap_usual_ms[row]),
            )
            if gap > limit:
                found.append(_Entry(row, Rule.DROP_OUT, gap, limit))
            self._days.book_run(Kind.GAP, meter, start - gap, start)
        return found

    def export(self) -> dict[str, npt.NDArray[Any]]:
        """The whole memory as arrays, for `restore` after a restart."""
        own = {"open_ms": self._open_ms, "broken_ms": self._broken_ms, "until_ms": self._until_ms}
        return {**{name: array.copy() for name, array in own.items()}, **self._days.export()}

    @classmethod
    def restore(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """The memory that `export` gave.

        Raises:
            ValueError: The arrays are not such a memory.
        """
        state = cls()
        state._days = DayMemory.restore(arrays)
        shape = (len(Kind), state._days.meters)
        for name, expected in (("open_ms", shape), ("broken_ms", shape), ("until_ms", shape[1:])):
            array = arrays[name].astype(np.float64)
            if array.shape != expected or not np.isfinite(array).all():
                raise ValueError("no memory of rules")
            setattr(state, f"_{name}", array)
        return state


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


_RULE_OF: Final = {Kind.FLAT: Rule.STUCK, Kind.ZERO: Rule.ZERO}


class _Entry(NamedTuple):
    """One broken rule, as a row of `Broken`."""

    row: int
    rule: Rule
    figure: float
    limit: float


def _broken(found: Sequence[_Entry], order: npt.NDArray[np.intp]) -> Broken:
    """Entries whose rows are places in `order`, sorted by the rows that these are."""
    entries = sorted((int(order[entry.row]), *entry[1:]) for entry in found)
    row, rule, figure, limit = zip(*entries, strict=True) if entries else ((), (), (), ())
    return Broken(
        np.array(row, np.int64), np.array(rule, np.int64), np.array(figure, np.float64), np.array(limit, np.float64)
    )


def _borders(meter: Integers, day: Integers) -> list[int]:
    """Where another meter or day begins, and the end."""
    changes = (meter[1:] != meter[:-1]) | (day[1:] != day[:-1])
    return [0, *(np.flatnonzero(changes) + 1).tolist(), len(meter)] if len(meter) else []


def _before(values: Floats, last: npt.NDArray[np.bool_], remembered: Floats) -> Floats:
    """The value of each meter's interval before; `last` marks each meter's last one."""
    begins = np.r_[True, last[:-1]]
    return np.where(begins, remembered, np.r_[0.0, values[:-1]])


def _passed_now(run_ms: float, limit_ms: float, step_ms: float, gap_ms: float) -> bool:
    """Whether a run passes its limit within its newest interval, and by more than a gap."""
    return run_ms >= limit_ms > run_ms - gap_ms - step_ms and gap_ms < _MOST_GAP_SHARE * limit_ms


def _past_ms(kind: Kind, limit_ms: float) -> float:
    """How long a meter must be known before a run that passes this limit says something."""
    return max(_PAST_PER_RUN * limit_ms, WEEK_MS if kind is Kind.ZERO else 0)


def _span(ms: float) -> str:
    """A length of time for a person: "45 min", "3.5 h", "12 days"."""
    if ms < 2 * HOUR_MS:
        return f"{ms / 60_000:.0f} min"
    return f"{ms / HOUR_MS:.1f} h" if ms < 72 * HOUR_MS else f"{ms / (24 * HOUR_MS):.0f} days"
