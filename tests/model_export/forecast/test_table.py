"""Series side by side, and scenes of them."""

from dataclasses import replace

import numpy as np
import pytest

from model_export.dataset import Building, MeterSeries
from model_export.errors import DataError
from model_export.forecast import table as table_module
from model_export.forecast.table import Place, table_of
from tests.model_export.forecast.tables import HOUR_MS, START_MS, random_table
from wattline.intervals import Floats, from_amounts

DAY = 24


def series(
    name: str, first_hour: int, amounts: list[float], warmth: Floats | None = None, site: str = ""
) -> MeterSeries:
    t_ms = START_MS + (first_hour + np.arange(len(amounts))) * HOUR_MS
    intervals = from_amounts(0, t_ms, np.array(amounts), HOUR_MS)
    return MeterSeries(name, intervals, temperature_c=warmth, building=Building(site, floor_m2=120.0) if site else None)


def test_series_stand_on_one_grid_that_begins_at_midnight() -> None:
    made = table_of([series("a", 2, [1, 2]), series("b", 30, [5])], HOUR_MS, Place())
    begin = made.history
    assert (made.start_ms, made.length, made.names) == (START_MS, 31, ("a", "b"))
    assert made.energy_kwh[0, begin + 2 : begin + 4].tolist() == [1, 2]
    assert made.energy_kwh[1, begin + 30] == 5
    assert np.isfinite(made.energy_kwh).sum() == 3
    assert made.energy_kwh.shape[1] == (28 + 2) * DAY + 31


def test_watts_become_kilowatt_hours() -> None:
    made = table_of([series("a", 0, [1500.0])], HOUR_MS, Place(), "power_w")
    assert made.energy_kwh[0, made.history] == 1.5


def test_meters_of_one_site_share_its_weather() -> None:
    one = series("a", 0, [1, 1], np.array([7.0, np.nan]), "north")
    other = series("b", 1, [1, 1], np.array([8.0, 9.0]), "north")
    third = series("c", 0, [1], np.array([20.0]), "south")
    bare = series("d", 0, [1])
    made = table_of([one, other, third, bare], HOUR_MS, Place())
    assert made.place.tolist() == [0, 0, 1, -1]
    assert made.temperature_c[0, made.history : made.history + 3].tolist() == [7, 8, 9]
    np.testing.assert_array_equal(made.floor_m2, [120, 120, 120, np.nan])


def test_a_scene_ends_where_it_is_issued() -> None:
    table = random_table(2, 40)
    scene = table.scene(DAY * 30)
    assert scene.issued_ms == table.start_ms + DAY * 30 * HOUR_MS
    assert scene.energy_kwh.shape == (2, 28 * DAY)
    np.testing.assert_array_equal(scene.energy_kwh[:, -1], table.energy_kwh[:, table.history + DAY * 30 - 1])
    np.testing.assert_array_equal(table.truth(DAY * 30)[:, 0], table.energy_kwh[:, table.history + DAY * 30])
    np.testing.assert_array_equal(table.a_week_before(DAY * 30), table.truth(DAY * 23))


def test_without_weather_there_is_none() -> None:
    scene = random_table().without_weather().scene(DAY * 30)
    assert len(scene.temperature_c) == 0
    assert (scene.place == -1).all()


@pytest.mark.parametrize("change", ["a value", "a day later"])
def test_other_data_have_another_digest(change: str) -> None:
    table = random_table()
    other = replace(table, start_ms=table.start_ms + 86_400_000) if change == "a day later" else random_table(seed=2)
    assert table.digest() == random_table().digest() != other.digest()


def test_nothing_is_refused() -> None:
    with pytest.raises(DataError, match="no intervals"):
        table_of([], HOUR_MS, Place())


def test_more_than_memory_holds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_module, "MOST_BYTES", 1000)
    with pytest.raises(DataError, match="--homes takes fewer"):
        table_of([series("a", 0, [1])], HOUR_MS, Place())
