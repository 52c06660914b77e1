"""Four weeks of every meter, half hour by half hour, and what they let expect of the next one.

Times are half hours of local time since 1970. The ring holds one day more
than four weeks, so that the same half hour four weeks ago is still there while
the present one is written. Only order statistics and running means are used:
they give the same bits for every batch size and on every machine.
"""

from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from wattline.intervals import Floats, Integers

HALF_HOUR_MS: Final = 1_800_000
PER_DAY: Final = 48
WEEKS: Final = 4
_PER_WEEK: Final = 7 * PER_DAY
_RING: Final = (7 * WEEKS + 1) * PER_DAY
_AROUND: Final = np.arange(-2, 3)
"""An hour to each side: people do the same things at slightly other times."""
_THREE_HOURS: Final = np.arange(-5, 1)
_ODD_DAYS: Final = 2
"""So many odd days in four weeks do not make such a day usual."""
_DAYS: Final = np.arange(1, 7 * WEEKS + 1)
_KIND_DAYS: Final = 14
_LEAST_WEEKS: Final = 2
_MOST: Final = 1e30
_SATURDAY: Final = 5
_EPOCH_WEEKDAY: Final = 3
"""1970-01-01 was a Thursday; Monday is 0."""


class _Table(IntEnum):
    """What is kept of each half hour."""

    MEAN = 0
    DEVIATION = 1
    LOW = 2
    HIGH = 3


class _Place(IntEnum):
    """Where each meter is: the present half hour, the newest booked, the intervals booked in the present one."""

    AT = 0
    NEWEST = 1
    COUNT = 2


class Expected(NamedTuple):
    """What the past says of the present half hour of M meters; NaN where it does not tell.

    Attributes:
        week: Median rate of the last four equal weekdays, of which two must be known.
        kind: Median rate of the last two weeks' days of the same kind, workday or weekend.
        day: Median rate of the last seven days.
        yesterday: Rate of the day before.
        wobble: Median deviation at this half hour in four weeks.
        week_low: Lowest interval on the last four equal weekdays, an hour around.
        week_high: Highest interval there.
        month_low: Lowest interval in four weeks, an hour around.
        month_high: Highest interval there.
        floor_before: Lowest half hour of the two and a half hours before this one.
        floor_high: Of four weeks' lowest half hours in such three hours, the third highest.
        weeks: How many of the last four equal weekdays are known.
    """

    week: Floats
    kind: Floats
    day: Floats
    yesterday: Floats
    wobble: Floats
    week_low: Floats
    week_high: Floats
    month_low: Floats
    month_high: Floats
    floor_before: Floats
    floor_high: Floats
    weeks: Floats


