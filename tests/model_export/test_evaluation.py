"""Faults found, faults missed, false alarms: counted as a person would."""

import numpy as np
import pytest

from model_export.dataset import FaultSpan, FeatureTable, MeterSeries
from model_export.evaluation import evaluate
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
