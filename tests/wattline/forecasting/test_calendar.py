"""Local time and holidays of intervals."""

import sys
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.forecasting.calendar import calendar_of, local_calendar, public_holidays

HOUR_MS = 3_600_000


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@given(
    zone=st.sampled_from(
        ["UTC", "Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca"]
    ),
    start=st.integers(ms("2012-01-01"), ms("2030-01-01")),
    interval_ms=st.sampled_from([HOUR_MS // 2, HOUR_MS]),
)
def test_local_time_is_that_of_the_time_zone(zone: str, start: int, interval_ms: int) -> None:
    at = start // interval_ms * interval_ms + np.arange(100) * interval_ms
    told = local_calendar(zone, "", at)
    local = [datetime.fromtimestamp(int(one) / 1000, UTC).astimezone(ZoneInfo(zone)) for one in at]
    assert told.minute_of_day.tolist() == [one.hour * 60 + one.minute for one in local]
    assert told.day_of_week.tolist() == [one.weekday() for one in local]
    assert told.day_of_year.tolist() == [one.timetuple().tm_yday for one in local]


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [("Europe/London", "2026-03-29", 23), ("Europe/London", "2026-10-25", 25), ("UTC", "2026-10-25", 24)],
)
def test_days_of_a_clock_change_are_shorter_or_longer(zone: str, day: str, hours: int) -> None:
    start = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone))
    at = round(start.timestamp() * 1000) + np.arange(48) * HOUR_MS
    told = local_calendar(zone, "", at)
    assert (told.day_of_year == start.timetuple().tm_yday).sum() == hours


def test_it_covers_four_weeks_before_and_two_days_after() -> None:
    told = calendar_of("Europe/Berlin", "", ms("2026-07-01"), HOUR_MS)
    assert len(told.minute_of_day) == (28 + 2) * 24
    assert told.minute_of_day[28 * 24] == 2 * 60


@pytest.mark.parametrize(
    ("country", "day", "holiday"),
    [
        ("GB", "2026-12-25", True),
        ("GB", "2026-12-24", False),
        ("DE", "2026-10-03", True),
        ("DE", "2026-11-01", False),
        ("DE-BY", "2026-11-01", True),
        ("", "2026-12-25", False),
    ],
)
def test_public_holidays_are_the_countrys(country: str, day: str, holiday: bool) -> None:  # noqa: FBT001 (a column)
    at = ms(day) + np.arange(24) * HOUR_MS
    assert (local_calendar("UTC", country, at).holiday == holiday).all()


def test_holidays_can_be_told_instead() -> None:
    day = datetime(2026, 7, 7, tzinfo=UTC).date()
    at = ms("2026-07-06") + np.arange(72) * HOUR_MS
    told = local_calendar("UTC", "XX", at, lambda country, _: {day} if country == "XX" else set())
    assert told.holiday.tolist() == [False] * 24 + [True] * 24 + [False] * 24


def test_holidays_over_new_year_are_looked_up_in_both_years() -> None:
    at = ms("2025-12-31") + np.arange(48) * HOUR_MS
    assert local_calendar("UTC", "GB", at).holiday.tolist() == [False] * 24 + [True] * 24
    assert at[24] - at[0] == timedelta(days=1) // timedelta(milliseconds=1)


@pytest.mark.parametrize("country", ["ZZ", "DE-NO"])
def test_a_country_that_nobody_knows_has_no_holidays_and_is_told_of(
    country: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert public_holidays(country, 2031) == frozenset()
    assert f"country={country}" in caplog.text


def test_without_the_package_there_are_none(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "holidays", None)
    assert public_holidays("GB", 2032) == frozenset()
    assert "package_missing" in caplog.text
    public_holidays.cache_clear()
