"""The whole run: what goes in, what comes out, and what is counted."""

import resource
import signal
from pathlib import Path

import msgspec
import polars as pl
import pytest

from model_export.batch.pipeline import run_batch
from model_export.batch.results import ANOMALIES, DAILY, FORECAST, SUMMARY, read_summary
from model_export.errors import DataError
from simulators.london_files import LondonFiles, make_files, read_truth
from tests.model_export.batch.surveys import FIRST_DAY, HEADER, day_rows, living, survey

_TABLES = (DAILY, FORECAST, ANOMALIES)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_files(LondonFiles(rows=200_000, files=11, homes=3), tmp_path_factory.mktemp("london"))


def test_it_finds_what_was_put_into_simulated_files(made: Path, tmp_path: Path) -> None:
    told: list[int] = []
    summary = run_batch(made, tmp_path, told.append)
    assert msgspec.structs.asdict(summary.counts) == {"unreadable": 0} | msgspec.structs.asdict(read_truth(made))
    assert told[-1] == 200_000
    assert read_summary(tmp_path) == summary
    assert summary.forecast is not None
    assert summary.forecast.mae_kwh < summary.forecast.week_ago_mae_kwh
    assert summary.clusters is not None
    assert 0 < summary.clusters.anomalies < 0.05 * summary.whole_days


def test_the_tables_agree_with_the_summary(made: Path, tmp_path: Path) -> None:
    summary = run_batch(made, tmp_path)
    daily, forecast, kinds = (pl.read_parquet(tmp_path / name) for name in _TABLES)
    used = summary.counts.rows - sum(msgspec.structs.astuple(summary.counts)[1:])
    assert (daily.height, daily["n"].sum(), daily["home"].n_unique()) == (summary.days, used, summary.homes)
    assert kinds.height == summary.whole_days == daily.filter(pl.col("n") == 48).height
    assert summary.forecast is not None
    assert forecast["actual_kwh"].count() == summary.forecast.trained + summary.forecast.tested
    for table in (daily, forecast, kinds):
        assert table.equals(table.sort("home", "day"))
        assert not table.select("home", "day").is_duplicated().any()


def test_use_is_what_the_lines_say(tmp_path: Path) -> None:
    files = [day_rows("A", FIRST_DAY, 0.25), [*day_rows("A", FIRST_DAY + 1, 1.5)[:30], *day_rows("B", FIRST_DAY, 2)]]
    run_batch(survey(tmp_path / "in", *files), tmp_path / "out")
    daily = pl.read_parquet(tmp_path / "out" / DAILY)
    columns = ("home", "n", "kwh", "max_kwh", "min_kwh", "mean_kwh", "night_kwh", "evening_kwh")
    assert daily.select(columns).rows() == [
        ("A", 48, 12.0, 0.25, 0.25, 0.25, 3.0, 3.0),
        ("A", 30, 45.0, 1.5, 1.5, 1.5, 18.0, 0.0),
        ("B", 48, 96.0, 2.0, 2.0, 2.0, 24.0, 24.0),
    ]
    assert [str(day) for day in daily["day"]] == ["2012-12-26", "2012-12-27", "2012-12-26"]


def test_one_home_of_sixteen_days_is_added_up_and_not_forecast(tmp_path: Path) -> None:
    summary = run_batch(survey(tmp_path / "in", living("A", 16)), tmp_path / "out")
    assert (summary.days, summary.forecast) == (16, None)
    assert pl.read_parquet(tmp_path / "out" / FORECAST).is_empty()


def test_the_order_of_the_files_does_not_matter(tmp_path: Path) -> None:
    files = [living("A", 20), living("B", 20, 2.0), living("A", 40)[20 * 48 :]]
    tables = []
    for name, order in {"one": files, "other": files[::-1]}.items():
        run_batch(survey(tmp_path / name, *order), tmp_path / name / "out")
        tables.append([pl.read_parquet(tmp_path / name / "out" / table) for table in _TABLES])
    assert all(one.equals(other) for one, other in zip(*tables, strict=True))


def test_real_homes(corpus: Path, tmp_path: Path) -> None:
    summary = run_batch(corpus / "forecast" / "london_lcl" / "homes", tmp_path)
    assert (summary.homes, summary.counts.rows) == (30, 505_310)
    assert sum(msgspec.structs.astuple(summary.counts)[1:]) == 0
    assert summary.forecast is not None
    assert summary.forecast.mae_kwh < 0.85 * summary.forecast.week_ago_mae_kwh


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "no row can be used: 0 rows, 0 null"),
        (["A,Std,2012-12-26 00:30:00.0000000,Null"], "no row can be used: 1 rows, 1 null"),
    ],
)
def test_nothing_to_learn_from_is_an_error_that_says_why(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        run_batch(survey(tmp_path / "in", lines), tmp_path / "out")


def test_results_that_cannot_be_written_are_an_error(tmp_path: Path) -> None:
    folder = survey(tmp_path / "in", day_rows("A", FIRST_DAY))
    with pytest.raises(DataError, match=r"LCL-June2015v2_0.csv: File exists"):
        run_batch(folder, folder / "LCL-June2015v2_0.csv")
    (tmp_path / "out" / DAILY).mkdir(parents=True)
    with pytest.raises(DataError, match=DAILY):
        run_batch(folder, tmp_path / "out")


def test_a_full_disk_leaves_no_half_file(tmp_path: Path) -> None:
    folder = survey(tmp_path / "in", living("A", 400))
    out = tmp_path / "out"
    # A limit on the size of a file ends a write as a full disk does: in the middle, with an error.
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(DataError, match=DAILY):
            run_batch(folder, out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert list(out.iterdir()) == []


def test_a_run_that_fails_leaves_no_summary_of_an_earlier_one(tmp_path: Path) -> None:
    run_batch(survey(tmp_path / "in", day_rows("A", FIRST_DAY)), tmp_path / "out")
    with pytest.raises(DataError):
        run_batch(survey(tmp_path / "in", [HEADER]), tmp_path / "out")
    assert not (tmp_path / "out" / SUMMARY).exists()
