"""What is known of one series over the days that are looked at: values on a regular grid, and the site's own days."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from cloud_stream.records import Floats, Int64s
from cloud_stream.sites import day_start_ms

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
MIN_DAY_SHARE: Final = 0.9
"""A day of which less is known does not count."""
NOON_MS: Final = DAY_MS // 2


@dataclass(frozen=True, slots=True)
class Span:
    """The days that are looked at, in one time zone.

    Attributes:
        interval_ms: Length of an interval.
        day_start_ms: int64[D + 1]: starts of the local days, and the end of the last; they have 23 to 25 hours.
        start_ms: int64[N]: starts of all intervals between them.
        day: int64[N]: which day an interval is in.
        hour: int64[N]: the local hour that an interval starts in, 0 to 23.
        weekday: int64[D]: 0 is Monday.
    """

    interval_ms: int
    day_start_ms: Int64s
    start_ms: Int64s
    day: Int64s
    hour: Int64s
    weekday: Int64s

    @property
    def days(self) -> int:
        """How many days."""
        return len(self.weekday)


@dataclass(frozen=True, slots=True)
class History:
    """One meter or site over a span; NaN is missing everywhere.

    Attributes:
        energy_kwh: float64[N]: consumption of each interval.
        occupancy: float64[N]: people present.
        temperature_c: float64[D]: mean outdoor temperature of each day.
        temperature_source: Where it is from, for a person; "" for nowhere.
    """

    span: Span
    energy_kwh: Floats
    occupancy: Floats
    temperature_c: Floats
    temperature_source: str


@lru_cache(maxsize=64)
def span_before(zone: str, now_ms: int, days: int, interval_ms: int) -> Span:
    """The last whole local days before an instant.

    Args:
        zone: IANA name.
        now_ms: The instant; its own day is not among them.
        days: How many.
        interval_ms: Divides an hour, or is a multiple of one.
    """
    starts = [day_start_ms(zone, now_ms)]
    while len(starts) <= days:
        # Noon of the day before is in that day, however long it was.
        starts.append(day_start_ms(zone, starts[-1] - NOON_MS))
    borders = np.array(starts[::-1], np.int64)
    first_ms = -(-borders[0] // interval_ms) * interval_ms
    start_ms = np.arange(first_ms, borders[-1], interval_ms, dtype=np.int64)
    day = np.searchsorted(borders, start_ms, "right") - 1
    tz = ZoneInfo(zone)
    hours = [datetime.fromtimestamp(t / 1000, tz).hour for t in start_ms.tolist()]
    weekdays = [datetime.fromtimestamp((t + NOON_MS) / 1000, tz).weekday() for t in borders[:-1].tolist()]
    return Span(interval_ms, borders, start_ms, day, np.array(hours, np.int64), np.array(weekdays, np.int64))


def on_grid(span: Span, t_ms: npt.ArrayLike, values: npt.ArrayLike) -> Floats:
    """Values of single intervals on the span's grid.

    Args:
        span: The grid.
        t_ms: Starts of intervals; what is off the grid or outside is left out.
        values: One for each.

    Returns:
        float64[N]; NaN where nothing was given.
    """
    grid = np.full(len(span.start_ms), np.nan)
    at = np.asarray(t_ms, np.int64) - (span.start_ms[0] if len(grid) else 0)
    place, rest = np.divmod(at, span.interval_ms)
    fits = (rest == 0) & (place >= 0) & (place < len(grid))
    grid[place[fits]] = np.asarray(values, np.float64)[fits]
    return grid


def day_sums(span: Span, values: Floats) -> Floats:
    """float64[D]: sums of whole days.

    A day of which at most a tenth is missing is scaled up; one of which more is missing is NaN.
    """
    mean, known = _day_means(span, values)
    of = np.bincount(span.day, minlength=span.days)
    return np.where(known >= MIN_DAY_SHARE * of, mean * of, np.nan)


def day_means(span: Span, values: Floats) -> Floats:
    """float64[D]: means of days; NaN where less than nine tenths are known."""
    mean, known = _day_means(span, values)
    return np.where(known >= MIN_DAY_SHARE * np.bincount(span.day, minlength=span.days), mean, np.nan)


def day_means_of_hours(span: Span, t_ms: npt.ArrayLike, values: npt.ArrayLike) -> Floats:
    """float64[D]: means of hourly values at any times; NaN for days that lack more than a tenth of them."""
    times, hourly = np.asarray(t_ms, np.int64), np.asarray(values, np.float64)
    day = np.searchsorted(span.day_start_ms, times, "right") - 1
    inside = (day >= 0) & (day < span.days) & np.isfinite(hourly)
    known = np.bincount(day[inside], minlength=span.days)
    total = np.bincount(day[inside], hourly[inside], minlength=span.days)
    hours = np.diff(span.day_start_ms) / HOUR_MS
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known >= MIN_DAY_SHARE * hours, total / known, np.nan)


def _day_means(span: Span, values: Floats) -> tuple[Floats, Int64s]:
    good = np.isfinite(values)
    known = np.bincount(span.day[good], minlength=span.days)
    total = np.bincount(span.day[good], values[good], minlength=span.days)
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / known, known


def day_text(zone: str, start_ms: int) -> str:
    """A local day for a person: "2026-11-20"."""
    return datetime.fromtimestamp(start_ms / 1000, UTC).astimezone(ZoneInfo(zone)).date().isoformat()
