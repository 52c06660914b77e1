"""Cheap readings, exact sums, registers that add up."""

import numpy as np
import pytest

from simulators.household import DEFAULT_ORIGIN_MS
from simulators.profiles import MeterTable, Profiles, draw_profiles, frames_of, meter_table, values_at
from simulators.residents import SLOT_MS
from simulators.weather import DAY_MS

IDS = tuple(f"m{number}" for number in range(40))


@pytest.fixture(scope="module")
def profiles() -> Profiles:
    return draw_profiles(1)


@pytest.fixture(scope="module")
def meters() -> MeterTable:
    return meter_table(1, IDS)


def test_values_depend_on_meter_and_time_alone(profiles: Profiles, meters: MeterTable) -> None:
    t_ms = DEFAULT_ORIGIN_MS + np.arange(-50, 50, dtype=np.int64) * 3_333_333
    power, register = values_at(profiles, meters, t_ms)
    assert power.shape == register.shape == (40, 100)
    alone = values_at(draw_profiles(1), meter_table(1, IDS[7:8]), t_ms[60:61])
    assert (alone[0][0, 0], alone[1][0, 0]) == (power[7, 60], register[7, 60])
    assert len(np.unique(power[:, 0])) > 20


def test_the_register_is_the_integral_of_the_power(profiles: Profiles, meters: MeterTable) -> None:
    t_ms = DEFAULT_ORIGIN_MS + 3 * DAY_MS + np.arange(2 * DAY_MS // 5000, dtype=np.int64) * 5000
    _, register = values_at(profiles, meters, t_ms)
    assert (np.diff(register, axis=1) >= 0).all()
    # A meter's shift puts the borders of its slots between the steps: the sum is as exact as those few allow.
    slots = values_at(profiles, meters, t_ms)[0].sum(axis=1) / 10 * 5 / 3600
    np.testing.assert_allclose(register[:, -1] - register[:, 0], slots, rtol=0.002)


def test_the_register_is_exact_at_the_borders_of_slots(profiles: Profiles) -> None:
    meters = MeterTable(("m",), np.array([3]), np.array([0]))
    t_ms = DEFAULT_ORIGIN_MS + np.arange(20_000, dtype=np.int64) * SLOT_MS
    power, register = values_at(profiles, meters, t_ms)
    used = np.concatenate([[0], np.cumsum(power[0])[:-1]]) * SLOT_MS // 36_000_000
    np.testing.assert_array_equal(register[0] - register[0, 0], used)


def test_frames_show_tenths_of_watts_and_watt_hours(profiles: Profiles, meters: MeterTable) -> None:
    t_ms = DEFAULT_ORIGIN_MS + np.arange(5, dtype=np.int64) * 1000
    power, register = values_at(profiles, meters, t_ms)
    frames = frames_of(meters, t_ms, (power, register))
    assert [frame.meter for frame in frames] == list(IDS)
    assert frames[4].t == t_ms.tolist()
    assert frames[4].q == {
        "power_w": [int(value) / 10 for value in power[4]],
        "energy_import_kwh": [int(value) / 1000 for value in register[4]],
    }
