"""The features of `forecast-v1`, one by one against their definition."""

from dataclasses import replace

import numpy as np
import pytest

from tests.wattline.forecasting.scenes import home_like, intervals, mixed_scene, scene_of
from wattline.forecasting.arrays import ordered
from wattline.forecasting.features import BASES, NAMES, Plan, features, levels
from wattline.forecasting.port import Floats32, Scene

H, K = intervals()
DAY = 48
EVERYTHING = slice(None)


def table_of(scene: Scene) -> Floats32:
    return features(scene, Plan.of(scene), EVERYTHING, levels(scene.energy_kwh))


def column(scene: Scene, name: str) -> Floats32:
    return table_of(scene)[:, :, NAMES.index(name)]


def test_names_are_told_apart_and_bases_are_among_them() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert set(BASES.values()) <= set(NAMES)


def test_there_is_a_value_for_every_series_lead_and_feature() -> None:
    table = table_of(mixed_scene())
    assert table.shape == (9, K, len(NAMES))
    assert table.dtype == np.float32
    assert np.isfinite(table[0]).mean() > 0.8


def same_time(values: Floats32, lead: int, days: int) -> float:
    """Without a clock change."""
    return float(values[H + lead - days * DAY]) if H + lead - days * DAY < H else float("nan")


@pytest.mark.parametrize("lead", [0, 47, 48, 95])
def test_the_same_time_before_is_relative_to_the_level(lead: int) -> None:
    energy = home_like(1, 4)
    scene = scene_of(energy)
    relative = energy[0] / np.nanmean(energy[0])
    expected = {
        "week_1": same_time(relative, lead, 7),
        "day_1": same_time(relative, lead, 1 if lead < DAY else 2),
        "median": np.nanmedian([same_time(relative, lead, days) for days in range(1, 29)]),
        "low_10": np.nanquantile([same_time(relative, lead, days) for days in range(1, 29)], 0.1),
        "high_90": np.nanquantile([same_time(relative, lead, days) for days in range(1, 29)], 0.9),
        "lead_h": lead / 2,
        "hour": lead % DAY / 2,
        "day_of_week": (6 + lead // DAY) % 7,
        "day_off": lead < DAY,
        "last": relative[-1],
        "last_1d": np.nanmean(relative[-DAY:]),
        "last_7d": np.nanmean(relative[-7 * DAY :]),
        "week_50": np.nanmedian(relative[-7 * DAY :]),
    }
    table = table_of(scene)[0, lead]
    for name, value in expected.items():
        np.testing.assert_allclose(table[NAMES.index(name)], value, rtol=2e-4, atol=1e-6, err_msg=name)


def test_smooth_values_are_means_over_an_hour_to_each_side() -> None:
    energy = home_like(1, 6)
    relative = energy[0] / np.nanmean(energy[0])
    at = H + 10 - 7 * DAY
    found = column(scene_of(energy), "week_1_smooth")[0, 10]
    np.testing.assert_allclose(found, np.nanmean(relative[at - 2 : at + 3]), rtol=1e-4)


def test_a_workdays_median_is_that_of_workdays() -> None:
    scene = scene_of(home_like(1, 7))
    off = (scene.calendar.day_of_week >= 5) | scene.calendar.holiday
    relative = scene.energy_kwh[0] / np.nanmean(scene.energy_kwh[0])
    monday = DAY + 20
    before = [H + monday - days * DAY for days in range(2, 29)]
    expected = np.nanmedian([relative[at] for at in before if not off[at]])
    np.testing.assert_allclose(column(scene, "median_kind")[0, monday], expected, rtol=1e-4)


def test_the_weather_is_compared_with_the_past() -> None:
    scene = replace(
        scene_of(home_like(2, 8)),
        temperature_c=np.r_[np.full(H, 5.0), np.full(K, 9.0)][None].astype(np.float32),
        place=np.array([0, -1]),
    )
    for name, value in {"temperature": 9, "warmer_than_month": 4, "warmer_than_week_ago": 4}.items():
        found = column(scene, name)
        np.testing.assert_allclose(found[0, 60], value, rtol=1e-4, err_msg=name)
        assert np.isnan(found[1]).all()


def test_what_warmth_did_before_is_expected_again() -> None:
    rng = np.random.default_rng(3)
    warmth = np.repeat(rng.normal(10, 5, 30), DAY).astype(np.float32)
    energy = (2 - 0.05 * (warmth[:H] - 10))[None]
    scene = replace(scene_of(energy), temperature_c=warmth[None], place=np.array([0]))
    day = DAY + 24
    warmer = column(scene, "warmer_than_month")[0, day]
    expected = -0.05 / float(energy.mean()) * warmer
    np.testing.assert_allclose(column(scene, "by_weather")[0, day], expected, rtol=0.1)


def test_watts_per_square_metre() -> None:
    scene = replace(scene_of(np.full((1, H), 0.25, np.float32)), floor_m2=np.array([100], np.float32))
    np.testing.assert_allclose(column(scene, "w_per_m2"), 5, rtol=1e-5)


@pytest.mark.parametrize(
    ("known_days", "level"), [(28, 1.0), (7, 1.0), (6, np.nan), (0, np.nan)], ids=["all", "a week", "six days", "none"]
)
def test_a_level_needs_a_week(known_days: int, level: float) -> None:
    energy = np.full((1, H), np.nan, np.float32)
    energy[0, H - known_days * DAY :] = 1.0
    np.testing.assert_array_equal(levels(energy), [level])


@pytest.mark.parametrize("values", [0.0, -1.0])
def test_what_uses_nothing_or_less_has_no_level(values: float) -> None:
    assert np.isnan(levels(np.full((1, H), values, np.float32))).all()


def test_some_leads_are_the_same_as_those_of_all() -> None:
    scene = mixed_scene()
    level = levels(scene.energy_kwh)
    some = features(scene, Plan.of(scene, [3, 50]), EVERYTHING, level)
    np.testing.assert_array_equal(some, table_of(scene)[:, [3, 50]])


def test_orders_interpolate_and_skip_what_is_missing() -> None:
    rng = np.random.default_rng(1)
    table = rng.normal(size=(50, 28)).astype(np.float32)
    table[rng.random(table.shape) < 0.2] = np.nan
    for share, found in zip((0.1, 0.5, 0.9), ordered(table, (0.1, 0.5, 0.9)), strict=True):
        np.testing.assert_allclose(found, np.nanquantile(table, share, axis=1), rtol=1e-4, atol=1e-5)
    assert np.isnan(ordered(np.full((1, 5), np.nan, np.float32), (0.5,))[0]).all()