class SlotHistory:
    """The half hours of M meters; rates in each meter's own unit.

    Call order for an interval: `expected`, then `book`.
    """

    def __init__(self, meters: int = 0) -> None:
        """Start without history.

        Args:
            meters: Rows to begin with; `grow` adds more.
        """
        self._tables = np.full((len(_Table), meters, _RING), np.nan, np.float32)
        self._place = np.zeros((len(_Place), meters), np.int64)
        self._expected = np.full((len(Expected._fields), meters), np.nan)

    @property
    def meters(self) -> int:
        """How many rows there are."""
        return self._tables.shape[1]

    def grow(self, meters: int) -> None:
        """Have at least `meters` rows; old ones stay where they are."""
        missing = meters - self.meters
        if missing > 0:
            more = SlotHistory(missing)
            self._tables = np.concatenate((self._tables, more._tables), axis=1)
            self._place = np.concatenate((self._place, more._place), axis=1)
            self._expected = np.concatenate((self._expected, more._expected), axis=1)

    def expected(self, meter: Integers, half_hour: Integers) -> Expected:
        """What the past lets expect of each meter's half hour.

        Args:
            meter: M different rows.
            half_hour: The present half hour of each, never before an earlier one.
        """
        fresh = self._place[_Place.AT, meter] != half_hour
        if fresh.any():
            self._turn(meter[fresh], half_hour[fresh])
        return Expected(*self._expected[:, meter])

    def book(self, meter: Integers, half_hour: Integers, length_ms: Integers, rate: Floats, deviation: Floats) -> None:
        """Remember an interval of each meter.

        Args:
            meter: M different rows.
            half_hour: As given to `expected` just before.
            length_ms: Length; a long interval is remembered in every half hour that it covers, up to a day.
            rate: Mean rate.
            deviation: How far it is from what was expected, at least 0.
        """
        covered = np.clip(length_ms // HALF_HOUR_MS, 1, PER_DAY)
        count = self._place[_Place.COUNT, meter] + 1
        value = np.minimum(np.maximum(rate, -_MOST), _MOST)
        before = self._tables[:, meter, half_hour % _RING].astype(np.float64)
        mean, strayed = np.where(np.isnan(before[:2]), 0.0, before[:2])
        entry = np.stack((
            mean + (value - mean) / count,
            strayed + (deviation - strayed) / count,
            np.fmin(before[_Table.LOW], value),
            np.fmax(before[_Table.HIGH], value),
        )).astype(np.float32)  # fmt: skip
        for further in range(int(covered.max(initial=1))):
            fits = covered > further
            self._tables[:, meter[fits], (half_hour[fits] + further) % _RING] = entry[:, fits]
        self._place[_Place.NEWEST, meter] = half_hour + covered - 1
        self._place[_Place.COUNT, meter] = count

    def export(self) -> dict[str, npt.NDArray[Any]]:
        """The whole history, for `restore`."""
        return {"half_hours": self._tables.copy(), "places": self._place.copy()}

    def restore(self, half_hours: npt.NDArray[Any], places: npt.NDArray[Any]) -> None:
        """Take over what `export` gave.

        Raises:
            ValueError: The arrays are no such history.
        """
        if half_hours.shape != (len(_Table), places.shape[-1], _RING) or len(places) != len(_Place):
            raise ValueError("a feature state without four weeks of half hours")
        if np.isinf(half_hours).any():
            raise ValueError("a feature state with endless values")
        self._tables, self._place = half_hours.astype(np.float32), places.astype(np.int64)
        self._expected = np.full((len(Expected._fields), self.meters), np.nan)
        known = np.flatnonzero(self._place[_Place.COUNT])
        self._expected[:, known] = np.stack(self._expectation(known, self._place[_Place.AT, known]))

    def _turn(self, meter: Integers, half_hour: Integers) -> None:
        """Begin another half hour: forget what lies in its place and in those skipped."""
        skipped = np.clip(half_hour - self._place[_Place.NEWEST, meter], 0, _RING)
        everything = skipped == _RING
        self._tables[:, meter[everything]] = np.nan
        skipped[everything] = 0  # a place each of four weeks of all meters would be a third of a gigabyte
        offset = np.arange(skipped.sum()) - np.repeat(np.cumsum(skipped) - skipped, skipped)
        self._tables[:, np.repeat(meter, skipped), (np.repeat(half_hour, skipped) - offset) % _RING] = np.nan
        self._place[_Place.AT, meter], self._place[_Place.COUNT, meter] = half_hour, 0
        self._expected[:, meter] = np.stack(self._expectation(meter, half_hour))

    def _expectation(self, meter: Integers, half_hour: Integers) -> Expected:
        days = half_hour[:, None] - PER_DAY * _DAYS
        mean, deviation = self._tables[:2, meter[:, None], days % _RING].astype(np.float64)
        around = (days[:, :, None] + _AROUND) % _RING
        low, high = self._tables[2:, meter[:, None, None], around].astype(np.float64)
        low, high = np.fmin.reduce(low, axis=2), np.fmax.reduce(high, axis=2)
        hours = self._tables[_Table.MEAN, meter[:, None, None], (days[:, :, None] + _THREE_HOURS) % _RING]
        before = self._tables[_Table.MEAN, meter[:, None], (half_hour[:, None] + _THREE_HOURS[:-1]) % _RING]
        hours, before = hours.astype(np.float64), before.astype(np.float64)
        weekly = mean[:, 6::7]
        weeks = (~np.isnan(weekly)).sum(axis=1)
        # One equal weekday is an example, no rule.
        one = (weeks < _LEAST_WEEKS)[:, None]
        same_kind = weekend(days) == weekend(half_hour)[:, None]
        several = np.full((4, *mean.shape), np.nan)
        several[0, :, :WEEKS] = np.where(one, np.nan, weekly)
        several[1, :, :_KIND_DAYS] = np.where(same_kind, mean, np.nan)[:, :_KIND_DAYS]
        several[2, :, :7] = mean[:, :7]
        several[3] = deviation
        week, kind, day, wobble = _median(several)
        return Expected(
            week=week,
            kind=kind,
            day=day,
            yesterday=mean[:, 0],
            wobble=wobble,
            week_low=np.fmin.reduce(low[:, 6::7], axis=1),
            week_high=np.fmax.reduce(high[:, 6::7], axis=1),
            month_low=np.fmin.reduce(low, axis=1),
            month_high=np.fmax.reduce(high, axis=1),
            floor_before=np.fmin.reduce(before, axis=1),
            floor_high=_third_highest(np.fmin.reduce(hours, axis=2)),
            weeks=weeks.astype(np.float64),
        )


def weekend(half_hour: Integers) -> npt.NDArray[np.bool_]:
    """Whether half hours are on a Saturday or Sunday."""
    return np.asarray((half_hour // PER_DAY + _EPOCH_WEEKDAY) % 7 >= _SATURDAY)


def _median(values: Floats) -> Floats:
    """Median over the last axis without its NaN; NaN where nothing else is there."""
    ordered = np.sort(values, axis=-1)
    known = (~np.isnan(values)).sum(axis=-1)[..., None]
    low = np.take_along_axis(ordered, np.maximum(known - 1, 0) // 2, axis=-1)
    high = np.take_along_axis(ordered, np.minimum(known // 2, values.shape[-1] - 1), axis=-1)
    return np.asarray(((low + high) / 2)[..., 0])


def _third_highest(values: Floats) -> Floats:
    """The third highest of each row, NaN where only two are known."""
    return np.asarray(-np.sort(-values, axis=1)[:, _ODD_DAYS])
