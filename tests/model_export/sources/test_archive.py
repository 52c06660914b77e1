"""The project's archive becomes series: the judged quantity of each meter, with its site's weather beside."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from model_export.cleaning import Rules
from model_export.errors import DataError
from model_export.sources.archive import archive_series
from model_export.sources.reading import Ledger

DAY = 86_400_000
HALF_HOUR = 1_800_000
T0 = 1_700_006_400_000 // DAY * DAY
RULES = Rules("", HALF_HOUR, shortest_days=0.0)


def write(folder: Path, rows: list[tuple[str, str, int, str, float | None]], **extra: pl.Expr) -> None:
    """A file of readings in the folder of each day, named in both ways."""
    frame = pl.DataFrame(rows, schema=["site", "meter", "t", "quantity", "value"], orient="row").with_columns(**extra)
    for (day,), part in frame.group_by(pl.col("t") // DAY):
        name = str(np.datetime64(int(str(day)), "D"))
        inside = folder / (name if int(str(day)) % 2 else f"date={name}")
        inside.mkdir(parents=True, exist_ok=True)
        part.write_parquet(inside / f"part-{len(list(inside.iterdir()))}.parquet")


def read(folder: Path, ledger: Ledger | None = None, chunk_rows: int = 100) -> dict[str, Any]:
    series = list(archive_series(folder, RULES, ledger or Ledger(), chunk_rows))
    assert len({one.name for one in series}) == len(series)
    return {one.name: one for one in series}


def readings(site: str, meter: str, quantity: str, values: list[float | None]) -> list[Any]:
    return [(site, meter, T0 + HALF_HOUR * i, quantity, value) for i, value in enumerate(values)]


POWER = [100.0 + i % 7 for i in range(96)]


def test_each_meter_is_told_by_its_judged_quantity_over_the_days(tmp_path: Path) -> None:
    write(tmp_path, readings("h1", "m", "power_w", list(POWER)), gateway=pl.lit("gw"))
    write(tmp_path, readings("h1", "m", "voltage_l1_v", [230.0] * 96))
    write(tmp_path, readings("h1", "m", "energy_import_kwh", [0.05 * i for i in range(96)]))
    write(tmp_path, readings("h2", "m", "energy_import_kwh", [0.05 * i * i for i in range(96)]))
    write(tmp_path, readings("", "gas", "gas_m3", [0.5 * i * i for i in range(96)]))
    found = read(tmp_path)
    assert set(found) == {"h1/m", "h2/m", "gas"}
    assert found["h1/m"].intervals.mean.tolist() == POWER
    assert found["h2/m"].intervals.mean[:3].tolist() == pytest.approx([0.1, 0.3, 0.5])
    assert len(found["gas"].intervals) == 95
    assert (found["h1/m"].building.site, found["gas"].building) == ("h1", None)


def test_files_of_one_day_may_differ_in_columns_and_types(tmp_path: Path) -> None:
    write(tmp_path, readings("h", "m", "power_w", list(POWER)), gateway=pl.lit("gw"))
    late = readings("h", "m", "power_w", list(POWER))[-1:]
    write(tmp_path, late, value=pl.col("value").cast(pl.Float32), site=pl.col("site").cast(pl.Categorical))
    [other] = tmp_path.glob("*/part-1.parquet")
    pl.read_parquet(other).with_columns(t=pl.from_epoch("t", time_unit="ms")).write_parquet(other)
    ledger = Ledger()
    assert read(tmp_path, ledger)["h/m"].intervals.mean.tolist() == POWER
    assert ledger.meters[0].counts.duplicates_equal == 1


def test_temperature_and_occupancy_of_the_site_stand_beside(tmp_path: Path) -> None:
    write(tmp_path, readings("h1", "m", "power_w", list(POWER)) + readings("h2", "m", "power_w", list(POWER)))
    write(
        tmp_path, readings("h1", "weather", "temperature_c", [20.0, None]) + readings("h1", "hall", "occupancy", [3.0])
    )
    ledger = Ledger()
    found = read(tmp_path, ledger)
    assert set(found) == {"h1/m", "h2/m"}
    assert found["h1/m"].temperature_c[:9].tolist() == pytest.approx([20.0] * 6 + [np.nan] * 3, nan_ok=True)
    assert found["h1/m"].occupancy[0] == 3.0
    assert found["h2/m"].temperature_c is None
    assert [one.excluded for one in ledger.meters] == ["", ""]


def test_meters_without_a_consumption_are_counted(tmp_path: Path) -> None:
    write(tmp_path, readings("h", "m", "voltage_v", [230.0, 231.0]))
    ledger = Ledger()
    assert read(tmp_path, ledger) == {}
    [one] = ledger.meters
    assert (one.meter, one.excluded, one.counts.rows) == ("h/m", "no_values", 2)
    assert one.detail == "none of voltage_v is a consumption"


def test_more_meters_than_fit_are_read_one_after_the_other(tmp_path: Path) -> None:
    for meter in range(9):
        write(tmp_path, readings("h", f"m{meter}", "power_w", [value * (meter + 1) for value in POWER]))
    few, many = read(tmp_path, chunk_rows=1), read(tmp_path, chunk_rows=10_000)
    assert list(few) == list(many) == [f"h/m{meter}" for meter in range(9)]
    assert all((few[name].intervals.mean == many[name].intervals.mean).all() for name in few)


def test_what_is_no_archive_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no \.parquet"):
        read(tmp_path)
    (tmp_path / "x.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"x\.parquet: "):
        read(tmp_path)
    pl.DataFrame({"site": ["h"], "meter": ["m"]}).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(DataError, match="no column t; expected columns site, meter, t, quantity, value"):
        read(tmp_path)
