"""What the features keep of each meter, and how it goes on by one interval.

Everything is an array over meters. Running means weigh an interval by the time
it stands for, so that minutes and hours forget alike; one wild interval moves
none of them far.
"""

from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from wattline.feature_history import Expected
from wattline.intervals import HOUR_MS, Floats, Intervals

SAME: Final = 1e-9
"""Rates that differ by less than this share of the scale are one rate."""
_WEEK_MS: Final = 7 * 24 * HOUR_MS
_MOST_GROWTH: Final = 3.0
"""One interval counts in the running scale with at most this multiple of the meter's recent peak."""
_SETTLED: Final = 24
"""Intervals after which the recent peak is trusted enough to limit others."""
_MOST_SHIFT: Final = 8.0
_ENVELOPE: Final = slice(Expected._fields.index("week_low"), Expected._fields.index("month_high") + 1)
_SPANS_MS: Final = np.array([[1], [3], [8], [24], [7 * 24], [3 * 7 * 24]], np.float64) * HOUR_MS


class Memory(NamedTuple):
    """What is kept of each meter; M values each, rates in the meter's unit, times in ms."""

    seen: Floats
    first_ms: Floats
    last_ms: Floats
    last: Floats
    centre: Floats
    square: Floats
    peak: Floats
    shift_1h: Floats
    shift_3h: Floats
    shift_8h: Floats
    shift_24h: Floats
    odd_3h: Floats
    odd_24h: Floats
    beyond_3h: Floats
    temperature_seen: Floats
    temperature_usual_c: Floats
    occupancy_seen: Floats
    occupancy_usual: Floats
    wobble: Floats
    step_hour: Floats
    step_usual: Floats
    flat_ms: Floats
    flat_usual_ms: Floats
    zero_ms: Floats
    zero_usual_ms: Floats
    gap_usual_ms: Floats


def or_else(value: Floats, otherwise: Floats) -> Floats:
    """`value`, and `otherwise` where it is NaN."""
    return np.where(np.isnan(value), otherwise, value)


def as_size(ratio: Floats) -> Floats:
    """Signed log2(1 + |ratio|), to 0.01, with exactly repeatable operations."""
    mantissa, exponent = np.frexp(1.0 + np.abs(ratio))
    share = 2.0 * mantissa - 1.0
    # log2(1 + share) is nearly share plus a parabola.
    return np.copysign(exponent - 1.0 + share + 0.34 * share * (1.0 - share), ratio)


def outside(size: Floats, low: Floats, high: Floats) -> Floats:
    """How far a size is above `high` or, negative, below `low`; 0 between them."""
    return np.maximum(size - high, 0.0) + np.minimum(size - low, 0.0)


def mean_square(memory: Memory, now: Intervals) -> Floats:
    """The running mean square of the rate, with `now`."""
    limited = tamed(now.mean, memory)
    return memory.square + _gain(pace_ms(memory, now), _WEEK_MS, memory) * (limited * limited - memory.square)


def pace_ms(memory: Memory, now: Intervals) -> Floats:
    """For how much time an interval stands in running means: gaps count up to an hour."""
    return np.maximum(np.minimum(_elapsed_ms(memory, now), HOUR_MS), now.length_ms)


def _elapsed_ms(memory: Memory, now: Intervals) -> Floats:
    return np.where(memory.seen == 0, now.length_ms, now.start_ms - memory.last_ms)


def advanced(memory: Memory, now: Intervals, square: Floats, versus: Floats, odd: Floats, beyond: Floats) -> Memory:
    """Every running statistic, one interval later."""
    first, x = memory.seen == 0, now.mean
    elapsed, paced = _elapsed_ms(memory, now), pace_ms(memory, now)
    scale = np.sqrt(square)
    limited, last, extreme = tamed(np.stack((x, memory.last, extreme_of(now))), memory)
    hour, hours_3, _, day, week, weeks_3 = gains = _gain(paced, _SPANS_MS, memory)
    shift, strange = np.minimum(np.maximum(np.stack((versus, odd)), -_MOST_SHIFT), _MOST_SHIFT)
    step = np.where(first, 0.0, np.abs(limited - last))
    still = (now.high - now.low <= SAME * scale) & ~first
    flat = still & (np.abs(x - memory.last) <= SAME * scale)
    zero = still & (np.abs(x) <= SAME * scale)
    shifts: Floats = np.stack(list(memory[_SHIFTS]))
    shifts += gains[:4] * (shift - shifts)
    return memory._replace(
        seen=memory.seen + 1.0,
        first_ms=np.where(first, now.start_ms, memory.first_ms),
        last_ms=now.start_ms.astype(np.float64),
        last=x,
        centre=memory.centre + weeks_3 * (limited - memory.centre),
        square=square,
        peak=np.maximum(extreme, memory.peak * (1.0 - 0.25 * week)),
        **dict(zip(Memory._fields[_SHIFTS], shifts, strict=True)),
        odd_3h=memory.odd_3h + hours_3 * (strange - memory.odd_3h),
        odd_24h=memory.odd_24h + day * (strange - memory.odd_24h),
        beyond_3h=memory.beyond_3h + hours_3 * (beyond - memory.beyond_3h),
        wobble=memory.wobble + week * (np.abs(shift) - memory.wobble),
        step_hour=memory.step_hour + hour * (step - memory.step_hour),
        step_usual=memory.step_usual + week * (step - memory.step_usual),
        flat_ms=np.where(flat, memory.flat_ms + elapsed, 0.0),
        flat_usual_ms=_longest(memory.flat_usual_ms, memory.flat_ms, flat, now, week),
        zero_ms=np.where(zero, memory.zero_ms + elapsed, 0.0),
        zero_usual_ms=_longest(memory.zero_usual_ms, memory.zero_ms, zero, now, week),
        gap_usual_ms=memory.gap_usual_ms + day * (_short_gap_ms(memory, now) - memory.gap_usual_ms),
    )


