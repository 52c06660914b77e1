"""From series to a file, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from model_export.errors import DataError, ParityError
from model_export.forecast.boosting import Ensemble, train
from model_export.forecast.examples import Examples, examples
from model_export.forecast.graph import build, check_parity, run, with_metadata
from model_export.forecast.simulated import Size, restless, simulated_table
from model_export.forecast.table import SeriesTable, Span
from model_export.forecast.training import Made, Wish, check_interval, train_forecaster
from tests.model_export.forecast.tables import HOUR_MS, random_table
from wattline.forecasting.features import BASES, CONTRACT, NAMES
from wattline.forecasting.onnx_forecaster import OnnxForecaster

DAY = 24


def wish(level: str = "meter") -> Wish:
    return Wish(level, 1, {}, most_rows=2000)


@pytest.fixture(scope="module")
def rows(homes: SeriesTable) -> Examples:
    return examples(homes, Span(0, homes.length), 1, 4000)


@pytest.fixture(scope="module")
def ensemble(rows: Examples) -> Ensemble:
    return train(rows, 1, lambda: None)


@pytest.mark.parametrize("level", ["meter", "aggregate"])
def test_the_file_says_what_it_is_and_where_it_comes_from(
    made: dict[str, Made], files: dict[str, Path], level: str, homes: SeriesTable
) -> None:
    facts = {entry.key: entry.value for entry in onnx.load(files[level]).metadata_props}
    assert facts == {"contract": CONTRACT, "features": ",".join(NAMES)} | made[level].facts
    assert (facts["level"], facts["interval_ms"], facts["dataset"]) == (level, str(HOUR_MS), "x")
    assert (facts["trained_on"] == homes.digest()) == (level == "meter")
    assert float(facts["parity"]) <= 1e-5
    assert OnnxForecaster(files[level]).name == f"{level}-{facts['version']}"


def test_the_same_data_and_seed_make_the_same_file(homes: SeriesTable) -> None:
    one, other = (train_forecaster(homes, Span(0, homes.length), wish(), lambda: None) for _ in range(2))
    assert one.model == other.model


def test_it_forecasts_homes_it_has_never_seen_better_than_the_week_before(files: dict[str, Path]) -> None:
    others = simulated_table(Size(4, 60), HOUR_MS, 77, lambda: None)
    forecaster = OnnxForecaster(files["meter"])
    error = before = 0.0
    for at in range(DAY * 30, DAY * 58, 31):
        said = forecaster.forecast(others.scene(at))
        truth = others.truth(at)
        assert said.by_model.all()
        error += float(np.abs(said.energy_kwh - truth).sum())
        before += float(np.abs(others.a_week_before(at) - truth).sum())
    assert error < 0.85 * before


@pytest.mark.parametrize(
    ("table", "level", "complaint"),
    [
        pytest.param(random_table(1), "meter", "1 meter; a forecaster for all learns from 2", id="one home"),
        pytest.param(random_table(4, days=6), "meter", "6 days to learn from", id="six days"),
        pytest.param(random_table(4, days=9), "aggregate", "9 days to learn from", id="nine days"),
        pytest.param(replace(random_table(), interval_ms=900_000), "meter", "30m or 1h", id="quarter hours"),
    ],
)
def test_too_little_is_refused_in_one_line(table: SeriesTable, level: str, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint) as caught:
        train_forecaster(table, Span(0, table.length), wish(level), lambda: None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("known", [0, 1])
def test_meters_that_are_hardly_known_are_refused(known: int) -> None:
    table = random_table()
    table.energy_kwh[known:] = np.nan
    with pytest.raises(DataError, match="meter"):
        train_forecaster(table, Span(0, table.length), wish(), lambda: None)


@pytest.mark.parametrize("interval_ms", [60_000, 900_000, 86_400_000])
def test_other_lengths_of_interval_are_refused(interval_ms: int) -> None:
    with pytest.raises(DataError, match="30m or 1h"):
        check_interval(interval_ms)


def test_graph_and_trees_are_one_model_where_values_are_missing_too(ensemble: Ensemble, rows: Examples) -> None:
    matrix = rows.matrix.copy()
    missing = np.random.default_rng(1).random(matrix.shape) < 0.3
    missing[:, [NAMES.index(base) for base in BASES.values()]] = False
    matrix[missing] = np.nan
    assert check_parity(with_metadata(build(ensemble), {}), ensemble, matrix) <= 1e-5
    assert np.isfinite(run(with_metadata(build(ensemble), {}), matrix)).all()


def test_another_model_is_found_out(ensemble: Ensemble, rows: Examples) -> None:
    other = replace(ensemble, above=ensemble.above * 1.01)
    with pytest.raises(ParityError, match="are off by up to"):
        check_parity(with_metadata(build(ensemble), {}), other, rows.matrix)


def test_the_band_is_set_on_series_that_were_not_learned_from(ensemble: Ensemble) -> None:
    assert 0.6 < ensemble.below < 1.6
    assert 0.6 < ensemble.above < 1.6


def test_examples_are_spread_over_hours_and_have_short_histories_among_them(rows: Examples) -> None:
    hours = rows.matrix[:, NAMES.index("hour")]
    assert set(hours.tolist()) == set(range(24))
    assert set(rows.series.tolist()) == set(range(6))
    untried = np.isnan(rows.matrix[:, NAMES.index("error_week")])
    assert 0.01 < untried.mean() < 0.3
    warmth = rows.matrix[:, NAMES.index("temperature")]
    assert 0.2 < np.isnan(warmth).mean() < 0.6


def test_simulated_homes_follow_the_seed_and_use_something() -> None:
    one, same, other = (simulated_table(Size(3, 10), HOUR_MS, seed, lambda: None) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.energy_kwh, same.energy_kwh)
    assert not np.array_equal(one.energy_kwh, other.energy_kwh, equal_nan=True)
    inside = one.energy_kwh[:, one.history : one.history + one.length]
    assert (inside >= 0).all()
    assert (inside.sum(axis=1) / 10 > 1).all()
    assert (inside.sum(axis=1) / 10 < 60).all()


def test_a_restless_home_is_now_and_then_away() -> None:
    plain = np.tile(np.r_[np.full(12, 0.1), np.full(12, 1.0)], 365)
    lived = restless(plain, DAY, 3).reshape(365, DAY)
    assert (lived >= 0).all()
    assert 4 <= (lived.max(axis=1) <= 0.1 + 1e-9).sum() <= 120
    np.testing.assert_array_equal(lived.ravel(), restless(plain, DAY, 3))


def test_some_simulated_series_are_offices_that_close_at_the_weekend() -> None:
    table = simulated_table(Size(6, 28), HOUR_MS, 1, lambda: None)
    used = table.energy_kwh[5, table.history : table.history + table.length].reshape(28, DAY)
    weekday = table.calendar.day_of_week[table.history : table.history + table.length : DAY]
    noon, night = used[:, 11:15].mean(axis=1), used[:, :4].mean(axis=1)
    assert (noon / night)[weekday < 5].mean() > 1.3 * (noon / night)[weekday == 6].mean()
