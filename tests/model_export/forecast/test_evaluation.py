"""Figures of forecasters that are known to be perfect, or as good as a week before."""

from dataclasses import dataclass

import numpy as np
import pytest

from model_export.forecast.evaluation import Judge, Trial, attempt, instants
from model_export.forecast.figures import daily_sums, figures_of, series_ratios, sum_figures
from model_export.forecast.table import SeriesTable, Span
from tests.model_export.forecast.tables import random_table
from wattline.forecasting.naive import SeasonalNaive
from wattline.forecasting.port import Forecast, Scene

DAY = 24
SPAN = Span(DAY * 30, DAY * 44)


@dataclass(frozen=True)
class Oracle:
    """Knows what comes, or comes to know it too large by a factor."""

    table: SeriesTable
    factor: float = 1.0
    name: str = "oracle"

    def forecast(self, scene: Scene) -> Forecast:
        truth = self.table.truth((scene.issued_ms - self.table.start_ms) // scene.interval_ms)
        said = np.where(np.isfinite(truth), truth, 0) * np.float32(self.factor)
        return Forecast(said, said * 0.9, said * 1.1, np.ones(len(said), np.bool_))


def trial_of(table: SeriesTable, factor: float = 1.0) -> Trial:
    return attempt(table, SPAN, [Judge(np.arange(len(table)), Oracle(table, factor))], lambda: None)


@pytest.mark.parametrize("way", ["day_ahead", "midnight"])
def test_who_knows_the_future_makes_no_error(way: str) -> None:
    figures = figures_of(trial_of(random_table()))[way]
    assert figures["intervals"] > 0.9 * 4 * 14 * DAY * 0.97
    assert (figures["mae_ratio"], figures["rmse_ratio"], figures["mape"], figures["bias"]) == (0, 0, 0, 0)
    assert (figures["coverage"], figures["daily_r2"]) == (1, 1)


@pytest.mark.parametrize("way", ["day_ahead", "midnight"])
def test_who_says_a_fifth_too_much_is_told_so(way: str) -> None:
    figures = figures_of(trial_of(random_table(), 1.2))[way]
    assert figures["bias"] == figures["middle_bias"] == figures["mape"] == figures["wape"] == 0.2
    assert figures["coverage"] == 0
    assert figures["coverage_of_series"] == [0, 0]


def test_a_week_before_is_as_good_as_a_week_before() -> None:
    table = random_table()
    table.energy_kwh[:] = np.where(np.isfinite(table.energy_kwh), table.energy_kwh, 0.3)
    span = Span(DAY * 40, DAY * 44)
    trial = attempt(table, span, [Judge(np.arange(4), SeasonalNaive())], lambda: None)
    assert figures_of(trial)["day_ahead"]["mae_ratio"] == 1
    assert figures_of(trial)["by_lead_h"]["24"]["skill"] == 0
    assert figures_of(trial)["by_model"] == 0


def test_day_ahead_is_exactly_a_day_and_midnight_is_midnight() -> None:
    table = random_table()
    seen: list[int] = []

    class Watching(Oracle):
        def forecast(self, scene: Scene) -> Forecast:
            seen.append(scene.issued_ms)
            hours = np.tile(np.arange(48, dtype=np.float32), (4, 1))
            return Forecast(hours, hours, hours, np.ones(4, np.bool_))

    trial = attempt(table, SPAN, [Judge(np.arange(4), Watching(table))], lambda: None)
    assert (trial.day_ahead == 24).all()
    # It is summer in London: days begin at 23:00 UTC.
    assert np.isnan(trial.midnight[:, :, :23]).all()
    assert trial.midnight[1, 0, 23:].tolist() == [hour % 24 for hour in range(14 * DAY - 23)]
    assert min(seen) == table.start_ms + (SPAN.begin - DAY) * 3_600_000
    assert max(seen) < table.start_ms + SPAN.end * 3_600_000


def test_of_many_series_some_instants_are_taken_of_every_time_of_day() -> None:
    table = random_table(2)
    few = instants(table, SPAN)
    many = instants(table.of([0] * 10_000), SPAN)
    assert len(few) == 14 * DAY + 1
    assert len(many) < len(few) / 2
    assert len(set((many % DAY).tolist())) == DAY


def test_every_judge_has_series_of_its_own() -> None:
    table = random_table()
    judges = [Judge(np.array([0, 2]), Oracle(table.of([0, 2]))), Judge(np.array([1, 3]), Oracle(table.of([1, 3]), 2.0))]
    ratio = series_ratios(attempt(table, SPAN, judges, lambda: None))
    assert ratio[[0, 2]].tolist() == [0, 0]
    assert (ratio[[1, 3]] > 1).all()


def test_days_of_23_hours_count_as_days() -> None:
    trial = trial_of(random_table())
    assert daily_sums(trial, np.ones_like(trial.truth))[0].tolist() == [24] * 13
    change = attempt(random_table(), Span(DAY * 27, DAY * 30), [Judge(np.arange(4), SeasonalNaive())], lambda: None)
    assert daily_sums(change, np.ones_like(change.truth))[0].tolist() == [24, 23, 24]


def test_the_error_of_a_sum_is_not_the_sum_of_errors() -> None:
    table = random_table(2)
    table.energy_kwh[:] = np.where(np.isfinite(table.energy_kwh), table.energy_kwh, 0.3)
    table.energy_kwh[1] = table.energy_kwh[0]
    judges = [Judge(np.array([0]), Oracle(table.of([0]), 1.2)), Judge(np.array([1]), Oracle(table.of([1]), 0.8))]
    figures = sum_figures(attempt(table, SPAN, judges, lambda: None))
    assert figures["mape"] == pytest.approx(0, abs=1e-4)
    assert figures["members"] == 2


def test_nothing_known_is_no_figure() -> None:
    table = random_table(2)
    table.energy_kwh[:] = np.nan
    assert figures_of(trial_of(table))["day_ahead"] == {"intervals": 0}
