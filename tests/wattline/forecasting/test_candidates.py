"""Simple forecasts, and which of them a series is found to keep to."""

import numpy as np
import pytest

from tests.wattline.forecasting.scenes import home_like, intervals, scene_of
from wattline.forecasting.arrays import around, at_columns, mean, spread, weighted
from wattline.forecasting.candidates import Candidates, Lookup, blend, candidates
from wattline.forecasting.features import BASES, NAMES, Plan, features, levels
from wattline.forecasting.port import Floats32

H, K = intervals()
DAY, WEEK = 48, 7 * 48


def bases_of(energy: Floats32) -> dict[str, Floats32]:
    """Lower, middle, upper and mean of each series, in kWh."""
    scene = scene_of(energy)
    level = levels(scene.energy_kwh)
    table = features(scene, Plan.of(scene), slice(None), level)
    return {output: table[:, :, NAMES.index(name)] * level[:, None] for output, name in BASES.items()}


def weekly(noise: float = 0.0) -> Floats32:
    rng = np.random.default_rng(1)
    week = rng.lognormal(0, 1, WEEK)
    return (np.tile(week, 5)[: H + K] * (1 + noise * rng.normal(size=H + K)))[None].astype(np.float32)


def test_what_repeats_every_week_is_forecast_as_a_week_before() -> None:
    series = weekly()
    found = bases_of(series[:, :H])
    for output in BASES:
        np.testing.assert_allclose(found[output], series[:, H:], rtol=0.05, err_msg=output)


def test_what_is_the_same_every_day_but_for_outliers_is_forecast_by_medians() -> None:
    rng = np.random.default_rng(2)
    day = rng.lognormal(0, 0.3, DAY)
    series = np.tile(day, 30)[None] * np.where(rng.random((1, H + K)) < 0.1, 8.0, 1.0)
    middle = bases_of(series[:, :H].astype(np.float32))["middle"]
    np.testing.assert_allclose(np.median(np.abs(middle[0] / np.tile(day, 2) - 1)), 0, atol=0.02)


def test_what_has_lately_risen_is_forecast_from_the_last_days() -> None:
    rng = np.random.default_rng(3)
    series = np.tile(rng.lognormal(0, 0.3, DAY), 30)[None] * np.linspace(1, 3, H + K)
    mean_kwh = bases_of(series[:, :H].astype(np.float32))["mean"]
    assert np.abs(mean_kwh / series[:, H:] - 1).mean() < 0.16
    assert np.abs(np.mean(series[:, :H]) / series[:, H:] - 1).mean() > 0.3


def test_the_bases_are_known_wherever_the_level_is() -> None:
    energy = home_like(6, 1)
    energy[0, : -7 * DAY] = np.nan
    energy[1, -7 * DAY :] = np.nan
    energy[2, ::2] = np.nan
    energy[3, : 20 * DAY] = np.nan
    for values in bases_of(energy).values():
        assert np.isfinite(values).all()


def test_the_band_is_narrow_where_errors_were_small_and_wide_where_not() -> None:
    width = {}
    for noise in (0.02, 0.5):
        found = bases_of(weekly(noise)[:, :H])
        width[noise] = float((found["upper"] - found["lower"]).mean())
    assert width[0.5] > 4 * width[0.02]


def test_the_better_candidate_counts_and_one_that_says_nothing_does_not() -> None:
    truth = np.ones((1, 4), np.float32)
    good, bad, silent = truth * 1.01, truth * 3, truth * np.nan
    orders = (truth, truth, truth, truth, truth)
    tried = Candidates((good, bad, silent, silent, silent), (bad, good, silent, silent), orders)
    ahead = Candidates((good * 5, bad * 5, silent, truth * 7, silent), (bad, good, truth, silent), orders)
    found = blend(tried, truth, ahead)
    np.testing.assert_allclose(found.middle, 5.05, rtol=1e-3)
    np.testing.assert_allclose(found.mean, 1.01, rtol=1e-3)
    np.testing.assert_allclose(found.error, 0.01, rtol=0.1)
    assert np.isnan(found.errors[2]).all()


def test_the_last_week_is_tried_without_the_day_before() -> None:
    scene = scene_of(home_like(1, 1))
    plan = Plan.of(scene)
    assert len(plan.last_week) == 7 * 24
    assert (plan.last_week[:, None] - plan.tried.lags >= 2 * DAY).all()


def test_candidates_are_what_they_are_called() -> None:
    scene = scene_of(home_like(1, 5))
    energy = scene.energy_kwh
    lookup = Lookup.of(scene.calendar, np.array([H + 60]), range(1, 29), H, scene.interval_ms)
    found = candidates(energy, lookup)
    past = np.array([energy[0, H + 60 - day * DAY] if day >= 2 else np.nan for day in range(1, 29)])
    # A Monday.
    workday = np.array([(day - 1) % 7 not in {0, 1} for day in range(1, 29)])
    np.testing.assert_allclose(found.middles[0][0, 0], np.nanmedian(past), rtol=1e-5)
    np.testing.assert_allclose(found.middles[1][0, 0], np.nanmedian(past[workday]), rtol=1e-5)
    np.testing.assert_allclose(found.middles[3][0, 0], np.nanmean(past[6::7]), rtol=1e-5)
    np.testing.assert_allclose(found.middles[4][0, 0], past[6], rtol=1e-5)
    kind = np.where(workday, 1, 0.15) * np.isfinite(past)
    for values, days in ((found.means[0], 5), (found.means[1], 14)):
        weights = kind * np.exp(-np.arange(28) / days)
        np.testing.assert_allclose(values[0, 0], np.nansum(past * weights) / weights.sum(), rtol=1e-4)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_means_skip_what_is_missing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(5, 9)).astype(np.float32)
    table[rng.random(table.shape) < 0.3] = np.nan
    table[0, 0] = 1.0
    np.testing.assert_allclose(mean(table)[0], np.nanmean(table[0]), rtol=1e-5)
    np.testing.assert_allclose(spread(table)[0], np.nanstd(table[0]), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(weighted(table, np.ones(9, np.float32))[0], np.nanmean(table[0]), rtol=1e-5)
    np.testing.assert_allclose(around(table, 1)[0, 0], np.nanmean(table[0, :2]), rtol=1e-5)
    assert np.isnan(mean(np.full((1, 3), np.nan, np.float32))).all()


def test_column_minus_one_is_nothing() -> None:
    table = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(at_columns(table, np.array([2, -1])), [[2, np.nan], [5, np.nan]])
