"""The feature contract `interval-v1`: what a detector sees of one interval.

Training and edge call the same `FeatureState.advance`; training with many
homes and a long past at once, the edge with the intervals that just closed.

All features are free of scale: a rate r is seen as its *size*, the signed
log2(1 + |r| / (2 % of the meter's own running scale)), so that a flat and an
office block share one model, and twice the usual is the same at night and at
noon. Only + - * / sqrt, frexp, comparisons, sorting and table look-ups are used:
these give the same bits on every machine and for every batch size, which
logarithms and reductions do not promise.

State is bounded: some 30 numbers a meter, and four weeks of half hours.
"""

import math
from collections.abc import Iterator
from enum import Enum
from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from wattline.feature_history import HALF_HOUR_MS, WEEKS, Expected, SlotHistory, weekend
from wattline.feature_memory import (
    SAME,
    Memory,
    Sizes,
    Surroundings,
    advanced,
    as_size,
    gap_before_ms,
    mean_square,
    or_else,
    outside,
    pace_ms,
    tamed,
)
from wattline.intervals import HOUR_MS, Floats, Integers, Intervals

CONTRACT: Final = "interval-v1"
BOUND: Final = 32.0
"""Features stay within +-BOUND."""
DAY_MS: Final = 24 * HOUR_MS
WARM_UP_MS: Final = 3 * DAY_MS
WARM_UP_INTERVALS: Final = 24

_TINY: Final = 1e-12
_SMALL_SHARE: Final = 0.02
"""Rates far below this share of the meter's scale are as good as zero."""
_LEAST_WOBBLE: Final = 0.1
_TEMPERATURE_STEP_K: Final = 10.0


class Part(Enum):
    """What a feature is good for.

    Attributes:
        EVIDENCE: Small for every ordinary meter, so that densities and distances
            over these columns find faults in meters they have never seen.
        DETAIL: The rest of what is known of the interval.
        CONTEXT: Known without the interval's own rate; what a forecast may use.
    """

    EVIDENCE = "evidence"
    DETAIL = "detail"
    CONTEXT = "context"


class Feature(NamedTuple):
    """One column of the feature matrix.

    Attributes:
        name: Its name in a model's metadata.
        meaning: What a large value says, for a person; "" where it explains nothing by itself.
        usual: The size that one ordinary interval in a hundred exceeds; 0
            for a feature that explains nothing by itself.
        part: Whether it is evidence of a fault in an ordinary meter, a detail
            of the interval, or context known without the interval's rate.
    """

    name: str
    meaning: str
    usual: float
    part: Part = Part.DETAIL