def _short_gap_ms(memory: Memory, now: Intervals) -> Floats:
    return np.where(memory.seen == 0, 0.0, np.minimum(gap_before_ms(memory, now), HOUR_MS))


_SHIFTS: Final = slice(Memory._fields.index("shift_1h"), Memory._fields.index("shift_24h") + 1)


class Surroundings(NamedTuple):
    """A condition of the site (temperature, occupancy) against its own weeks; M values each."""

    seen: Floats
    usual: Floats
    difference: Floats

    @classmethod
    def of(cls, value: Floats | None, seen: Floats, usual: Floats, paced_ms: Floats) -> Self:
        """The condition, one interval later; an unknown one differs by 0."""
        if value is None:
            return cls(seen, usual, np.zeros(len(seen)))
        known = ~np.isnan(value)
        gain = np.maximum(paced_ms / (3 * _WEEK_MS + paced_ms), 1.0 / (seen + 1.0))
        usual = np.where(known, usual + gain * (value - usual), usual)
        return cls(seen + known, usual, np.where(known, value - usual, 0.0))


class Sizes(NamedTuple):
    """Rates of M meters as sizes: free of scale, and equal ratios equally far apart."""

    level: Floats
    high: Floats
    low: Floats
    spread: Floats
    extreme: Floats
    peak: Floats
    before: Floats
    usual: Floats
    kind: Floats
    day: Floats
    yesterday: Floats
    week_low: Floats
    week_high: Floats
    month_low: Floats
    month_high: Floats
    floor: Floats
    floor_high: Floats

    @classmethod
    def of(cls, memory: Memory, expected: Expected, now: Intervals, unit: Floats) -> Self:
        """What is unknown is taken as what is nearest to it: the usual, or the interval itself."""
        x = now.mean
        before = np.where(memory.seen == 0, x, memory.last)
        centre = np.where(memory.seen == 0, x, memory.centre)
        usual = or_else(expected.week, or_else(expected.kind, or_else(expected.day, centre)))
        rates = np.stack((
            *(x, now.high, now.low, now.spread, extreme_of(now), np.where(memory.seen == 0, x, memory.peak), before),
            *(usual, *(or_else(known, usual) for known in (expected.kind, expected.day, expected.yesterday))),
            *(or_else(known, x) for known in expected[_ENVELOPE]),
            *(floor := np.fmin(x, expected.floor_before), or_else(expected.floor_high, floor)),
        ))  # fmt: skip
        return cls(*as_size(rates / unit))


def tamed(x: Floats, memory: Memory) -> Floats:
    """One wild interval must not move the scale far: bounded influence."""
    limit = np.where((memory.seen >= _SETTLED) & (memory.peak > 0), _MOST_GROWTH * memory.peak, np.inf)
    return np.minimum(np.maximum(x, -limit), limit)


def extreme_of(now: Intervals) -> Floats:
    """The largest rate within each interval, whatever its sign."""
    return np.maximum(np.abs(now.high), np.abs(now.low))


def _gain(paced_ms: Floats, span_ms: Floats | int, memory: Memory) -> Floats:
    """The weight of a new value in a running mean over about `span_ms`."""
    return np.maximum(paced_ms / (span_ms + paced_ms), 1.0 / (memory.seen + 1.0))


def gap_before_ms(memory: Memory, now: Intervals) -> Floats:
    """Time without data between the interval before and this one."""
    return np.maximum(now.start_ms - memory.last_ms - now.length_ms, 0.0)


def _longest(usual_ms: Floats, run_ms: Floats, goes_on: npt.NDArray[np.bool_], now: Intervals, fade: Floats) -> Floats:
    """The longest run of the last weeks: grows when a run ends, fades slowly."""
    ended = np.where(goes_on, 0.0, np.minimum(run_ms, 4.0 * (usual_ms + now.length_ms)))
    return np.maximum(ended, usual_ms * (1.0 - 0.25 * fade))
