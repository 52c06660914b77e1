"""Local time and public holidays of the intervals around the instant of a forecast."""

import logging
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from wattline.forecasting.port import HISTORY_MS, HORIZON_MS, Calendar, Int64s

_log: Final = logging.getLogger("wattline.forecasting")
_MINUTE_MS: Final = 60_000
_DAY_MS: Final = 86_400_000
_EPOCH_WEEKDAY: Final = 3
"""1970-01-01 was a Thursday; Monday is 0."""

Holidays = Callable[[str, int], AbstractSet[date]]
"""Public holidays of a country (ISO 3166, with or without a subdivision) in a year."""


@lru_cache(maxsize=1024)
def public_holidays(country: str, year: int) -> frozenset[date]:
    """Public holidays as the package `holidays` knows them; none where it is not installed or knows no such country.

    Args:
        country: ISO 3166 code such as GB, or with a subdivision such as DE-BY; "" for none.
        year: Of the Gregorian calendar.
    """
    if not country:
        return frozenset()
    try:
        import holidays
    except ModuleNotFoundError:
        _log.warning("holidays_unknown country=%s reason=package_missing", country)
        return frozenset()
    code, _, part = country.partition("-")
    try:
        return frozenset(holidays.country_holidays(code, subdiv=part or None, years=year))
    except NotImplementedError:
        _log.warning("holidays_unknown country=%s reason=country_unknown", country)
        return frozenset()


def calendar_of(
    zone: str, country: str, issued_ms: int, interval_ms: int, holidays: Holidays = public_holidays
) -> Calendar:
    """The calendar of the history before `issued_ms` and of the horizon after it.

    Args:
        zone: IANA name of the time zone.
        country: Whose public holidays count; "" for none.
        issued_ms: ms UTC, a multiple of `interval_ms`.
        interval_ms: Length of the intervals.
        holidays: Tells a country's public holidays in a year.
    """
    before, after = HISTORY_MS // interval_ms, HORIZON_MS // interval_ms
    return local_calendar(zone, country, issued_ms + np.arange(-before, after) * interval_ms, holidays)


def local_calendar(zone: str, country: str, start_ms: Int64s, holidays: Holidays = public_holidays) -> Calendar:
    """The calendar of intervals that begin at `start_ms`, int64[M], ascending; see `calendar_of`."""
    local_ms = start_ms + _offset_ms(ZoneInfo(zone), start_ms)
    day = local_ms // _DAY_MS
    days, row = np.unique(day, return_inverse=True)
    dates = [date.fromordinal(_EPOCH_ORDINAL + int(one)) for one in days]
    return Calendar(
        minute_of_day=local_ms % _DAY_MS // _MINUTE_MS,
        day_of_week=(day + _EPOCH_WEEKDAY) % 7,
        day_of_year=np.array([one.timetuple().tm_yday for one in dates], np.int64)[row],
        holiday=np.array([one in holidays(country, one.year) for one in dates], np.bool_)[row],
    )


_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()


def _offset_ms(zone: ZoneInfo, at_ms: Int64s) -> Int64s:
    """The zone's offset from UTC at each instant; no zone changes it twice within a day."""
    first, last = int(at_ms[0]) // _DAY_MS, int(at_ms[-1]) // _DAY_MS + 1
    at_midnight = np.array([_offset_at(zone, day * _DAY_MS) for day in range(first, last + 1)], np.int64)
    day = at_ms // _DAY_MS - first
    offset: Int64s = at_midnight[day]
    for i in np.flatnonzero(at_midnight[day + 1] != offset):
        offset[i] = _offset_at(zone, int(at_ms[i]))
    return offset


def _offset_at(zone: ZoneInfo, at_ms: int) -> int:
    offset = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).utcoffset()
    return round(offset.total_seconds() * 1000) if offset else 0