FEATURES: Final = (
    Feature("level", "", 0.0),
    Feature("versus_week", "level against this weekday and hour", 5.0),
    Feature("versus_kind", "level against this hour of other such days", 5.0),
    Feature("versus_day", "level against this hour of the last days", 5.0),
    Feature("versus_yesterday", "level against the same time yesterday", 5.5),
    Feature("step", "jump from the interval before", 6.0),
    Feature("record", "level against the recent peak", 0.8),
    Feature("peak", "peak within the interval", 3.0),
    Feature("dip", "dip within the interval", 3.0),
    Feature("spread", "restlessness within the interval", 8.0),
    Feature("shift_1h", "last hour against what is usual", 4.0),
    Feature("shift_3h", "last three hours against what is usual", 3.5, Part.EVIDENCE),
    Feature("shift_8h", "last eight hours against what is usual", 3.2),
    Feature("shift_24h", "last day against what is usual", 2.8),
    Feature("odd", "level against its usual ups and downs at this hour", 8.0, Part.EVIDENCE),
    Feature("odd_3h", "last three hours against their usual ups and downs", 5.0, Part.EVIDENCE),
    Feature("odd_24h", "last day against its usual ups and downs", 4.0),
    Feature("beyond_week", "outside all of this weekday and hour for four weeks", 2.0),
    Feature("beyond_month", "outside all of this hour for four weeks", 0.4, Part.EVIDENCE),
    Feature("beyond_3h", "last three hours outside all of these hours for four weeks", 0.4, Part.EVIDENCE),
    Feature(
        "lifted", "lowest level of three hours above that of nearly all such hours for four weeks", 0.5, Part.EVIDENCE
    ),
    Feature("restlessness", "jumps of the last hour against usual ones", 2.8),
    Feature("flat", "time without any change", 1.0, Part.EVIDENCE),
    Feature("zero", "time at zero", 1.0),
    Feature("gap", "time without data before", 0.5, Part.EVIDENCE),
    Feature("expected", "", 0.0, Part.CONTEXT),
    Feature("expected_day", "", 0.0, Part.CONTEXT),
    Feature("yesterday", "", 0.0, Part.CONTEXT),
    Feature("before", "", 0.0, Part.CONTEXT),
    Feature("wobble", "", 0.0, Part.CONTEXT),
    Feature("weeks", "", 0.0, Part.CONTEXT),
    Feature("temperature", "", 0.0, Part.CONTEXT),
    Feature("occupancy", "", 0.0, Part.CONTEXT),
    Feature("hour_sin", "", 0.0, Part.CONTEXT),
    Feature("hour_cos", "", 0.0, Part.CONTEXT),
    Feature("weekend", "", 0.0, Part.CONTEXT),
)
NAMES: Final = tuple(feature.name for feature in FEATURES)

_USUAL: Final = np.array([feature.usual or np.inf for feature in FEATURES], np.float32)
_MINUTES: Final = range(24 * 60)
_HOUR_SIN: Final = np.array([math.sin(math.tau * minute / len(_MINUTES)) for minute in _MINUTES])
_HOUR_COS: Final = np.array([math.cos(math.tau * minute / len(_MINUTES)) for minute in _MINUTES])


class Observed(NamedTuple):
    """What is seen at N intervals as such, for rules: float64[N] each.

    Attributes:
        flat_ms: Time without any change, up to the interval's end.
        flat_usual_ms: The longest such time of the meter's last weeks, this one left out.
        zero_ms: Time at exactly zero, up to the interval's end.
        zero_usual_ms: The longest such time of the last weeks, this one left out.
        gap_ms: Time without data between the interval before and this one.
        gap_usual_ms: The running mean of such gaps; 0 where data come without.
        previous: Mean rate of the interval before; 0 for a meter's first.
        peak: The largest rate of the last weeks, either sign, before this interval.
    """

    flat_ms: Floats
    flat_usual_ms: Floats
    zero_ms: Floats
    zero_usual_ms: Floats
    gap_ms: Floats
    gap_usual_ms: Floats
    previous: Floats
    peak: Floats


class FeatureRows(NamedTuple):
    """Features of N intervals, in the order they were given.

    Attributes:
        matrix: float32[N, F], columns as in `NAMES`.
        known_ms: Time from the meter's first interval to this one.
        seen: Intervals of the meter before this one.
        in_order: False for an interval that is not newer than the meter's
            last: it changed nothing and its features are 0.
        observed: What rules go by; 0 where `in_order` is False.
    """

    matrix: npt.NDArray[np.float32]
    known_ms: Floats
    seen: Floats
    in_order: npt.NDArray[np.bool_]
    observed: Observed

    @classmethod
    def blank(cls, n: int) -> Self:
        """N rows of nothing, to be filled in."""
        observed = Observed(*(np.zeros(n) for _ in Observed._fields))
        return cls(np.zeros((n, len(NAMES)), np.float32), np.zeros(n), np.zeros(n), np.zeros(n, np.bool_), observed)

    def ready(self, warm_up_ms: int = WARM_UP_MS) -> npt.NDArray[np.bool_]:
        """Which intervals may be judged or learned from: bool[N].

        Args:
            warm_up_ms: How long a meter is only watched at first.
        """
        return self.in_order & (self.known_ms >= warm_up_ms) & (self.seen >= WARM_UP_INTERVALS)


