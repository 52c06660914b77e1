"""Every data set is opened by its name, read as often as wanted, and tells what was wrong with it."""

from pathlib import Path

import numpy as np
import pytest

from model_export.errors import DataError
from model_export.sources.catalog import Options, open_dataset
from model_export.sources.simulated import Spec
from model_export.sources.tables import Names

DAY = 86_400_000
HOUR = 3_600_000


def table(folder: Path, meters: int = 3, days: int = 30) -> Path:
    start = np.datetime64("2026-01-01T00:00:00")
    for meter in range(meters):
        rows = [f"{start + np.timedelta64(i, 'h')}Z,{i % 24 + meter}" for i in range(24 * days)]
        (folder / f"m{meter}.csv").write_text("\n".join(["time,energy_kwh", *rows]))
    return folder


def test_a_data_set_can_be_read_again_and_reports_the_last_reading(tmp_path: Path) -> None:
    dataset = open_dataset("csv", table(tmp_path), HOUR)
    assert dataset.report.meters == ()
    for _ in range(2):
        assert [one.name for one in dataset.series()] == ["m0", "m1", "m2"]
        assert dataset.report.total.found() == {"rows": 2160, "kept": 2160}
    assert (dataset.name, dataset.interval_ms) == ("csv", HOUR)


def test_only_as_many_meters_as_wanted_are_given(tmp_path: Path) -> None:
    dataset = open_dataset("csv", table(tmp_path), HOUR, Options(meters=2))
    assert [one.name for one in dataset.series()] == ["m0", "m1"]


def test_simulated_homes_have_the_interval_that_is_asked_for() -> None:
    spec = Spec(homes=9, days=3, interval_ms=1, seed=4)
    dataset = open_dataset("simulated", None, HOUR, Options(meters=2, simulated=spec))
    series = list(dataset.series())
    assert len(series) == 2
    assert (series[0].intervals.length_ms == HOUR).all()


@pytest.mark.parametrize(
    ("name", "path", "problem"),
    [
        ("paris", ".", "paris: no such data set; there are simulated, london, lead, csv, archive"),
        ("london", None, "london: the path of its files is needed"),
        ("london", ".", "holds no .csv"),
        ("lead", ".", "holds no .csv"),
        ("csv", ".", "holds no .csv"),
        ("csv", "nowhere", "there is no such file or folder"),
        ("archive", ".", "holds no .parquet"),
    ],
)
def test_what_is_not_there_is_said(tmp_path: Path, name: str, path: str | None, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        list(open_dataset(name, tmp_path / path if path else None).series())


@pytest.mark.parametrize("name", ["simulated", "archive"])
def test_labels_that_would_not_be_looked_at_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"labels\.csv: labels go with files"):
        open_dataset(name, tmp_path, options=Options(labels=tmp_path / "labels.csv"))


@pytest.mark.parametrize(
    ("file", "value", "quantity", "interval_ms", "meters"),
    [
        ("forecast/opengrid/electricity_2016_hour.csv.gz", "*", "power_w", HOUR, 6),
        ("gas_water_heat/opengrid/gas_2016_hour.csv.gz", "*", "power_w", HOUR, 1),
        ("forecast/sgsc_australia/smart_meter10.csv.gz", "general_supply_kwh", "energy_kwh", HOUR // 2, 3),
        (
            "power/uci_household/clean_household_power_consumption_hourly.csv.gz",
            "Global_active_power",
            "power_w",
            HOUR,
            1,
        ),
        ("anomaly/spain_prime/meter_data_CIR0141414821_S05.csv.gz", "R1a", "energy_import_kwh", DAY, 1),
    ],
)
def test_other_tables_of_the_corpus_are_read_by_naming_their_columns(
    corpus: Path, file: str, value: str, quantity: str, interval_ms: int, meters: int
) -> None:
    dataset = open_dataset("csv", corpus / file, interval_ms, Options(names=Names(value, quantity)))
    series = list(dataset.series())
    assert len(series) == meters
    assert dataset.report.exclusions == ()
    assert all((np.diff(one.intervals.start_ms) >= interval_ms).all() for one in series)
    assert all((one.intervals.start_ms % interval_ms == 0).all() for one in series)


def test_times_with_offsets_survive_the_change_of_the_clocks(corpus: Path) -> None:
    file = corpus / "forecast" / "opengrid" / "electricity_2016_hour.csv.gz"
    dataset = open_dataset("csv", file, HOUR, Options(names=Names("*", "power_w")))
    assert all((np.diff(one.intervals.start_ms) == HOUR).all() for one in dataset.series())
    assert dataset.report.total.duplicates_conflicting == 0


@pytest.mark.parametrize(("labels", "spans"), [("windows", [3, 5]), ("labels", [2, 5])])
def test_the_anomaly_benchmarks_labels_go_with_its_files(corpus: Path, labels: str, spans: list[int]) -> None:
    folder = corpus / "anomaly" / "nab"
    options = Options(names=Names("value", "power_w"), labels=folder / "labels" / f"combined_{labels}.json")
    dataset = open_dataset("csv", folder / "realKnownCause", HOUR // 2, options)
    assert [len(one.faults) for one in dataset.series()] == spans
    assert dataset.report.labels_unmatched > 0
