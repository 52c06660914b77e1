"""CSV files of any layout that says what it holds become series; the rest is refused by name."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from model_export.errors import DataError
from model_export.sources.tables import Names, find_layout, table_files, table_series

LONDON = "LCLid,tstp,energy(kWh/hh)\n"
HALF_HOUR = 1_800_000


def test_a_london_home_is_read_with_its_flaws(tmp_path: Path) -> None:
    rows = [
        "MAC1,2013-01-01 01:00:00, 0.3 ",
        "MAC1,2013-01-01 00:00:00, 0.219 ",
        "MAC1,2013-01-01 00:30:00,Null",
        "MAC1,2013-01-01 01:00:00, 0.3 ",
        "MAC1,no time,0.1",
        "MAC1,2013-01-01 01:30:00, 0.1 ",
        "MAC1,2013-01-01 02:00:00, 0.2 ",
        "MAC2,2013-01-01 00:00:00.0000000, 0.5 ",
        "MAC2,2013-01-01 00:30:00.0000000, 0.6 ",
    ]
    file = tmp_path / "homes.csv.gz"
    file.write_bytes(gzip.compress((LONDON + "\n".join(rows)).encode()))
    one, two = table_series([file], HALF_HOUR)
    assert (one.name, two.name) == ("MAC1", "MAC2")
    assert one.intervals.mean.tolist() == pytest.approx([0.438, 0.6, 0.2, 0.4])
    assert two.intervals.mean.tolist() == [1.0, 1.2]


@pytest.mark.parametrize(
    ("header", "rows", "interval_ms", "mean"),
    [
        ("time,power_w", ["2026-01-01T00:00:00Z,100", "2026-01-01T00:00:30Z,300"], 60_000, [200.0]),
        ("t_ms,power_w", ["1767225600000,100", "1767225630000,300"], 60_000, [200.0]),
        ("timestamp,energy_kwh", [f"2026-01-01 0{h}:00:00,{h}" for h in range(4)], 3_600_000, [0, 1, 2, 3]),
        ("timestamp,energy_kwh", [f"2026-01-01 0{h}:00:00,{h}" for h in range(4)], 7_200_000, [0.5, 2.5]),
        ("timestamp,gas_m3", [f"2026-01-01 0{h}:00:00,{h * h}" for h in range(4)], 3_600_000, [1, 3, 5]),
    ],
)
def test_the_columns_name_says_what_the_values_are(
    tmp_path: Path, header: str, rows: list[str], interval_ms: int, mean: list[float]
) -> None:
    file = tmp_path / "meter.csv"
    file.write_text("\n".join([header, *rows]))
    [series] = table_series([file], interval_ms)
    assert series.name == "meter"
    assert series.intervals.mean.tolist() == pytest.approx(mean)


def test_a_column_for_each_meter_is_read_where_it_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "homes.csv"
    file.write_text(
        ",a,b\n2026-01-01 01:00:00+01:00,1,10\n2026-01-01 02:00:00+01:00,2,\n2026-01-01 03:00:00+01:00,3,30\n"
    )
    one, two = table_series([file], 3_600_000, "*", "power_w")
    assert (one.name, one.intervals.mean.tolist()) == ("a", [1.0, 2.0, 3.0])
    assert (two.name, two.intervals.mean.tolist()) == ("b", [10.0, 30.0])
    assert one.intervals.start_ms[0] == 1_767_225_600_000


def test_temperature_and_occupancy_of_a_table_stand_beside_its_series(tmp_path: Path) -> None:
    file = tmp_path / "site.csv"
    rows = ["2026-01-01 00:00,100,5.0,2", "2026-01-01 00:30,200,7.0,", "2026-01-01 01:00,300,,"]
    file.write_text("\n".join(["time,power_w,temperature_c,occupancy", *rows]))
    [series] = table_series([file], 3_600_000)
    assert series.intervals.mean.tolist() == [150.0, 300.0]
    assert series.temperature_c is not None
    assert series.occupancy is not None
    assert series.temperature_c.tolist() == pytest.approx([6.0, np.nan], nan_ok=True)
    assert series.occupancy.tolist() == pytest.approx([2.0, np.nan], nan_ok=True)


def test_files_of_several_quantities_are_read_one_after_the_other(tmp_path: Path) -> None:
    for name, column in (("a", "power_w"), ("b", "energy_kwh"), ("c", "power_w")):
        lines = [f"2026-01-01T0{hour}:00:00Z,{hour}" for hour in range(5)]
        (tmp_path / f"{name}.csv").write_text("\n".join([f"time,{column}", *lines]))
    assert [one.name for one in table_series(table_files(tmp_path), 3_600_000)] == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("columns", "names", "expected"),
    [
        (["date", "x", "y"], Names("y", "power_w"), ("date", "y", "power_w", "")),
        (["date", "x"], Names(quantity="power_w"), ("date", "x", "power_w", "")),
        (
            ["building_id", "timestamp", "meter_reading"],
            Names(),
            ("timestamp", "meter_reading", "energy_kwh", "building_id"),
        ),
        (["when", "who", "gas_m3"], Names(time="when", meter="who"), ("when", "gas_m3", "gas_m3", "who")),
        ([" Time ", "Power_W"], Names(), (" Time ", "Power_W", "power_w", "")),
    ],
)
def test_columns_are_found_or_named(columns: list[str], names: Names, expected: tuple[str, ...]) -> None:
    layout = find_layout(columns, names, "f")
    assert (layout.time, layout.value, layout.quantity, layout.meter) == expected


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (Names("z"), "f: no column z among time, x, y"),
        (Names("x"), "name it and its quantity"),
        (Names("x", "colour"), "f: colour is no quantity"),
        (Names("*"), "does not tell its quantity"),
        (Names("time", "power_w"), "the column time holds times, not values"),
        (Names("y", "power_w", meter="y"), "the column y holds meters, not values"),
        (Names(quantity="power_w"), "no column of values"),
    ],
)
def test_names_that_do_not_fit_are_refused(names: Names, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        find_layout(["time", "x", "y"], names, "f")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a,b\n1,2\n", "no column of times"),
        ("time,colour\n2026-01-01,red\n", "no column of values"),
        ("", r"bad\.csv"),
        ("time,energy_kwh\n2026-01-01,1\n2026-01-02,1\n2026-01-03,1\n", "too coarse"),
    ],
)
def test_a_file_of_another_layout_is_refused_by_name(tmp_path: Path, content: str, problem: str) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(content)
    with pytest.raises(DataError, match=problem):
        list(table_series([file], 60_000))


def test_a_file_without_a_usable_row_is_refused_with_the_reason(tmp_path: Path) -> None:
    file = tmp_path / "nan.csv"
    file.write_text("time,power_w\n2026-01-01,NaN\n2026-01-02,Null\n")
    with pytest.raises(DataError, match=r"none of 1 meters is left \(1 no values\): nan: none of 2 rows"):
        list(table_series([file], 60_000))


def test_an_empty_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no"):
        table_files(tmp_path)


def test_real_london_homes_are_read(corpus: Path) -> None:
    files = table_files(corpus / "forecast" / "london_lcl" / "homes")
    series = list(table_series(files[:3], HALF_HOUR))
    assert [one.name[:3] for one in series] == ["MAC", "MAC", "MAC"]
    assert all((np.diff(one.intervals.start_ms) >= HALF_HOUR).all() for one in series)
    assert 0.05 < np.mean([one.intervals.mean.mean() for one in series]) < 3.0