class FeatureState:
    """The running state of M meters, as arrays over the meters."""

    def __init__(self, meters: int = 0, *, utc_offset_ms: int = 0) -> None:
        """Start without history.

        Args:
            meters: Rows to begin with; `grow` adds more.
            utc_offset_ms: Local time minus UTC, for hours and weekends.
        """
        self._offset_ms = utc_offset_ms
        self._memory = np.zeros((len(Memory._fields), meters))
        self._history = SlotHistory(meters)

    @property
    def meters(self) -> int:
        """How many rows there are."""
        return self._memory.shape[1]

    def grow(self, meters: int) -> None:
        """Have at least `meters` rows; old ones stay where they are."""
        missing = meters - self.meters
        if missing > 0:
            self._memory = np.pad(self._memory, ((0, 0), (0, missing)))
            self._history.grow(meters)

    def advance(self, intervals: Intervals) -> FeatureRows:
        """Take intervals in and give their features.

        Intervals of one meter are taken in the order of their starts, so it
        does not matter how a series is cut into calls.

        Args:
            intervals: N intervals; `meter` below `meters`.
        """
        rows = FeatureRows.blank(len(intervals))
        for chosen in _rounds(intervals):
            self._step(intervals.take(chosen), chosen, rows)
        return rows

    def _step(self, now: Intervals, rows: npt.NDArray[np.intp], out: FeatureRows) -> None:
        """Advance by at most one interval per meter."""
        old = self._memory[:, now.meter]
        newer = (old[0] == 0) | (now.start_ms > old[2])
        if not newer.all():
            now, rows, old = now.take(newer), rows[newer], old[:, newer]
        local_ms = now.start_ms + self._offset_ms
        half_hour = local_ms // HALF_HOUR_MS
        memory, expected = Memory(*old), self._history.expected(now.meter, half_hour)
        after, matrix, deviation = _features(memory, expected, now, local_ms)
        self._memory[:, now.meter] = np.stack(after)
        self._history.book(now.meter, half_hour, now.length_ms, tamed(now.mean, memory), deviation)
        out.matrix[rows] = matrix.T
        out.known_ms[rows] = now.start_ms - after.first_ms
        out.seen[rows] = memory.seen
        out.in_order[rows] = True
        for column, values in zip(out.observed, _observed(memory, after, now), strict=True):
            column[rows] = values

    def export(self) -> dict[str, npt.NDArray[Any]]:
        """A copy of the whole state, for `restore` after a restart."""
        return {"memory": self._memory.copy(), **self._history.export()}

    @classmethod
    def restore(cls, arrays: dict[str, npt.NDArray[Any]], *, utc_offset_ms: int = 0) -> Self:
        """The state that `export` gave.

        Raises:
            ValueError: The arrays are not a state of this contract.
        """
        state = cls(utc_offset_ms=utc_offset_ms)
        memory = arrays.get("memory")
        if memory is None or memory.ndim != state._memory.ndim or not {"half_hours", "places"} <= set(arrays):
            raise ValueError("no feature state")
        if memory.shape[0] != len(Memory._fields) or memory.shape[1] != arrays["places"].shape[-1]:
            raise ValueError(f"a feature state of another contract than {CONTRACT}")
        if not np.isfinite(memory).all():
            raise ValueError("a feature state with values that are no numbers")
        state._memory = memory.astype(np.float64)
        state._history.restore(arrays["half_hours"], arrays["places"])
        return state


def most_deviant(matrix: npt.NDArray[np.float32]) -> Integers:
    """The column of each row that is furthest beyond its usual size.

    Args:
        matrix: float32[N, F].

    Returns:
        int64[N], indices into `FEATURES`.
    """
    return np.asarray(np.argmax(np.abs(matrix) / _USUAL, axis=1), np.int64)


