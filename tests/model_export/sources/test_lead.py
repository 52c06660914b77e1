"""LEAD and ASHRAE buildings: any order of columns, one building a file or many, with or without labels and metadata."""

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model_export.dataset import Building, MeterSeries
from model_export.errors import DataError
from model_export.sources.catalog import Dataset, Options, open_dataset

HOURS = 24 * 30
START = np.datetime64("2016-01-01T00:00:00")
LEAD = ("building_id", "timestamp", "meter_reading", "anomaly")
Row = dict[str, str]


def building(number: int, size: float = 100.0, **more: str) -> list[Row]:
    moments = [str(START + np.timedelta64(i, "h")).replace("T", " ") for i in range(HOURS)]
    return [
        {"building_id": str(number), "timestamp": moment, "meter_reading": f"{size + i % 24}", "anomaly": "0"} | more
        for i, moment in enumerate(moments)
    ]


def write(file: Path, rows: list[Row], columns: tuple[str, ...] = LEAD) -> None:
    text = "\n".join([",".join(columns), *(",".join(row[name] for name in columns) for row in rows)]) + "\n"
    file.write_bytes(gzip.compress(text.encode()) if file.suffix == ".gz" else text.encode())


def read(path: Path, options: Options | None = None) -> tuple[Dataset, dict[str, MeterSeries]]:
    dataset = open_dataset("lead", path, None, options)
    return dataset, {one.name: one for one in dataset.series()}


def test_files_of_one_building_in_any_order_of_columns(tmp_path: Path) -> None:
    write(tmp_path / "building_7.csv.gz", building(7), ("timestamp", "anomaly", "meter_reading", "building_id"))
    write(tmp_path / "building_8.csv", building(8, 5.0))
    _, found = read(tmp_path)
    assert list(found) == ["7", "8"]
    assert found["8"].intervals.mean[:3].tolist() == [5.0, 6.0, 7.0]
    assert found["7"].labels is not None
    assert not found["7"].labels.any()


def test_the_official_layout_sorted_by_time_with_empty_readings(tmp_path: Path) -> None:
    one, two = building(1), building(32)
    for i in range(10):
        one[i]["meter_reading"] = ""
        one[i]["anomaly"] = str(int(i == 9))
    for i in (100, 101, 103):
        two[i]["anomaly"] = "1"
    write(tmp_path / "train.csv", [row for pair in zip(one, two, strict=True) for row in pair])
    dataset, found = read(tmp_path / "train.csv")
    assert len(found["1"].intervals) == HOURS - 10
    assert found["32"].labels is not None
    assert np.flatnonzero(found["32"].labels).tolist() == [100, 101, 103]
    assert [(one.end_ms - one.start_ms) // 3_600_000 for one in found["32"].faults] == [2, 1]
    assert found["1"].faults == ()
    assert dataset.report.total.missing == 10
    assert dataset.report.labels_without_reading == 1


def test_a_labelled_spike_stays_for_evaluation_unless_asked_otherwise(tmp_path: Path) -> None:
    rows = building(1)
    rows[500] |= {"meter_reading": "99999999", "anomaly": "1"}
    write(tmp_path / "train.csv", rows)
    dataset, found = read(tmp_path)
    assert (len(found["1"].intervals), dataset.report.total.impossible) == (HOURS, 1)
    dataset, found = read(tmp_path, Options(keep_impossible=False))
    assert (len(found["1"].intervals), dataset.report.total.impossible) == (HOURS - 1, 1)


def test_meters_of_one_building_are_series_of_their_own_without_labels(tmp_path: Path) -> None:
    rows = [row for number in range(4) for row in building(3, 10.0 * (number + 1), meter=str(number))]
    write(tmp_path / "train.csv", rows, ("building_id", "meter", "timestamp", "meter_reading"))
    _, found = read(tmp_path)
    assert list(found) == ["3", "3-chilled_water", "3-steam", "3-hot_water"]
    assert [one.intervals.mean[0] for one in found.values()] == [10.0, 20.0, 30.0, 40.0]
    assert all(one.labels is None and one.faults == () for one in found.values())


def test_metadata_and_weather_beside_are_joined_by_site(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", building(3, meter="1") + building(4, meter="0"), (*LEAD, "meter"))
    (tmp_path / "building_metadata.csv").write_text(
        "site_id,building_id,primary_use,square_feet,year_built\n2,3,Office,1000,\n5,4,Education,,1990\n"
    )
    (tmp_path / "weather_train.csv").write_text(
        "site_id,timestamp,air_temperature,cloud_coverage\n2,2016-01-01 00:00:00,25.0,6\n2,2016-01-01 01:00:00,,\n"
    )
    dataset, found = read(tmp_path)
    chilled, other = found["3-chilled_water"], found["4"]
    assert chilled.building is not None
    assert replace(chilled.building, floor_m2=round(chilled.building.floor_m2, 2)) == Building("2", "Office", 92.9)
    assert chilled.temperature_c is not None
    assert chilled.temperature_c[:5].tolist() == pytest.approx([25.0] * 3 + [np.nan] * 2, nan_ok=True)
    assert other.building is not None
    assert (other.building.use, np.isnan(other.building.floor_m2)) == ("Education", True)
    assert other.temperature_c is None
    assert dataset.report.other_files == ()


def test_labels_may_come_in_a_file_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    write(tmp_path / "data" / "train.csv", building(3), LEAD[:3])
    rows = building(3)[:100] + building(9)[:5]
    rows[50]["anomaly"] = "1"
    write(tmp_path / "labels.csv", rows, ("building_id", "timestamp", "anomaly"))
    dataset, found = read(tmp_path / "data", Options(labels=tmp_path / "labels.csv"))
    assert found["3"].labels is not None
    assert np.flatnonzero(found["3"].labels).tolist() == [50]
    assert dataset.report.labels_unmatched == 5
    write(tmp_path / "labels.csv", building(9), ("building_id", "timestamp", "anomaly"))
    with pytest.raises(DataError, match=r"labels\.csv: none of its 720 labels is of a reading in the data"):
        read(tmp_path / "data", Options(labels=tmp_path / "labels.csv"))


def test_files_of_another_layout_are_named(tmp_path: Path) -> None:
    (tmp_path / "building_metadata.csv").write_text("site_id,building_id,primary_use\n2,3,Office\n")
    with pytest.raises(DataError, match="holds no readings; expected columns building_id, timestamp"):
        read(tmp_path)
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"notes\.csv: holds no readings"):
        read(tmp_path)
    write(tmp_path / "train.csv", building(3))
    assert read(tmp_path)[0].report.other_files == ("notes.csv",)
    with pytest.raises(DataError, match="60 min is too coarse for intervals of 30 min"):
        list(open_dataset("lead", tmp_path, 1_800_000).series())


def test_the_buildings_of_the_corpus_are_read_with_their_labels(corpus: Path) -> None:
    dataset, found = read(corpus / "anomaly" / "lead10")
    labelled = {
        name: (len(one.intervals), int(one.labels.sum())) for name, one in found.items() if one.labels is not None
    }
    assert labelled == {"118": (8784, 166), "121": (8784, 184), "685": (8755, 288), "697": (8784, 158)}
    assert [len(one.faults) for one in found.values()] == [10, 11, 15, 13]
    assert dataset.report.total.found() == pytest.approx({"rows": 35_107, "kept": 35_107, "gaps": 2, "gap_hours": 29.0})
