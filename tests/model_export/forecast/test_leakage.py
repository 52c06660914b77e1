"""Nothing from after the instant of a forecast may change it, nor what a forecaster has learned before it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from model_export.forecast.evaluation import Judge, attempt
from model_export.forecast.examples import examples
from model_export.forecast.groups import random_sums, sums
from model_export.forecast.table import SeriesTable, Span
from tests.model_export.forecast.tables import random_table, with_garbage_from
from wattline.forecasting.naive import SeasonalNaive
from wattline.forecasting.onnx_forecaster import OnnxForecaster
from wattline.forecasting.port import Floats32, Forecast, Forecaster, Scene

INSTANTS = [24 * 27 + 5, 24 * 30, 24 * 41 + 23]


@dataclass(frozen=True)
class Peeking(SeriesTable):
    """Shows the interval that has only begun as if it had ended: by one interval too much, in the oldest place."""

    def scene(self, at: int) -> Scene:
        honest = super().scene(at)
        energy = honest.energy_kwh.copy()
        energy[:, 0] = self.energy_kwh[:, self.history + at]
        return replace(honest, energy_kwh=energy)


@pytest.fixture(params=["naive", "meter", "aggregate"])
def forecaster(request: pytest.FixtureRequest, files: dict[str, Path]) -> Forecaster:
    return SeasonalNaive() if request.param == "naive" else OnnxForecaster(files[request.param])


def assert_unchanged(one: Forecast, other: Forecast) -> None:
    for name in ("energy_kwh", "lower", "upper", "expected_kwh", "by_model"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@pytest.mark.parametrize("at", INSTANTS)
def test_the_future_does_not_change_a_forecast(forecaster: Forecaster, at: int) -> None:
    table = random_table().without_weather()
    assert_unchanged(forecaster.forecast(table.scene(at)), forecaster.forecast(with_garbage_from(table, at).scene(at)))


@pytest.mark.parametrize("at", INSTANTS)
def test_of_the_weather_only_its_forecast_counts_beside_the_past(forecaster: Forecaster, at: int) -> None:
    table = random_table()
    spoilt = with_garbage_from(table, at)
    told = replace(spoilt, temperature_c=table.temperature_c)
    assert_unchanged(forecaster.forecast(table.scene(at)), forecaster.forecast(told.scene(at)))


@pytest.mark.parametrize("at", INSTANTS)
def test_the_past_does_change_it(forecaster: Forecaster, at: int) -> None:
    table = random_table().without_weather()
    earlier = with_garbage_from(table, at - table.per_day)
    with pytest.raises(AssertionError):
        assert_unchanged(forecaster.forecast(table.scene(at)), forecaster.forecast(earlier.scene(at)))


def peeking(table: SeriesTable) -> SeriesTable:
    return Peeking(**{name: getattr(table, name) for name in SeriesTable.__dataclass_fields__})


@pytest.mark.parametrize("at", INSTANTS)
def test_this_proof_finds_a_single_peeped_value(files: dict[str, Path], at: int) -> None:
    forecaster, table = OnnxForecaster(files["meter"]), random_table().without_weather()
    spoilt = peeking(with_garbage_from(table, at))
    with pytest.raises(AssertionError):
        assert_unchanged(forecaster.forecast(peeking(table).scene(at)), forecaster.forecast(spoilt.scene(at)))


def test_a_trial_of_earlier_intervals_is_not_changed_by_later_ones(files: dict[str, Path]) -> None:
    table = random_table().without_weather()
    span, judges = Span(24 * 30, 24 * 32), [Judge(np.arange(4), OnnxForecaster(files["meter"]))]
    spoilt = with_garbage_from(table, span.end)
    one, other = (attempt(each, span, judges, lambda: None) for each in (table, spoilt))
    np.testing.assert_array_equal(one.day_ahead, other.day_ahead)
    np.testing.assert_array_equal(one.midnight, other.midnight)


@pytest.mark.parametrize(
    "learned",
    [
        pytest.param(lambda table, span: examples(table, span, 1, 4000).matrix, id="features"),
        pytest.param(lambda table, span: examples(table, span, 1, 4000).target, id="targets"),
        pytest.param(
            lambda table, span: random_sums(table, span, 1).energy_kwh[:, : table.history + span.end], id="sums"
        ),
        pytest.param(
            lambda table, span: sums(table, np.ones((1, 4), np.bool_), span.end).energy_kwh[
                :, : table.history + span.end
            ],
            id="tested sums",
        ),
    ],
)
def test_what_is_learned_from_ends_where_the_test_begins(
    learned: Callable[[SeriesTable, Span], Floats32],
) -> None:
    table, span = random_table(), Span(0, 24 * 40)
    table = replace(table, temperature_c=table.temperature_c[:0], place=table.place * 0 - 1)
    spoilt = with_garbage_from(table, span.end)
    np.testing.assert_array_equal(learned(table, span), learned(spoilt, span))
    with pytest.raises(AssertionError):
        np.testing.assert_array_equal(learned(table, span), learned(with_garbage_from(table, span.end - 100), span))
