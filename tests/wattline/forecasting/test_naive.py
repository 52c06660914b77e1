"""The same time a week before."""

from dataclasses import replace

import numpy as np
import pytest

from tests.wattline.forecasting.scenes import AFTER_CHANGE_MS, home_like, intervals, scene_of
from wattline.forecasting.calendar import calendar_of
from wattline.forecasting.naive import SeasonalNaive, tails
from wattline.forecasting.port import Floats32

H, K = intervals()
DAY = 48


def said_of(row: Floats32) -> Floats32:
    told: Floats32 = SeasonalNaive().forecast(scene_of(row[None])).energy_kwh[0]
    return told


def test_it_is_what_was_used_a_week_before() -> None:
    row = np.arange(H, dtype=np.float32)
    np.testing.assert_array_equal(said_of(row), row[H - 7 * DAY : H - 7 * DAY + K])


def test_a_day_before_stands_in_and_then_two_days_before() -> None:
    row = np.full(H, np.nan, np.float32)
    row[-DAY:] = np.arange(DAY)
    np.testing.assert_array_equal(said_of(row), np.r_[row[-DAY:], row[-DAY:]])


def test_nothing_is_said_where_nothing_is_known() -> None:
    row = np.full(H, np.nan, np.float32)
    row[-1] = 3
    told = said_of(row)
    assert told[DAY - 1] == told[2 * DAY - 1] == 3
    assert np.isnan(np.delete(told, [DAY - 1, 2 * DAY - 1])).all()


def test_after_a_clock_change_it_is_the_same_local_time() -> None:
    energy = np.zeros((1, H), np.float32)
    scene = scene_of(energy, AFTER_CHANGE_MS)
    minutes = scene.calendar.minute_of_day
    energy[0] = minutes[:H]
    told = SeasonalNaive().forecast(replace(scene, energy_kwh=energy)).energy_kwh[0]
    np.testing.assert_array_equal(told, minutes[H:])


@pytest.mark.parametrize("seed", [1, 2])
def test_the_band_holds_four_of_five_truths_of_series_that_stay_as_they_are(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = np.tile(rng.lognormal(0, 0.6, (60, DAY)), 30)
    whole = (shape * rng.lognormal(0, 0.5, shape.shape)).astype(np.float32)
    truth = whole[:, H:]
    said = SeasonalNaive().forecast(scene_of(whole[:, :H]))
    known = np.isfinite(said.energy_kwh)
    inside = ((truth >= said.lower) & (truth <= said.upper))[known].mean()
    assert 0.77 < inside < 0.9


def test_with_no_errors_yet_the_band_is_that_of_all_values() -> None:
    row = np.full(H, np.nan, np.float32)
    row[-DAY:] = np.linspace(1, 2, DAY)
    said = SeasonalNaive().forecast(scene_of(row[None]))
    assert np.isfinite(said.lower).all()
    assert (said.upper - said.lower > 0.5).all()


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        ([[5.0, 1, 3]], 1, 5),
        ([list(range(11))], 1, 9),
        ([[7.0, np.nan, np.nan]], 7, 7),
        ([[np.nan, np.nan]], np.nan, np.nan),
    ],
)
def test_tails_skip_what_is_missing(values: list[list[float]], low: float, high: float) -> None:
    found = tails(np.array(values, np.float32))
    np.testing.assert_array_equal([side[0] for side in found], [low, high])


def test_another_calendar_is_another_forecast() -> None:
    row = home_like(1, 3)
    scene = scene_of(row, AFTER_CHANGE_MS)
    utc = replace(scene, calendar=calendar_of("UTC", "", AFTER_CHANGE_MS, 1_800_000))
    one, other = (SeasonalNaive().forecast(each).energy_kwh for each in (scene, utc))
    assert not np.array_equal(one, other, equal_nan=True)
