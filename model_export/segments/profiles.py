"""The daily profile of a meter: when it uses what it uses, whatever that amounts to.

A profile has two rows, workdays and weekends, of one number per interval of
the local day, in units of the meter's own mean: 2.0 at 18:00 is twice its
average. A tenth of the days, at least one, is left out at either end,
interval by interval, so that a holiday or a party does not shape it; bank
holidays count as the weekday they fall on.
"""

from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from model_export.errors import DataError
from wattline.intervals import Floats, Integers, Intervals

DAY_MS: Final = 86_400_000
MIN_DAYS: Final = 14
MIN_WORKDAYS: Final = 5
MIN_WEEKEND_DAYS: Final = 2
MIN_INTERVAL_MS: Final = 300_000
MAX_INTERVAL_MS: Final = 4 * 3_600_000
WORKDAYS: Final = 5
"""Of the seven days of a week, Monday first."""
_FULL: Final = 0.9
"""Share of a day's intervals that must be there; the day on which clocks go forward has 46 of 48."""
_TRIMMED: Final = 0.1
_FLATTEST: Final = 1e-6
_THURSDAY: Final = 3
"""1970-01-01."""
_SMOOTHED_BELOW_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Clock:
    """How profiles cut time.

    Attributes:
        interval_ms: Length of an interval; a whole part of a day.
        time_zone: IANA name; the day of a meter is in it.
    """

    interval_ms: int
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        if not MIN_INTERVAL_MS <= self.interval_ms <= MAX_INTERVAL_MS or DAY_MS % self.interval_ms:
            raise DataError("--interval: profiles need a whole part of a day from 5m to 4h")
        try:
            ZoneInfo(self.time_zone)
        except (KeyError, ValueError, OSError):
            raise DataError(f"--time-zone {self.time_zone}: no such zone, such as Europe/London") from None

    @property
    def slots(self) -> int:
        """Intervals in a day."""
        return DAY_MS // self.interval_ms

    def local_ms(self, t_ms: Integers) -> Integers:
        """What the clock on the wall shows at each time, as ms since 1970-01-01 there."""
        if self.time_zone == "UTC":
            return t_ms
        utc = pl.Series(t_ms).cast(pl.Datetime("ms")).dt.replace_time_zone("UTC")
        wall = utc.dt.convert_time_zone(self.time_zone).dt.replace_time_zone(None)
        return wall.cast(pl.Int64).to_numpy().astype(np.int64)


@dataclass(frozen=True, slots=True)
class Profile:
    """The shape of a meter's days.

    Attributes:
        meter: Its name.
        shape: float64[2, S]: workdays and weekends; the mean over a week is 1.
        days: Full days that it was made of.
    """

    meter: str
    shape: Floats
    days: int


@dataclass(frozen=True, slots=True)
class Excluded:
    """A meter without a profile.

    Attributes:
        reason: `no_values`, `too_few_days`, `constant`, `not_positive`, or one of cleaning's.
        detail: More of it, for a person.
    """

    meter: str
    reason: str
    detail: str


def daily_profile(meter: str, intervals: Intervals, clock: Clock) -> Profile | Excluded:
    """The profile of one meter, or why it has none.

    Args:
        meter: Its name.
        intervals: Its intervals, each `clock.interval_ms` long, in any order.
        clock: How days are cut.
    """
    finite = np.isfinite(intervals.mean)
    if not finite.any():
        return Excluded(meter, "no_values", "no value is a number")
    weekday, days = _full_days(clock.local_ms(intervals.start_ms[finite]), intervals.mean[finite], clock)
    workdays, weekends = days[weekday < WORKDAYS], days[weekday >= WORKDAYS]
    had = f"{len(workdays)} full workdays and {len(weekends)} at weekends"
    if len(days) < MIN_DAYS or len(workdays) < MIN_WORKDAYS or len(weekends) < MIN_WEEKEND_DAYS:
        return Excluded(meter, "too_few_days", had)
    rates = np.stack([_smoothed(_trimmed_mean(some), clock) for some in (workdays, weekends)])
    level = float(week_mean(rates).mean())
    if np.ptp(rates) <= _FLATTEST * abs(level):
        return Excluded(meter, "constant", f"the same through all of {had}")
    if level <= 0.0:
        return Excluded(meter, "not_positive", f"gives back more than it takes on {had}")
    return Profile(meter, rates / level, len(days))


def week_mean(shape: Floats) -> Floats:
    """The mean day of a week, float64[..., S], of workdays and weekends, float64[..., 2, S]."""
    mean: Floats = (WORKDAYS * shape[..., 0, :] + (7 - WORKDAYS) * shape[..., 1, :]) / 7
    return mean


def _full_days(local_ms: Integers, rate: Floats, clock: Clock) -> tuple[Integers, Floats]:
    """Weekday (Monday is 0) and intervals of each nearly complete day; NaN where one is missing."""
    day, row = np.unique(local_ms // DAY_MS, return_inverse=True)
    cell = row * clock.slots + local_ms % DAY_MS // clock.interval_ms
    size = len(day) * clock.slots
    count = np.bincount(cell, minlength=size).reshape(-1, clock.slots)
    total = np.bincount(cell, weights=rate, minlength=size).reshape(-1, clock.slots)
    # The hour that comes twice in autumn counts once, as its mean.
    mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    full = (count > 0).sum(axis=1) >= _FULL * clock.slots
    weekday: Integers = (day[full] + _THURSDAY) % 7
    return weekday, mean[full]


def _trimmed_mean(days: Floats) -> Floats:
    """Mean over days without the lowest and the highest tenth, interval by interval."""
    ordered = np.sort(days, axis=0)
    known = np.isfinite(ordered).sum(axis=0)
    cut = np.minimum(np.ceil(_TRIMMED * known).astype(np.int64), np.maximum(known - 1, 0) // 2)
    place = np.arange(len(days))[:, None]
    kept = (place >= cut) & (place < known - cut)
    mean: Floats = np.where(kept, ordered, 0.0).sum(axis=0) / np.maximum(kept.sum(axis=0), 1)
    slots, there = np.arange(len(mean)), np.flatnonzero(known)
    # A full day may lack some intervals, and they may be the same every day.
    return np.interp(slots, there, mean[there], period=len(mean))


def _smoothed(day: Floats, clock: Clock) -> Floats:
    """Supper half an hour later is no other way of life: neighbours of short intervals are mixed 1:2:1."""
    if clock.interval_ms >= _SMOOTHED_BELOW_MS:
        return day
    smooth: Floats = (np.roll(day, 1) + 2 * day + np.roll(day, -1)) / 4
    return smooth
