"""Two runs agree, or it is said in what they differ."""

import shutil
from pathlib import Path

import msgspec
import polars as pl
import pytest

from model_export.batch.comparing import compare_runs
from model_export.batch.pipeline import run_batch
from model_export.batch.results import DAILY, FORECAST, read_summary, write_summary
from tests.model_export.batch.surveys import living, survey


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    run_batch(survey(folder / "in", *(living(name, 200, size) for name, size in (("A", 1), ("B", 3)))), folder / "one")
    return folder


@pytest.fixture
def one(runs: Path) -> Path:
    return runs / "one"


@pytest.fixture
def other(one: Path, tmp_path: Path) -> Path:
    """The same results again, to be changed."""
    return Path(shutil.copytree(one, tmp_path / "other"))


def _change(folder: Path, name: str, *columns: pl.Expr) -> None:
    pl.read_parquet(folder / name).with_columns(*columns).write_parquet(folder / name)


def test_a_run_agrees_with_itself(one: Path, other: Path) -> None:
    agreement = compare_runs(one, other)
    assert agreement.agrees
    assert (agreement.daily_difference, agreement.forecast_difference, agreement.inertia_ratio) == (0, 0, 1)


def test_a_table_may_be_a_folder_of_parts(one: Path, other: Path) -> None:
    daily = pl.read_parquet(other / DAILY)
    (other / DAILY).unlink()
    (other / DAILY).mkdir()
    for number, part in enumerate((daily.tail(100), daily.head(daily.height - 100))):
        part.write_parquet(other / DAILY / f"part-{number}.parquet")
    assert compare_runs(one, other).agrees


@pytest.mark.parametrize(("factor", "agrees"), [(1 + 1e-12, True), (1 + 1e-8, False)])
def test_daily_sums_may_differ_by_rounding_only(one: Path, other: Path, factor: float, agrees: bool) -> None:  # noqa: FBT001 - a column of the table
    _change(other, DAILY, pl.col("kwh") * factor)
    agreement = compare_runs(one, other)
    assert agreement.agrees is agrees
    assert 0 < agreement.daily_difference < 1e-7


def test_a_day_that_one_lacks(one: Path, other: Path) -> None:
    pl.read_parquet(other / DAILY).slice(1).write_parquet(other / DAILY)
    agreement = compare_runs(one, other)
    assert (agreement.agrees, agreement.days, agreement.daily_difference) == (False, False, float("inf"))


def test_forecasts_that_differ_are_told(one: Path, other: Path) -> None:
    _change(other, FORECAST, pl.col("forecast_kwh") + 0.5)
    assert compare_runs(one, other).forecast_difference > 0.1


def test_counts_coefficients_and_inertia_must_agree(one: Path, other: Path) -> None:
    summary = read_summary(one)
    assert summary.forecast is not None
    assert summary.clusters is not None
    fit, clusters, replace = summary.forecast, summary.clusters, msgspec.structs.replace
    changes = [
        replace(summary, counts=replace(summary.counts, null=1)),
        replace(summary, forecast=None),
        replace(summary, forecast=replace(fit, intercept=fit.intercept + 1e-3)),
        replace(summary, forecast=replace(fit, coefficients=fit.coefficients | {"lag_1": 0.0})),
        replace(summary, clusters=replace(clusters, inertia=clusters.inertia * 1.1)),
        replace(summary, clusters=None),
    ]
    for change in changes:
        write_summary(change, other)
        assert not compare_runs(one, other).agrees
    write_summary(summary, other)
    assert compare_runs(one, other).agrees
