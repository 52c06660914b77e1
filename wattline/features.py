"""The feature contract `interval-v1`: what a detector sees of one interval.

Training and edge call the same `FeatureState.advance`; training with many
homes and a long past at once, the edge with the intervals that just closed.

All features are free of scale: rates are divided by the meter's own running
scale, so that a flat and an office block share one model. Sizes are
compressed by a signed square root. Only + - * / sqrt, comparisons and table
look-ups are used on them: these give the same bits on every machine and for
every batch size, which logarithms and reductions do not promise.

State is bounded: 22 numbers a meter, and 8 for each half hour of the day.
"""

import math
from collections.abc import Iterator
from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from wattline.intervals import HOUR_MS, Floats, Integers, Intervals

CONTRACT: Final = "interval-v1"
BOUND: Final = 32.0
"""Features stay within +-BOUND."""
DAY_MS: Final = 24 * HOUR_MS
SLOTS_PER_DAY: Final = 48
SLOT_MS: Final = DAY_MS // SLOTS_PER_DAY
WARM_UP_MS: Final = DAY_MS
WARM_UP_INTERVALS: Final = 24

_WEEK_MS: Final = 7 * DAY_MS
_MOST_GROWTH: Final = 3.0
"""One interval counts in the running scale with at most this multiple of the meter's recent peak."""
_MOST_SHIFT: Final = 8.0
_LEAST_SHIFT: Final = 0.1
_LEAST_WOBBLE: Final = 0.1
_SETTLED: Final = 24
"""Intervals after which the recent peak is trusted enough to limit others."""
_SAME: Final = 1e-9
_TINY: Final = 1e-12


class Feature(NamedTuple):
    """One column of the feature matrix.

    Attributes:
        name: Its name in a model's metadata.
        meaning: What a large value says, for a person.
        usual: The size that one ordinary interval in a hundred exceeds; 0
            for a feature that explains nothing by itself.
    """

    name: str
    meaning: str
    usual: float


