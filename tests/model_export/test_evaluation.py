"""Faults found, faults missed, false alarms: counted as a person would."""

import numpy as np
import pytest

from model_export.dataset import FaultSpan, FeatureTable, MeterSeries
from model_export.evaluation import MeterVerdict, evaluate, mean_of, quality_of
from tests.model_export.homes import HALF_HOUR, T0
from wattline.intervals import from_amounts

N = 336


def labelled(*faults: tuple[str, int, int]) -> tuple[list[MeterSeries], FeatureTable]:
    """One meter's week with faults between half hours."""
    t_ms = T0 + HALF_HOUR * np.arange(N, dtype=np.int64)
    spans = tuple(FaultSpan(kind, T0 + start * HALF_HOUR, T0 + end * HALF_HOUR) for kind, start, end in faults)
    series = [MeterSeries("m", from_amounts(0, t_ms, np.ones(N), HALF_HOUR), spans)]
    return series, FeatureTable(np.zeros((N, 1), np.float32), np.zeros(N, np.int64), t_ms, HALF_HOUR, ("m",))


@pytest.mark.parametrize(
    ("anomalies", "recall", "false_alarms"),
    [
        ([], 0.0, 0),
        ([100], 0.5, 0),
        ([100, 101, 102], 0.5, 0),
        ([105], 0.5, 0),  # within the hour after the fault's end
        ([106], 0.0, 1),
        ([100, 200], 1.0, 0),
        ([10, 11, 300], 0.0, 2),
    ],
)
def test_a_fault_is_found_by_an_anomaly_in_it_or_right_after(
    anomalies: list[int], recall: float, false_alarms: int
) -> None:
    series, table = labelled(("spike", 100, 104), ("spike", 200, 201))
    found = np.zeros(N, np.bool_)
    found[anomalies] = True
    quality = evaluate(series, table, found)
    assert quality.recall == {"spike": recall}
    assert quality.false_alarms == false_alarms
    assert quality.false_alarms_per_meter_week == pytest.approx(false_alarms)


def test_a_fault_where_nothing_was_judged_does_not_count() -> None:
    series, table = labelled(("stuck", -20, -10), ("drift", 5, 9))
    assert evaluate(series, table, np.zeros(N, np.bool_)).injected == {"drift": 1}


def verdict(labels: list[int], found: list[int], score: np.ndarray[tuple[int], np.dtype[np.float64]]) -> MeterVerdict:
    marked, called = np.zeros(N, np.bool_), np.zeros(N, np.bool_)
    marked[labels], called[found] = True, True
    t_ms = T0 + HALF_HOUR * np.arange(N, dtype=np.int64)
    return MeterVerdict("m", t_ms, HALF_HOUR, np.ones(N), marked, score, called)


def test_a_meter_has_figures_of_its_ranking_and_of_its_alarms() -> None:
    score = np.linspace(0.0, 0.5, N)
    score[[10, 11, 50]] = 0.9, 0.8, 0.7
    quality = quality_of(verdict([10, 11, 50], [10, 100, 200, 201], score))
    assert (quality.roc_auc, quality.average_precision) == (1.0, 1.0)
    assert (quality.events, quality.events_found, quality.event_recall) == (2, 1, 0.5)
    assert (quality.alarms, quality.false_alarms) == (3, 2)
    assert quality.event_precision == pytest.approx(1 / 3)
    assert quality.false_alarms_per_meter_week == pytest.approx(2.0)
    assert (quality.intervals, quality.labelled_intervals) == (N, 3)


@pytest.mark.parametrize("labels", [[], list(range(N))])
def test_a_meter_without_both_sorts_of_intervals_has_no_ranking(labels: list[int]) -> None:
    quality = quality_of(verdict(labels, [5], np.linspace(0, 1, N)))
    assert quality.roc_auc is None
    assert quality.average_precision is None


@pytest.mark.parametrize(("figures", "mean"), [([], None), ([None], None), ([0.5, None, 1.0], 0.75), ([0.0, 0.0], 0.0)])
def test_a_mean_is_over_the_figures_that_mean_something(figures: list[float | None], mean: float | None) -> None:
    assert mean_of(figures) == mean