def _rounds(intervals: Intervals) -> Iterator[npt.NDArray[np.intp]]:
    """Rows of the first interval of each meter, of the second, and so on."""
    if len(intervals) == 0:
        return
    order = np.lexsort((intervals.start_ms, intervals.meter))
    meter = intervals.meter[order]
    begins = np.r_[True, meter[1:] != meter[:-1]]
    if begins.all():
        yield order
        return
    place = np.arange(len(order))
    rank = place - np.maximum.accumulate(np.where(begins, place, 0))
    by_rank = order[np.argsort(rank, kind="stable")]
    yield from np.split(by_rank, np.cumsum(np.bincount(rank))[:-1])


def _features(memory: Memory, expected: Expected, now: Intervals, local_ms: Integers) -> tuple[Memory, Floats, Floats]:
    """The memory after `now`, its features as float64[F, M], and its deviation from what was expected."""
    square = mean_square(memory, now)
    unit = _SMALL_SHARE * np.maximum(np.sqrt(square), _TINY)
    size = Sizes.of(memory, expected, now, unit)
    versus = size.level - size.usual
    wobble = or_else(expected.wobble, memory.wobble)
    odd = versus / (wobble + _LEAST_WOBBLE)
    beyond = outside(size.level, size.month_low, size.month_high)
    paced = pace_ms(memory, now)
    outdoors = Surroundings.of(now.temperature_c, memory.temperature_seen, memory.temperature_usual_c, paced)
    people = Surroundings.of(now.occupancy, memory.occupancy_seen, memory.occupancy_usual, paced)
    after = advanced(memory, now, square, versus, odd, beyond)._replace(
        temperature_seen=outdoors.seen,
        temperature_usual_c=outdoors.usual,
        occupancy_seen=people.seen,
        occupancy_usual=people.usual,
    )
    gap_ms = np.where(memory.seen == 0, 0.0, gap_before_ms(memory, now))
    runs = as_size(np.stack((
        after.step_hour / (after.step_usual + SAME * unit),
        after.flat_ms / (memory.flat_usual_ms + 2.0 * now.length_ms),
        after.zero_ms / (memory.zero_usual_ms + 2.0 * now.length_ms),
    )))  # fmt: skip
    minute = local_ms % DAY_MS // 60_000
    columns = np.stack((
        size.level,
        versus,
        size.level - size.kind,
        size.level - size.day,
        size.level - size.yesterday,
        size.level - size.before,
        np.maximum(size.extreme - size.peak, 0.0),
        size.high - size.level,
        size.level - size.low,
        size.spread,
        after.shift_1h,
        after.shift_3h,
        after.shift_8h,
        after.shift_24h,
        odd,
        after.odd_3h,
        after.odd_24h,
        outside(size.level, size.week_low, size.week_high),
        beyond,
        after.beyond_3h,
        np.maximum(size.floor - size.floor_high, 0.0),
        *runs,
        gap_ms / (gap_ms + memory.gap_usual_ms + HOUR_MS),
        size.usual,
        size.day,
        size.yesterday,
        size.before,
        wobble,
        expected.weeks / WEEKS,
        outdoors.difference / _TEMPERATURE_STEP_K,
        people.difference / (1.0 + np.abs(people.usual)),
        _HOUR_SIN[minute],
        _HOUR_COS[minute],
        weekend(local_ms // HALF_HOUR_MS),
    ))  # fmt: skip
    return after, np.minimum(np.maximum(columns, -BOUND), BOUND), np.minimum(np.abs(versus), BOUND)


def _observed(memory: Memory, after: Memory, now: Intervals) -> Observed:
    first = memory.seen == 0
    return Observed(
        flat_ms=after.flat_ms,
        flat_usual_ms=memory.flat_usual_ms,
        zero_ms=after.zero_ms,
        zero_usual_ms=memory.zero_usual_ms,
        gap_ms=np.where(first, 0.0, gap_before_ms(memory, now)),
        gap_usual_ms=memory.gap_usual_ms,
        previous=memory.last,
        peak=memory.peak,
    )