FEATURES: Final = (
    Feature("level", "level against the meter's own mean", 3.0),
    Feature("record", "level against the meter's recent peak", 1.0),
    Feature("versus_usual", "level against this time of other days", 2.7),
    Feature("versus_yesterday", "level against the same time yesterday", 2.8),
    Feature("step", "jump from the interval before", 2.3),
    Feature("peak", "peak within the interval", 2.3),
    Feature("dip", "dip within the interval", 1.6),
    Feature("spread", "restlessness within the interval", 1.5),
    Feature("floor", "lowest level of the last hours", 1.6),
    Feature("shift_hour", "last hour against this time of other days", 2.0),
    Feature("shift_quarter_day", "last six hours against other days", 1.5),
    Feature("shift_day", "last day against other days", 1.0),
    Feature("restlessness", "jumps of the last hour against usual ones", 2.4),
    Feature("flat", "time without any change", 1.8),
    Feature("zero", "time at zero", 1.5),
    Feature("gap", "time without data before", 0.5),
    Feature("hour_sin", "", 0.0),
    Feature("hour_cos", "", 0.0),
    Feature("weekend", "", 0.0),
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


class _Memory(NamedTuple):
    """What is kept of each meter; M values each, rates in the meter's unit, times in ms."""

    seen: Floats
    first_ms: Floats
    last_ms: Floats
    last: Floats
    centre: Floats
    square: Floats
    peak: Floats
    floor: Floats
    shift_hour: Floats
    shift_quarter: Floats
    shift_day: Floats
    shift_hour_usual: Floats
    shift_quarter_usual: Floats
    shift_day_usual: Floats
    step_hour: Floats
    step_usual: Floats
    flat_ms: Floats
    flat_usual_ms: Floats
    zero_ms: Floats
    zero_usual_ms: Floats
    gap_usual_ms: Floats


class _Slot(NamedTuple):
    """What is kept of each meter's half hour of the day, M values each."""

    day: Floats
    total: Floats
    number: Floats
    yesterday: Floats
    yesterday_day: Floats
    usual: Floats
    wobble: Floats
    days: Floats


class FeatureState:
    """The running state of M meters, as arrays over the meters."""

    def __init__(self, meters: int = 0, *, utc_offset_ms: int = 0) -> None:
        """Start without history.

        Args:
            meters: Rows to begin with; `grow` adds more.
            utc_offset_ms: Local time minus UTC, for hours and weekends.
        """
        self._offset_ms = utc_offset_ms
        self._memory = np.zeros((len(_Memory._fields), meters))
        self._slots = np.zeros((len(_Slot._fields), meters, SLOTS_PER_DAY))

    @property
    def meters(self) -> int:
        """How many rows there are."""
        return self._memory.shape[1]

    def grow(self, meters: int) -> None:
        """Have at least `meters` rows; old ones stay where they are."""
        missing = meters - self.meters
        if missing > 0:
            self._memory = np.pad(self._memory, ((0, 0), (0, missing)))
            self._slots = np.pad(self._slots, ((0, 0), (0, missing), (0, 0)))

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
        slot = local_ms % DAY_MS // SLOT_MS
        memory, half_hour = _Memory(*old), _Slot(*self._slots[:, now.meter, slot])
        half_hour = _turn_day(half_hour, local_ms // DAY_MS)
        after, matrix = _features(memory, half_hour, now, local_ms)
        mean = _limited(now.mean, memory)
        half_hour = half_hour._replace(total=half_hour.total + mean, number=half_hour.number + 1)
        self._memory[:, now.meter] = np.stack(after)
        self._slots[:, now.meter, slot] = np.stack(half_hour)
        out.matrix[rows] = matrix.T
        out.known_ms[rows] = now.start_ms - after.first_ms
        out.seen[rows] = memory.seen
        out.in_order[rows] = True
        for column, values in zip(out.observed, _observed(memory, after, now), strict=True):
            column[rows] = values

    def export(self) -> dict[str, Floats]:
        """A copy of the whole state, for `restore` after a restart."""
        return {"memory": self._memory.copy(), "slots": self._slots.copy()}

    @classmethod
    def restore(cls, arrays: dict[str, Floats], *, utc_offset_ms: int = 0) -> Self:
        """The state that `export` gave.

        Raises:
            ValueError: The arrays are not a state of this contract.
        """
        state = cls(utc_offset_ms=utc_offset_ms)
        memory, slots = arrays.get("memory"), arrays.get("slots")
        if memory is None or slots is None or memory.ndim != state._memory.ndim:
            raise ValueError("no feature state")
        expected = (len(_Slot._fields), memory.shape[1], SLOTS_PER_DAY)
        if memory.shape[0] != len(_Memory._fields) or slots.shape != expected:
            raise ValueError(f"a feature state of another contract than {CONTRACT}")
        if not (np.isfinite(memory).all() and np.isfinite(slots).all()):
            raise ValueError("a feature state with values that are no numbers")
        state._memory, state._slots = memory.astype(np.float64), slots.astype(np.float64)
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


def _turn_day(slot: _Slot, day: Integers) -> _Slot:
    """Book the half hour's last day when another one begins."""
    turned = (slot.day != day) & (slot.number > 0)
    mean = slot.total / np.maximum(slot.number, 1.0)
    gain = np.maximum(1.0 / (slot.days + 1.0), 0.15)
    fresh = slot.day != day
    return _Slot(
        day=day.astype(np.float64),
        total=np.where(fresh, 0.0, slot.total),
        number=np.where(fresh, 0.0, slot.number),
        yesterday=np.where(turned, mean, slot.yesterday),
        yesterday_day=np.where(turned, slot.day, slot.yesterday_day),
        usual=np.where(turned, slot.usual + gain * (mean - slot.usual), slot.usual),
        wobble=np.where(
            turned & (slot.days > 0), slot.wobble + gain * (np.abs(mean - slot.usual) - slot.wobble), slot.wobble
        ),
        days=slot.days + turned,
    )


def _features(memory: _Memory, slot: _Slot, now: Intervals, local_ms: Integers) -> tuple[_Memory, Floats]:
    """The memory after `now`, and its features as float64[F, M]."""
    x, first = now.mean, memory.seen == 0
    after = _after(memory, slot, now)
    scale = np.maximum(np.sqrt(after.square), _TINY)
    usual = np.where(slot.days > 0, slot.usual, after.centre)
    knows_yesterday = (slot.yesterday_day == slot.day - 1) & (slot.days > 0)
    minute = local_ms % DAY_MS // 60_000
    sizes = np.stack((
        x / scale,
        np.where(first, 1.0, _extreme(now) / np.maximum(memory.peak, _TINY)),
        (x - usual) / scale,
        np.where(knows_yesterday, x - slot.yesterday, 0.0) / scale,
        np.where(first, 0.0, x - memory.last) / scale,
        (now.high - x) / scale,
        (x - now.low) / scale,
        now.spread / scale,
        after.floor / scale,
        after.shift_hour / (memory.shift_hour_usual + _LEAST_SHIFT),
        after.shift_quarter / (memory.shift_quarter_usual + _LEAST_SHIFT),
        after.shift_day / (memory.shift_day_usual + _LEAST_SHIFT),
        after.step_hour / (after.step_usual + _SAME * scale),
        after.flat_ms / (memory.flat_usual_ms + 2.0 * now.length_ms),
        after.zero_ms / (memory.zero_usual_ms + 2.0 * now.length_ms),
        np.where(first, 0.0, _gap_ms(memory, now) / (_gap_ms(memory, now) + memory.gap_usual_ms + HOUR_MS)),
    ))  # fmt: skip
    compressed = np.copysign(np.sqrt(np.minimum(np.abs(sizes), BOUND * BOUND)), sizes)
    weekend = (local_ms // DAY_MS + 3) % 7 >= 5  # noqa: PLR2004 - 1970-01-01 was a Thursday; Monday is 0
    return after, np.concatenate((compressed, (_HOUR_SIN[minute], _HOUR_COS[minute], weekend)))


def _after(memory: _Memory, slot: _Slot, now: Intervals) -> _Memory:
    """Every running statistic, one interval later."""
    first, x = memory.seen == 0, now.mean
    elapsed = np.where(first, now.length_ms, now.start_ms - memory.last_ms)
    paced = np.maximum(np.minimum(elapsed, HOUR_MS), now.length_ms)
    limited = _limited(x, memory)
    week, hour = _gain(paced, _WEEK_MS, memory), _gain(paced, HOUR_MS, memory)
    centre = memory.centre + week * (limited - memory.centre)
    square = memory.square + week * (limited * limited - memory.square)
    scale = np.sqrt(square)
    floor_rise = memory.floor + _gain(paced, 3 * HOUR_MS, memory) * (limited - memory.floor)
    usual = np.where(slot.days > 0, slot.usual, centre)
    ordinary = slot.wobble + _LEAST_WOBBLE * scale + _TINY
    shift = np.clip((x - usual) / ordinary, -_MOST_SHIFT, _MOST_SHIFT)
    quarter, day = _gain(paced, 6 * HOUR_MS, memory), _gain(paced, DAY_MS, memory)
    step = np.where(first, 0.0, np.abs(limited - _limited(memory.last, memory)))
    still = (now.high - now.low <= _SAME * scale) & ~first
    flat = still & (np.abs(x - memory.last) <= _SAME * scale)
    zero = still & (np.abs(x) <= _SAME * scale)
    return _Memory(
        seen=memory.seen + 1.0,
        first_ms=np.where(first, now.start_ms, memory.first_ms),
        last_ms=now.start_ms.astype(np.float64),
        last=x,
        centre=centre,
        square=square,
        peak=np.maximum(_limited(_extreme(now), memory), memory.peak * (1.0 - 0.25 * week)),
        floor=np.where(first, x, np.minimum(x, floor_rise)),
        shift_hour=memory.shift_hour + hour * (shift - memory.shift_hour),
        shift_quarter=memory.shift_quarter + quarter * (shift - memory.shift_quarter),
        shift_day=memory.shift_day + day * (shift - memory.shift_day),
        shift_hour_usual=memory.shift_hour_usual + week * (np.abs(memory.shift_hour) - memory.shift_hour_usual),
        shift_quarter_usual=memory.shift_quarter_usual
        + week * (np.abs(memory.shift_quarter) - memory.shift_quarter_usual),
        shift_day_usual=memory.shift_day_usual + week * (np.abs(memory.shift_day) - memory.shift_day_usual),
        step_hour=memory.step_hour + hour * (step - memory.step_hour),
        step_usual=memory.step_usual + week * (step - memory.step_usual),
        flat_ms=np.where(flat, memory.flat_ms + elapsed, 0.0),
        flat_usual_ms=_longest(memory.flat_usual_ms, memory.flat_ms, flat, now, week),
        zero_ms=np.where(zero, memory.zero_ms + elapsed, 0.0),
        zero_usual_ms=_longest(memory.zero_usual_ms, memory.zero_ms, zero, now, week),
        gap_usual_ms=memory.gap_usual_ms + day
        * np.where(first, 0.0, np.minimum(_gap_ms(memory, now), HOUR_MS) - memory.gap_usual_ms),
    )  # fmt: skip


def _observed(memory: _Memory, after: _Memory, now: Intervals) -> Observed:
    first = memory.seen == 0
    return Observed(
        flat_ms=after.flat_ms,
        flat_usual_ms=memory.flat_usual_ms,
        zero_ms=after.zero_ms,
        zero_usual_ms=memory.zero_usual_ms,
        gap_ms=np.where(first, 0.0, _gap_ms(memory, now)),
        gap_usual_ms=memory.gap_usual_ms,
        previous=memory.last,
        peak=memory.peak,
    )


def _limited(x: Floats, memory: _Memory) -> Floats:
    """One wild interval must not move the scale far: bounded influence."""
    limit = np.where((memory.seen >= _SETTLED) & (memory.peak > 0), _MOST_GROWTH * memory.peak, np.inf)
    return np.clip(x, -limit, limit)


def _extreme(now: Intervals) -> Floats:
    return np.maximum(np.abs(now.high), np.abs(now.low))


def _gain(paced_ms: Floats, span_ms: int, memory: _Memory) -> Floats:
    """The weight of a new value in a running mean over about `span_ms`."""
    return np.maximum(paced_ms / (span_ms + paced_ms), 1.0 / (memory.seen + 1.0))


def _gap_ms(memory: _Memory, now: Intervals) -> Floats:
    return np.maximum(now.start_ms - memory.last_ms - now.length_ms, 0.0)


def _longest(usual_ms: Floats, run_ms: Floats, goes_on: npt.NDArray[np.bool_], now: Intervals, fade: Floats) -> Floats:
    """The longest run of the last weeks: grows when a run ends, fades slowly."""
    ended = np.where(goes_on, 0.0, np.minimum(run_ms, 4.0 * (usual_ms + now.length_ms)))
    return np.maximum(ended, usual_ms * (1.0 - 0.25 * fade))
