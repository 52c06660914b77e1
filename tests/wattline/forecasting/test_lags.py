"""The same local time some days before."""

import numpy as np
import pytest

from tests.wattline.forecasting.scenes import AFTER_CHANGE_MS, ISSUED_MS
from wattline.forecasting.calendar import calendar_of
from wattline.forecasting.lags import lag_columns

HALF_HOUR_MS = 1_800_000
IN_AUTUMN_MS = 1_793_404_800_000
"""2026-10-31T00:00Z, six days after the clocks in Europe went back."""


@pytest.mark.parametrize("interval_ms", [HALF_HOUR_MS, 2 * HALF_HOUR_MS])
@pytest.mark.parametrize("issued_ms", [ISSUED_MS, AFTER_CHANGE_MS, IN_AUTUMN_MS])
@pytest.mark.parametrize("days", [1, 2, 7, 28])
def test_it_is_the_same_time_of_day_so_many_days_before(issued_ms: int, days: int, interval_ms: int) -> None:
    calendar = calendar_of("Europe/London", "", issued_ms, interval_ms)
    width = len(calendar.minute_of_day)
    columns = np.arange(width)
    found = lag_columns(calendar, columns, days, interval_ms)
    known = found >= 0
    assert known.sum() >= width - days * 86_400_000 // interval_ms - 2
    same_time = calendar.minute_of_day[columns[known]] == calendar.minute_of_day[found[known]]
    same_day = (calendar.day_of_year[columns[known]] - calendar.day_of_year[found[known]]) % 365 == days
    # The hour that a clock change leaves out or repeats has no such time, or two.
    assert (same_time & same_day).mean() > 0.995
    assert (found[known] < columns[known]).all()


def test_a_zone_that_moves_by_half_an_hour_gives_the_interval_before() -> None:
    calendar = calendar_of("Australia/Lord_Howe", "", 1_775_433_600_000, 2 * HALF_HOUR_MS)
    found = lag_columns(calendar, np.arange(len(calendar.minute_of_day)), 1, 2 * HALF_HOUR_MS)
    apart = np.arange(len(found))[24:] - found[24:]
    assert set(apart.tolist()) <= {23, 24, 25}


def test_before_the_calendar_there_is_nothing() -> None:
    calendar = calendar_of("UTC", "", ISSUED_MS, HALF_HOUR_MS)
    assert lag_columns(calendar, np.array([0, 47, 48]), 1, HALF_HOUR_MS).tolist() == [-1, -1, 0]
