"""A home is deterministic, adds up, and lives like a home."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.household import DEFAULT_ORIGIN_MS, Household, HouseholdOptions
from simulators.randomness import Columns, IntArray
from simulators.residents import SLOT_MS
from simulators.weather import DAY_MS, HOUR_MS

ORIGIN = DEFAULT_ORIGIN_MS
HALF_HOUR_MS = HOUR_MS // 2


def _home(seed: int = 1, *, utc_offset_ms: int = 0, origin_ms: int = ORIGIN) -> Household:
    return Household(HouseholdOptions(seed=seed, utc_offset_ms=utc_offset_ms, origin_ms=origin_ms))


def _times(start_ms: int, count: int, step_ms: int) -> IntArray:
    return start_ms + np.arange(count, dtype=np.int64) * step_ms


def _everything(home: Household, t_ms: IntArray) -> Columns:
    return home.electricity(t_ms) | home.gas(t_ms) | home.building(t_ms)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(-5 * DAY_MS, 30 * DAY_MS), min_size=1, max_size=20), st.integers(0, 5))
def test_values_do_not_depend_on_what_was_asked_before(offsets: list[int], seed: int) -> None:
    wanderer = _home(seed)
    piecewise = [_everything(wanderer, np.array([ORIGIN + offset], dtype=np.int64)) for offset in offsets]
    at_once = _everything(_home(seed), np.array(offsets, dtype=np.int64) + ORIGIN)
    for name, column in at_once.items():
        np.testing.assert_allclose([piece[name][0] for piece in piecewise], column, rtol=1e-12, err_msg=name)


def test_homes_differ_by_seed() -> None:
    t_ms = _times(ORIGIN, 1000, 60_000)
    assert not np.array_equal(_home(1).electricity(t_ms)["power_w"], _home(2).electricity(t_ms)["power_w"])


@pytest.mark.parametrize("start_ms", [ORIGIN - 3 * DAY_MS, ORIGIN + 40 * DAY_MS])
def test_the_register_is_the_integral_of_the_power(start_ms: int) -> None:
    t_ms = _times(start_ms, 2 * DAY_MS // SLOT_MS + 1, SLOT_MS)
    electricity = _home(3).electricity(t_ms)
    used_kwh = np.cumsum(electricity["power_w"][:-1]) * SLOT_MS / 3.6e9
    np.testing.assert_allclose(
        electricity["energy_import_kwh"][1:] - electricity["energy_import_kwh"][0], used_kwh, atol=1e-8
    )


@pytest.mark.parametrize("seed", range(3))
def test_registers_never_go_back_not_even_within_a_second(seed: int) -> None:
    t_ms = np.sort(np.concatenate([_times(ORIGIN - DAY_MS, 3000, 97_001), _times(ORIGIN + DAY_MS - 500, 1000, 1)]))
    home = _home(seed)
    assert (np.diff(home.electricity(t_ms)["energy_import_kwh"]) >= 0).all()
    assert (np.diff(home.gas(t_ms)["gas_m3"]) >= 0).all()


def test_the_origin_moves_the_register_and_nothing_else() -> None:
    t_ms = _times(ORIGIN + 20 * DAY_MS, 100, 60_000)
    early, late = _home().electricity(t_ms), _home(origin_ms=ORIGIN + 10 * DAY_MS).electricity(t_ms)
    np.testing.assert_array_equal(early["power_w"], late["power_w"])
    shift = early["energy_import_kwh"] - late["energy_import_kwh"]
    assert shift[0] > 10
    np.testing.assert_allclose(shift, shift[0])


def test_local_time_moves_the_day() -> None:
    t_ms = _times(ORIGIN, 300, 300_000)
    here = _home(utc_offset_ms=2 * HOUR_MS).electricity(t_ms)["power_w"]
    np.testing.assert_array_equal(here, _home().electricity(t_ms + 2 * HOUR_MS)["power_w"])


def test_homes_use_what_london_homes_use_and_when() -> None:
    t_ms = _times(ORIGIN, 120 * 48 + 1, HALF_HOUR_MS)
    used = np.array([np.diff(_home(seed).electricity(t_ms)["energy_import_kwh"]) for seed in range(16)])
    a_day = used.sum(axis=1) / 120
    hours = used.reshape(16, 120, 24, 2).sum(axis=(0, 1, 3))
    shape = hours / hours.mean()
    assert 7 < a_day.mean() < 13
    assert a_day.min() > 2
    assert a_day.max() < 30
    assert shape.argmax() in {17, 18, 19, 20}
    assert shape[:5].max() < 0.75
    assert 1.3 < shape.max() < 2.3


def test_gas_heats_in_winter_and_only_warms_water_in_summer() -> None:
    def per_day(first_day: int) -> float:
        ends = np.array([ORIGIN + first_day * DAY_MS, ORIGIN + (first_day + 28) * DAY_MS], dtype=np.int64)
        return float(np.mean([np.diff(_home(seed).gas(ends)["gas_m3"])[0] / 28 for seed in range(6)]))

    assert 3 < per_day(14) < 12
    assert 0.3 < per_day(190) < 2.5


@pytest.mark.parametrize("seed", range(4))
def test_gauges_stay_within_what_meters_show(seed: int) -> None:
    values = _everything(_home(seed), _times(ORIGIN, 365 * 24, HOUR_MS))
    bounds = {
        "power_w": (20, 20_000),
        "voltage_v": (216.2, 253),
        "temperature_c": (12, 32),
        "humidity_pct": (10, 100),
        "occupancy": (0, 5),
    }
    for name, (low, high) in bounds.items():
        assert values[name].min() >= low, name
        assert values[name].max() <= high, name


def test_voltage_sags_under_load() -> None:
    electricity = _home(1).electricity(_times(ORIGIN, 20_000, 60_000))
    high = electricity["power_w"] > 2500
    assert high.any()
    assert electricity["voltage_v"][high].mean() < electricity["voltage_v"][~high].mean() - 0.8


def test_an_electric_car_is_charged_at_7_kw() -> None:
    t_ms = _times(ORIGIN, 30 * 288, 300_000)
    plain = _home(1).electricity(t_ms)["power_w"]
    with_car = Household(HouseholdOptions(seed=1, ev=True)).electricity(t_ms)["power_w"]
    assert with_car.max() > plain.max()
    assert (with_car > 7000).sum() > (plain > 7000).sum() + 100


def test_an_empty_home_still_runs_its_fridge() -> None:
    home = _home(5)
    t_ms = _times(ORIGIN, 300 * 288, 300_000)
    empty = home.building(t_ms)["occupancy"].reshape(300, 288).max(axis=1) == 0
    assert 0 < empty.sum() < 60
    power = home.electricity(t_ms)["power_w"].reshape(300, 288)
    assert 0 < power[empty].mean() < 0.6 * power[~empty].mean()
