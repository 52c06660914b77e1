"""Faults put into series of intervals, seeded, with their labels: for meters of which nothing is known to be wrong.

The simulators' own faults act on samples and know how much a watt is; these
act on intervals of any quantity, in sizes of the meter itself, so that real
half-hourly amounts can have them too.

| kind | what happens |
|---|---|
| `spike` | one interval at 3 to 10 times the meter's highest rate |
| `stuck` | the last value, repeated for 6 to 24 hours |
| `drop_out` | 2 to 24 hours of intervals are missing |
| `drift` | an error that grows to +-30..60 % of the value over two weeks, then ends |
| `night_load` | 30 to 100 % of the meter's mean more from 23 h to 5 h, for 3 to 7 nights |
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from model_export.alarm_matching import Bools
from model_export.dataset import FaultSpan, MeterSeries
from wattline.intervals import HOUR_MS, Floats, Intervals, concatenate

DAY_MS: Final = 24 * HOUR_MS
SETTLED_MS: Final = 28 * DAY_MS
"""No fault before: a detector that knows a meter for so long knows all that it ever will."""
EVERY_DAYS: Final = 42
"""One fault in each such stretch of time: the one before is forgotten, as rare faults are in life."""
_SETTLED_SHARE: Final = 1 / 3
"""Of a series too short for that, this much."""
_LATEST_START_DAYS: Final = 14
_NIGHT_START_H: Final = 23
_NIGHT_HOURS: Final = 6

Luck = np.random.Generator


@dataclass(frozen=True, slots=True)
class _Kind:
    """For how long a fault of a kind lasts, and what it does.

    Attributes:
        hours: Its shortest and longest duration; (0, 0) is one interval.
        does: Gives the intervals of the fault with the fault.
        nights: Where it lasts for nights instead: fewest, and one more than most.
    """

    hours: tuple[int, int]
    does: Callable[["_Meter", Intervals, Luck], Intervals]
    nights: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class _Meter:
    """What the sizes of faults go by.

    Attributes:
        mean: Mean rate.
        peak: Highest rate.
        before: Rate of the interval before the fault.
        start_ms: When the fault starts.
        end_ms: When it ends.
    """

    mean: float
    peak: float
    before: float
    start_ms: int
    end_ms: int


def with_faults(series: MeterSeries, kind: str, seed: int) -> MeterSeries:
    """The same meter with faults of one kind, where they change anything.

    Args:
        series: Intervals in time order.
        kind: One of `KINDS`.
        seed: Decides when and how, together with the meter's name and the kind.
    """
    recipe, cut = KINDS[kind], series.intervals
    if not len(cut) or float(cut.mean.max()) <= 0:
        return replace(series, faults=(), labels=None)
    luck = np.random.default_rng((seed, zlib.crc32(f"{kind} {series.name}".encode())))
    mean, peak = float(cut.mean.mean()), float(cut.mean.max())
    spans: list[FaultSpan] = []
    for start_ms, end_ms in _spans(cut, recipe, luck):
        first, last = np.searchsorted(cut.start_ms, (start_ms, end_ms)).tolist()
        inside = np.zeros(len(cut), np.bool_)
        inside[first:last] = True
        if not 0 < first < last:
            continue
        meter = _Meter(mean, peak, float(cut.mean[first - 1]), start_ms, end_ms)
        faulty = _spliced(cut, inside, recipe.does(meter, cut.take(inside), luck))
        if len(faulty) != len(cut) or not np.array_equal(faulty.mean, cut.mean):
            spans.append(FaultSpan(kind, start_ms, end_ms))
            cut = faulty
    return replace(series, intervals=cut, faults=tuple(spans), labels=None)


def _spans(cut: Intervals, kind: _Kind, luck: Luck) -> list[tuple[int, int]]:
    """When faults start and end: one at the beginning of each stretch that has room for it."""
    begin, end = int(cut.start_ms[0]), int(cut.start_ms[-1])
    settled = begin + min(SETTLED_MS, int((end - begin) * _SETTLED_SHARE))
    interval_ms = int(cut.length_ms[0])
    spans = []
    for slot_ms in range(settled, end, EVERY_DAYS * DAY_MS):
        least, most = kind.hours
        duration_ms = max(int(luck.uniform(least, most) * HOUR_MS) // interval_ms * interval_ms, interval_ms)
        offset_ms = int(luck.uniform(0, _LATEST_START_DAYS) * DAY_MS)
        start_ms = (slot_ms + offset_ms) // interval_ms * interval_ms
        if kind.nights:
            start_ms = start_ms // DAY_MS * DAY_MS + _NIGHT_START_H * HOUR_MS
            duration_ms = (int(luck.integers(*kind.nights)) - 1) * DAY_MS + _NIGHT_HOURS * HOUR_MS
        if start_ms + duration_ms < end:
            spans.append((start_ms, start_ms + duration_ms))
    return spans


def _spliced(cut: Intervals, inside: Bools, faulty: Intervals) -> Intervals:
    """The intervals with those `inside` replaced; fewer where some are missing."""
    place, (first, last) = np.arange(len(cut)), np.flatnonzero(inside)[[0, -1]]
    return concatenate([cut.take(place < first), faulty, cut.take(place > last)])


def _spike(meter: _Meter, cut: Intervals, luck: Luck) -> Intervals:
    return _shifted(cut, luck.uniform(3, 10) * meter.peak - cut.mean)


def _stuck(meter: _Meter, cut: Intervals, luck: Luck) -> Intervals:
    del luck
    value = np.full(len(cut), meter.before)
    return replace(cut, mean=value, low=value, high=value, spread=np.zeros(len(cut)))


def _drop_out(meter: _Meter, cut: Intervals, luck: Luck) -> Intervals:
    del meter, luck
    return cut.take(np.zeros(len(cut), np.bool_))


def _drift(meter: _Meter, cut: Intervals, luck: Luck) -> Intervals:
    size = luck.uniform(0.3, 0.6) * luck.choice((-1.0, 1.0))
    growth = 1.0 + size * (cut.start_ms - meter.start_ms) / (meter.end_ms - meter.start_ms)
    return replace(
        cut, mean=cut.mean * growth, low=cut.low * growth, high=cut.high * growth, spread=cut.spread * growth
    )


def _night_load(meter: _Meter, cut: Intervals, luck: Luck) -> Intervals:
    night = (cut.start_ms - _NIGHT_START_H * HOUR_MS) % DAY_MS < _NIGHT_HOURS * HOUR_MS
    return _shifted(cut, np.where(night, luck.uniform(0.3, 1.0) * meter.mean, 0.0))


def _shifted(cut: Intervals, by: Floats) -> Intervals:
    return replace(cut, mean=cut.mean + by, low=cut.low + by, high=cut.high + by)


KINDS: Final = {
    "spike": _Kind((0, 0), _spike),
    "stuck": _Kind((6, 24), _stuck),
    "drop_out": _Kind((2, 24), _drop_out),
    "drift": _Kind((14 * 24, 14 * 24), _drift),
    "night_load": _Kind((0, 0), _night_load, nights=(3, 8)),
}
"""What can be put into a series."""
