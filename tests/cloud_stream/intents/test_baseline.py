"""What a site would use as usual, for the weather."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_stream.intents.baseline import Days, by_day, fit, from_last_weeks, from_last_year, lately_c, with_warmth
from cloud_stream.intents.periods import Period, midnight_ms
from cloud_stream.intents.ports import Past

MONDAY = date(2026, 9, 7).toordinal()
HALF_HOUR_MS = 1_800_000


def _days(first: int, n: int, warm: np.ndarray, kwh: np.ndarray | None = None) -> Days:
    ordinal = np.arange(first, first + n)
    return Days(ordinal, np.full(n, np.nan) if kwh is None else kwh, warm.astype(float))


def _truth(ordinal: np.ndarray, warm: np.ndarray, level: tuple[float, float], heating: float) -> np.ndarray:
    weekend = np.array([date.fromordinal(int(one)).weekday() >= 5 for one in ordinal])
    return np.where(weekend, level[1], level[0]) + heating * np.maximum(15.5 - warm, 0)


@settings(max_examples=50)
@given(
    work=st.floats(1, 50),
    rest=st.floats(1, 50),
    heating=st.floats(0, 5),
    seed=st.integers(0, 1000),
    lost=st.sets(st.integers(0, 55), max_size=10),
)
def test_the_line_finds_levels_and_degrees(work: float, rest: float, heating: float, seed: int, lost: set[int]) -> None:
    warm = np.random.default_rng(seed).uniform(-5, 20, 56)
    kwh = _truth(np.arange(MONDAY, MONDAY + 56), warm, (work, rest), heating)
    kwh[sorted(lost)] = np.nan
    line = fit(_days(MONDAY, 56, warm, kwh))
    assert line is not None
    assert line.level_kwh == pytest.approx((work, rest), abs=1e-6)
    assert line.heating_kwh == pytest.approx(heating, abs=1e-6)


def test_colder_weeks_may_use_more() -> None:
    warm = np.full(56, 15.5) - np.arange(56) % 7
    kwh = _truth(np.arange(MONDAY, MONDAY + 56), warm, (10, 12), 0.5)
    cold = _days(MONDAY + 56, 7, np.full(7, 0.0))
    found = from_last_weeks(_days(MONDAY, 56, warm, kwh), cold, 8)
    assert found is not None
    assert sum(found.kwh) == pytest.approx(5 * 10 + 2 * 12 + 7 * 15.5 * 0.5)
    assert found.method == "degree days of the 8 weeks before, from 56 days, R2 1.00"


def test_a_slope_that_weather_cannot_have_is_left_out() -> None:
    warm = np.linspace(0, 20, 56)
    line = fit(_days(MONDAY, 56, warm, 10 + warm))
    assert line is not None
    assert line.heating_kwh == 0


def test_without_temperature_the_mean_of_working_days_and_weekends() -> None:
    unknown = np.full(28, np.nan)
    kwh = _truth(np.arange(MONDAY, MONDAY + 28), np.full(28, 20.0), (10, 20), 0)
    found = from_last_weeks(_days(MONDAY, 28, unknown, kwh), _days(MONDAY + 28, 7, np.full(7, np.nan)), 4)
    assert found is not None
    assert sum(found.kwh) == pytest.approx(90)
    assert "temperature unknown" in found.method


@pytest.mark.parametrize("known", [0, 4])
def test_too_few_days_are_no_measure(known: int) -> None:
    kwh = np.full(28, np.nan)
    kwh[:known] = 10
    days = _days(MONDAY, 28, np.full(28, 10.0), kwh)
    assert from_last_weeks(days, days, 4) is None


def test_last_year_is_corrected_by_the_difference_of_the_weather() -> None:
    year = _days(MONDAY - 364 - 28, 28 + 7 + 28, np.linspace(15, 5, 63))
    year = year._replace(kwh=_truth(year.ordinal, year.temperature_c, (10, 12), 0.5))
    now = _days(MONDAY, 7, np.full(7, 5.5))
    found = from_last_year(year, now)
    assert found is not None
    assert sum(found.kwh) == pytest.approx(5 * 15 + 2 * 17)
    assert found.method.startswith("same weekdays last year for this year's weather, 7 of 7 days")
    plain = from_last_year(year._replace(temperature_c=np.full(63, np.nan)), now)
    assert plain is not None
    assert sum(plain.kwh) == pytest.approx(year.kwh[28:35].sum())
    assert from_last_year(year._replace(ordinal=year.ordinal - 100), now) is None


@pytest.mark.parametrize("missing", ["then", "now"])
def test_weather_that_is_known_of_one_year_only_corrects_nothing(missing: str) -> None:
    year = _days(MONDAY - 364 - 28, 28 + 7 + 28, np.linspace(15, 5, 63))
    year = year._replace(kwh=_truth(year.ordinal, year.temperature_c, (10, 12), 0.5))
    now = _days(MONDAY, 7, np.full(7, -5.0))
    if missing == "then":
        year.temperature_c[28:35] = np.nan
    else:
        now = now._replace(temperature_c=np.full(7, np.nan))
    found = from_last_year(year, now)
    assert found is not None
    assert found.kwh == pytest.approx(year.kwh[28:35])


def test_days_without_a_temperature_are_as_warm_as_lately() -> None:
    days = _days(MONDAY, 10, np.array([1.0, 1, 1, 8, 8, 8, 8, 8, 8, 8]))
    assert lately_c(days) == 8
    assert with_warmth(_days(MONDAY, 2, np.array([3.0, np.nan])), 8).temperature_c.tolist() == [3, 8]


def test_days_of_23_and_25_hours_and_gaps() -> None:
    zone = "Europe/London"
    first, last = midnight_ms(zone, date(2026, 10, 24)), midnight_ms(zone, date(2026, 10, 27))
    start = np.arange(first, last, HALF_HOUR_MS)
    start = np.delete(start, [0, 1, *range(98, 110)])
    days = by_day(Past(start, np.ones(len(start)), np.full(len(start), 4.0)), zone, Period(first, last), HALF_HOUR_MS)
    assert days.kwh.tolist() == pytest.approx([48, 50, np.nan], nan_ok=True)
    whole = np.arange(first, last, HALF_HOUR_MS)
    days = by_day(Past(whole, np.ones(len(whole)), np.full(len(whole), 4.0)), zone, Period(first, last), HALF_HOUR_MS)
    assert days.kwh.tolist() == [48, 50, 48]
    assert days.temperature_c.tolist() == [4, 4, 4]


def test_the_night_s_temperature_is_not_the_day_s() -> None:
    start = np.arange(0, 24 * 3_600_000, HALF_HOUR_MS)
    night = np.where(start < 6 * 3_600_000, -3.0, np.nan)
    days = by_day(Past(start, np.ones(48), night), "UTC", Period(0, 24 * 3_600_000), HALF_HOUR_MS)
    assert days.kwh.tolist() == [48]
    assert np.isnan(days.temperature_c).all()
