"""What every forecaster promises; see `wattline.forecasting.port.Forecaster`."""

from dataclasses import fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cloud_stream
from tests.wattline.forecasting.scenes import AFTER_CHANGE_MS, ISSUED_MS, intervals, mixed_scene, part_of
from wattline.forecasting.naive import SeasonalNaive
from wattline.forecasting.onnx_forecaster import load_forecaster
from wattline.forecasting.port import Forecast, Forecaster, Scene

FACTORY = Path(cloud_stream.__file__).parent / "forecasters"
INTERVALS = {"30m": 1_800_000, "1h": 3_600_000}


@lru_cache
def made(kind: str, length: str) -> Forecaster:
    return SeasonalNaive() if kind == "naive" else load_forecaster(FACTORY / f"{kind}-{length}.onnx")


@pytest.fixture(
    params=[(kind, length) for kind in ("naive", "meter", "aggregate") for length in INTERVALS], ids="-".join
)
def case(request: pytest.FixtureRequest) -> tuple[Forecaster, int]:
    kind, length = request.param
    return made(kind, length), INTERVALS[length]


def tables(said: Forecast) -> dict[str, Any]:
    values = {field.name: getattr(said, field.name) for field in fields(said)}
    return {name: value for name, value in values.items() if value is not None}


def assert_same(one: Forecast, other: Forecast) -> None:
    for name, values in tables(one).items():
        np.testing.assert_array_equal(values, tables(other)[name], err_msg=name)


def test_it_has_a_name_and_says_everything_for_every_series(case: tuple[Forecaster, int]) -> None:
    forecaster, interval_ms = case
    scene = mixed_scene(interval_ms=interval_ms)
    said = forecaster.forecast(scene)
    shape = (len(scene.energy_kwh), intervals(interval_ms)[1])
    assert forecaster.name
    for table in (said.energy_kwh, said.lower, said.upper, said.expected_kwh):
        assert table.dtype == np.float32
        assert table.shape == shape
    assert said.by_model.shape == shape[:1]
    assert said.by_model.dtype == np.bool_


def test_the_middle_is_inside_the_band_and_nobody_uses_less_than_nothing(case: tuple[Forecaster, int]) -> None:
    forecaster, interval_ms = case
    said = forecaster.forecast(mixed_scene(interval_ms=interval_ms))
    known = np.isfinite(said.energy_kwh)
    assert known[:3].all()
    assert (said.lower <= said.energy_kwh)[known].all()
    assert (said.energy_kwh <= said.upper)[known].all()
    assert (said.lower[known] >= 0).all()


def test_a_series_that_was_never_known_gets_nothing_and_not_by_the_model(case: tuple[Forecaster, int]) -> None:
    forecaster, interval_ms = case
    said = forecaster.forecast(mixed_scene(interval_ms=interval_ms))
    assert not said.by_model[2:5].any()
    assert np.isnan(said.energy_kwh[3]).all()
    np.testing.assert_array_equal(said.energy_kwh[4], 0)


@pytest.mark.parametrize("issued_ms", [ISSUED_MS, AFTER_CHANGE_MS])
@pytest.mark.parametrize("rows", [[0], [8, 3, 1], [2, 0, 5, 6, 7]])
def test_series_do_not_depend_on_each_other(case: tuple[Forecaster, int], rows: list[int], issued_ms: int) -> None:
    forecaster, interval_ms = case
    scene = mixed_scene(issued_ms=issued_ms, interval_ms=interval_ms)
    whole, part = forecaster.forecast(scene), forecaster.forecast(part_of(scene, rows))
    for name, values in tables(part).items():
        np.testing.assert_array_equal(values, tables(whole)[name][rows], err_msg=name)


def test_many_series_are_forecast_as_few_are(case: tuple[Forecaster, int]) -> None:
    forecaster, interval_ms = case
    scene = mixed_scene(rows=131, interval_ms=interval_ms)
    whole, last = forecaster.forecast(scene), forecaster.forecast(part_of(scene, [130]))
    np.testing.assert_array_equal(last.energy_kwh[0], whole.energy_kwh[130])
    np.testing.assert_array_equal(last.upper[0], whole.upper[130])


def test_the_same_scene_gives_the_same_forecast(case: tuple[Forecaster, int]) -> None:
    forecaster, interval_ms = case
    scene = mixed_scene(interval_ms=interval_ms)
    assert_same(forecaster.forecast(scene), forecaster.forecast(scene))


def test_no_series_at_all_is_no_trouble(case: tuple[Forecaster, int]) -> None:
    forecaster, interval_ms = case
    said = forecaster.forecast(part_of(mixed_scene(interval_ms=interval_ms), []))
    assert said.energy_kwh.shape == (0, intervals(interval_ms)[1])


@pytest.mark.parametrize("factor", [0.25, 1024.0])
def test_twice_the_use_is_twice_the_forecast(case: tuple[Forecaster, int], factor: float) -> None:
    forecaster, interval_ms = case
    scene = replace(mixed_scene(interval_ms=interval_ms), floor_m2=np.full(9, np.nan, np.float32))
    larger = replace(scene, energy_kwh=scene.energy_kwh * np.float32(factor))
    one, other = forecaster.forecast(scene), forecaster.forecast(larger)
    np.testing.assert_allclose(other.energy_kwh, one.energy_kwh * np.float32(factor), rtol=1e-6)
    np.testing.assert_allclose(other.upper, one.upper * np.float32(factor), rtol=1e-6)


@pytest.mark.parametrize("place", ["nowhere", "unknown"])
def test_weather_that_is_not_known_is_no_trouble(case: tuple[Forecaster, int], place: str) -> None:
    forecaster, interval_ms = case
    scene = mixed_scene(interval_ms=interval_ms)
    cold: Scene = (
        replace(scene, place=np.full(9, -1), temperature_c=scene.temperature_c[:0])
        if place == "nowhere"
        else replace(scene, temperature_c=np.full_like(scene.temperature_c, np.nan))
    )
    said = forecaster.forecast(cold)
    assert np.isfinite(said.energy_kwh[[0, 1, 5, 6, 7, 8]]).all()
