"""Local days, weeks and months: half-open spans of time in a time zone, of 23 to 25 hours a day."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo


class Per(StrEnum):
    """What a budget or a reduction is counted over."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Period(NamedTuple):
    """A span of time [start, end), ms UTC."""

    start_ms: int
    end_ms: int


@lru_cache(maxsize=65_536)
def midnight_ms(zone: str, day: date) -> int:
    """The instant at which a local date begins, ms UTC."""
    local = datetime.combine(day, time(), ZoneInfo(zone))
    return round(local.astimezone(UTC).timestamp() * 1000)


def local_date(zone: str, at_ms: int) -> date:
    """The local date of an instant."""
    return datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone)).date()


@lru_cache(maxsize=65_536)
def period_at(zone: str, per: Per, at_ms: int) -> Period:
    """The local day, week (from Monday) or month that an instant is in."""
    day = local_date(zone, at_ms)
    if per is Per.DAY:
        first, after = day, day + timedelta(days=1)
    elif per is Per.WEEK:
        first = day - timedelta(days=day.weekday())
        after = first + timedelta(days=7)
    else:
        first = day.replace(day=1)
        after = (first + timedelta(days=31)).replace(day=1)
    return Period(midnight_ms(zone, first), midnight_ms(zone, after))


def days_of(zone: str, period: Period) -> Iterator[Period]:
    """The local days that a span touches, in order; the first and the last may reach beyond it."""
    day = local_date(zone, period.start_ms)
    start_ms = midnight_ms(zone, day)
    while start_ms < period.end_ms:
        day += timedelta(days=1)
        end_ms = midnight_ms(zone, day)
        yield Period(start_ms, end_ms)
        start_ms = end_ms


@lru_cache(maxsize=4096)
def next_wall_ms(zone: str, minute: int, after_ms: int) -> int:
    """The first instant after `after_ms` at which local clocks show a minute of the day.

    A time that the clocks leap over comes as long after the leap as it would have without; one that comes twice counts
    the first time.
    """
    day = local_date(zone, after_ms)
    for ahead in range(-1, 3):
        local = datetime.combine(day + timedelta(days=ahead), time(minute // 60, minute % 60), ZoneInfo(zone))
        at_ms = round(local.astimezone(UTC).timestamp() * 1000)
        if at_ms > after_ms:
            return at_ms
    raise AssertionError(zone, minute, after_ms)


def last_wall_ms(zone: str, minute: int, at_ms: int) -> int:
    """The last instant not after `at_ms` at which local clocks showed a minute of the day; see `next_wall_ms`."""
    found_ms = next_wall_ms(zone, minute, at_ms - 3 * 86_400_000)
    while (later_ms := next_wall_ms(zone, minute, found_ms)) <= at_ms:
        found_ms = later_ms
    return found_ms
