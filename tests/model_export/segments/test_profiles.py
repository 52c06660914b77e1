"""A profile is the shape of a meter's days, whatever their size and whatever happened on a few of them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_export.errors import DataError
from model_export.segments.profiles import Clock, Excluded, Profile, daily_profile, week_mean
from tests.model_export.segments.mixture import DAY, HALF_HOUR, MONDAY, SHAPES, meter
from wattline.intervals import Floats, aggregate

CLOCK = Clock(HALF_HOUR)
EVENING = SHAPES["evening peak"]


def profile(days: Floats, clock: Clock = CLOCK, start_ms: int = MONDAY) -> Profile:
    made = daily_profile("m", meter("m", days, start_ms).intervals, clock)
    assert isinstance(made, Profile)
    return made


def repeated(shape: Floats, days: int = 28) -> Floats:
    return np.tile(shape, (days, 1))


@settings(deadline=None)
@given(scale=st.floats(1e-6, 1e6), seed=st.integers(0, 1000))
def test_size_does_not_matter(scale: float, seed: int) -> None:
    days = np.random.default_rng(seed).gamma(2.0, 1.0, (21, 48))
    assert profile(days * scale).shape == pytest.approx(profile(days).shape)


@settings(deadline=None)
@given(seed=st.integers(0, 1000))
def test_the_mean_of_a_week_is_one(seed: int) -> None:
    days = np.random.default_rng(seed).gamma(0.3, 1.0, (40, 48))
    assert week_mean(profile(days).shape).mean() == pytest.approx(1.0)


def test_workdays_and_weekends_have_a_row_each() -> None:
    days = repeated(EVENING)
    days[np.arange(28) % 7 >= 5] = SHAPES["daytime"]
    workday, weekend = profile(days).shape
    assert (workday.argmax(), weekend.argmax()) == (39, 26)


def test_a_few_odd_days_do_not_shape_it() -> None:
    odd = repeated(EVENING)
    odd[3] = 500.0
    odd[10] = 0.0
    odd[5] = 900.0
    assert profile(odd).shape == pytest.approx(profile(repeated(EVENING)).shape)


def test_single_gaps_are_bridged_and_broken_days_left_out() -> None:
    days = repeated(EVENING)
    days[2, 7] = np.nan
    days[4, 20:] = np.nan
    days[4, :20] = 1000.0
    made = profile(days)
    assert made.days == 27
    assert made.shape == pytest.approx(profile(repeated(EVENING)).shape)


def test_an_interval_that_is_always_missing_is_like_its_neighbours() -> None:
    days = repeated(EVENING)
    days[:, [0, 47]] = np.nan
    assert profile(days).shape == pytest.approx(profile(repeated(EVENING)).shape, abs=0.1)


def test_the_order_of_intervals_does_not_matter() -> None:
    series = meter("m", np.random.default_rng(1).gamma(1.0, 1.0, (21, 48))).intervals
    shuffled = series.take(np.random.default_rng(2).permutation(len(series)))
    one, other = daily_profile("m", series, CLOCK), daily_profile("m", shuffled, CLOCK)
    assert isinstance(one, Profile)
    assert isinstance(other, Profile)
    assert other.shape == pytest.approx(one.shape)


@pytest.mark.parametrize(
    ("zone", "start", "peak_slot"),
    [
        ("UTC", "2026-07-06", 39),
        ("Europe/London", "2026-07-06", 41),
        ("Europe/London", "2026-01-05", 39),
        ("Asia/Kolkata", "2026-01-05", 2),
    ],
)
def test_the_day_is_that_of_the_time_zone(zone: str, start: str, peak_slot: int) -> None:
    start_ms = int(np.datetime64(start, "ms").astype(np.int64))
    assert profile(repeated(EVENING), Clock(HALF_HOUR, zone), start_ms).shape[0].argmax() == peak_slot


def test_the_days_on_which_clocks_change_count() -> None:
    start_ms = int(np.datetime64("2026-03-23", "ms").astype(np.int64))
    made = profile(repeated(EVENING, 28 * 8), Clock(HALF_HOUR, "Europe/London"), start_ms)
    assert made.days == 28 * 8


def test_hours_are_cut_from_any_rate() -> None:
    t_ms = MONDAY + np.arange(28 * 144, dtype=np.int64) * 600_000
    power = 100.0 + 900.0 * (t_ms % DAY // 3_600_000 == 7)
    made = daily_profile("m", aggregate(0, t_ms, power, 3_600_000), Clock(3_600_000))
    assert isinstance(made, Profile)
    assert made.shape.shape == (2, 24)
    assert made.shape[0].argmax() == 7


FOUR_WEEKS = "20 full workdays and 8 at weekends"
ALTERNATING = np.where(np.arange(48) % 2, 1.0, -3.0)


@pytest.mark.parametrize(
    ("days", "reason", "detail"),
    [
        (np.full((0, 48), 1.0), "no_values", "no value is a number"),
        (np.full((28, 48), np.nan), "no_values", "no value is a number"),
        (repeated(EVENING, 13), "too_few_days", "10 full workdays and 3 at weekends"),
        (np.where(np.arange(48) < 40, repeated(EVENING), np.nan), "too_few_days", "0 full workdays and 0 at weekends"),
        (
            np.where(np.arange(28)[:, None] % 7 < 5, repeated(EVENING), np.nan),
            "too_few_days",
            "20 full workdays and 0 at weekends",
        ),
        (np.full((28, 48), 0.7), "constant", f"the same through all of {FOUR_WEEKS}"),
        (np.zeros((28, 48)), "constant", f"the same through all of {FOUR_WEEKS}"),
        (repeated(ALTERNATING), "constant", f"the same through all of {FOUR_WEEKS}"),
        (repeated(EVENING - 5), "not_positive", f"gives back more than it takes on {FOUR_WEEKS}"),
    ],
    ids=["empty", "all NaN", "13 days", "no whole day", "no weekend", "constant", "zero", "smooth", "gives back"],
)
def test_a_meter_without_a_shape_is_left_out_with_its_reason(days: Floats, reason: str, detail: str) -> None:
    assert daily_profile("m", meter("m", days).intervals, CLOCK) == Excluded("m", reason, detail)


def test_values_that_are_not_numbers_are_gaps() -> None:
    series = meter("m", repeated(EVENING)).intervals
    holes = series.mean.copy()
    holes[[5, 700]] = np.nan, np.inf
    made = daily_profile("m", replace(series, mean=holes), CLOCK)
    assert isinstance(made, Profile)
    assert made.shape == pytest.approx(profile(repeated(EVENING)).shape)


def test_fourteen_days_are_enough() -> None:
    assert profile(repeated(EVENING, 14)).days == 14


@pytest.mark.parametrize("interval_ms", [60_000, 7 * 60_000, 25 * 60_000, 8 * 3_600_000, 0, -HALF_HOUR])
def test_an_interval_that_makes_no_day_is_refused(interval_ms: int) -> None:
    with pytest.raises(DataError, match="--interval"):
        Clock(interval_ms)


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "", "../../etc/passwd", "Europe"])
def test_an_unknown_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(DataError, match="no such zone"):
        Clock(HALF_HOUR, zone)
