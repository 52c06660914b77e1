"""Days are the site's own, and incomplete days do not count."""

import numpy as np
import pytest

from cloud_stream.correlation.history import day_means, day_means_of_hours, day_sums, on_grid
from tests.cloud_stream.correlation.series import HALF_HOUR, NOW, span

HOUR = 3_600_000


def test_days_of_23_and_25_hours_have_their_own_intervals() -> None:
    autumn = span(30, "Europe/London", 1_762_300_800_000)  # 2025-11-05
    lengths = np.bincount(autumn.day)
    assert autumn.days == 30
    assert sorted(set(lengths.tolist())) == [48, 50]
    spring = span(30, "Europe/London", 1_744_000_000_000)  # 2025-04-07
    assert sorted(set(np.bincount(spring.day).tolist())) == [46, 48]
    assert (np.diff(autumn.day_start_ms) == lengths * HALF_HOUR).all()


def test_the_day_that_is_not_over_is_not_looked_at() -> None:
    assert span(7, "UTC", NOW + 13 * HOUR).day_start_ms.tolist() == [NOW - k * 24 * HOUR for k in range(7, -1, -1)]


def test_hours_and_weekdays_are_local() -> None:
    india = span(7, "Asia/Kolkata", NOW)
    assert india.hour[0] == 0
    assert india.weekday.tolist() == [4, 5, 6, 0, 1, 2, 3]


def test_hours_that_begin_off_the_grid_are_kept() -> None:
    india = span(7, "Asia/Kolkata", NOW, HOUR)  # local midnight is half past an hour of UTC
    assert (india.start_ms % HOUR == 0).all()
    assert len(india.start_ms) == 7 * 24


def test_values_off_the_grid_or_outside_are_left_out() -> None:
    days = span(2)
    first = int(days.start_ms[0])
    grid = on_grid(days, [first - HALF_HOUR, first, first + 1, first + HALF_HOUR, NOW], [1, 2, 3, 4, 5])
    assert grid[:2].tolist() == [2, 4]
    assert np.isnan(grid[2:]).all()


@pytest.mark.parametrize(("missing", "total"), [(0, 48.0), (4, 48.0), (5, np.nan), (48, np.nan)])
def test_a_day_is_scaled_up_or_left_out(missing: int, total: float) -> None:
    days = span(1)
    energy = np.ones(48)
    energy[:missing] = np.nan
    assert day_sums(days, energy).tolist() == pytest.approx([total], nan_ok=True)
    assert day_means(days, energy).tolist() == pytest.approx([total / 48], nan_ok=True)


def test_hourly_values_are_averaged_over_local_days() -> None:
    days = span(2)
    first = int(days.start_ms[0])
    times = [first + k * HOUR for k in range(24)] + [first + 24 * HOUR]
    assert day_means_of_hours(days, times, [5.0] * 25).tolist() == pytest.approx([5.0, np.nan], nan_ok=True)
