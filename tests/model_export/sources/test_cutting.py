"""Values become the intervals that the edge makes of them, with labels and weather where they belong."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.intervals import IntervalAccumulator
from model_export.sources.cutting import cut, growth, series_of, spans
from wattline.intervals import Intervals, from_amounts
from wattline.reading import Reading

HALF_HOUR = 1_800_000
HOUR = 2 * HALF_HOUR
T0 = 1_700_006_400_000 // 86_400_000 * 86_400_000


def on_the_edge(t_ms: list[int], register: list[float]) -> Intervals:
    edge = IntervalAccumulator(60_000)
    readings = zip(t_ms, register, strict=True)
    edge.add(Reading(meter="m", t_ms=t, values={"energy_import_kwh": value}) for t, value in readings)
    return edge.close_due(t_ms[-1] + 3_600_000)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 200), st.sampled_from([0, 0.001, 0.5, -2, 1e6])), min_size=1, max_size=40))
def test_a_registers_growth_is_what_the_edge_tells(steps: list[tuple[int, float]]) -> None:
    t_ms = [T0 + 1000 * int(second) for second in np.cumsum([step for step, _ in steps])]
    register = [float(value) for value in 100 + np.cumsum([grown for _, grown in steps])]
    ours = growth(np.array(t_ms), np.array(register), 60_000, 10_000.0)
    edge = on_the_edge(t_ms, register)
    assert ours.start_ms.tolist() == edge.start_ms.tolist()
    assert ours.mean.tolist() == edge.mean.tolist()
    assert ours.count.tolist() == edge.count.tolist()


def test_nothing_gives_no_intervals() -> None:
    nothing = np.array([], np.int64)
    assert len(growth(nothing, nothing.astype(np.float64), HOUR, 1.0)) == 0
    assert list(series_of(pl.DataFrame(schema={"meter": pl.String}), "energy_kwh", HOUR)) == []


@pytest.mark.parametrize(
    ("name", "values", "mean"),
    [
        ("energy_kwh", [1.0, 2.0, 3.0, 4.0], [3.0, 7.0]),
        ("power_w", [1.0, 2.0, 3.0, 4.0], [1.5, 3.5]),
        ("energy_import_kwh", [1.0, 2.0, 4.0, 4.0], [3.0, 0.0]),
    ],
)
def test_finer_values_are_put_together(name: str, values: list[float], mean: list[float]) -> None:
    t_ms = T0 + HALF_HOUR * np.arange(4, dtype=np.int64)
    assert cut(t_ms, np.array(values), name, HALF_HOUR, HOUR).mean.tolist() == mean


def rows(name: str) -> pl.DataFrame:
    """Two meters, eight half-hours each."""
    t_ms = [T0 + HALF_HOUR * i for i in range(8)]
    label = [False, False, False, True, True, None, True, False]
    one = pl.DataFrame({"t": t_ms, "v": [float(i) for i in range(8)], "label": label})
    one = one.with_columns(
        meter=pl.lit("a"),
        step=pl.lit(HALF_HOUR),
        temperature_c=pl.Series([1.0, 3.0, None, 5.0, None, None, float("nan"), 2.0]),
    )
    return pl.concat([one, one.with_columns(meter=pl.lit(name))])


def test_what_is_told_beside_the_values_goes_to_its_interval() -> None:
    first, second = series_of(rows("b"), "energy_kwh", HOUR)
    assert (first.name, second.name) == ("a", "b")
    assert first.labels is not None
    assert first.temperature_c is not None
    assert first.labels.tolist() == [False, True, True, True]
    assert first.temperature_c.tolist() == pytest.approx([2.0, 5.0, np.nan, 2.0], nan_ok=True)
    assert first.occupancy is None
    assert [(fault.start_ms - T0, fault.end_ms - T0) for fault in first.faults] == [(HOUR, 4 * HOUR)]


def test_labels_of_register_readings_belong_to_the_time_before_them() -> None:
    [first, _] = series_of(rows("b"), "energy_import_kwh", HALF_HOUR)
    assert first.labels is not None
    assert first.labels.tolist() == [False, False, True, True, False, True, False]


def test_labelled_intervals_are_one_fault_until_something_parts_them() -> None:
    hours = np.array([0, 1, 2, 4, 5, 9, 10, 40])
    labels = np.array([True, True, False, True, True, False, True, True])
    intervals = from_amounts(0, T0 + hours * HOUR, np.ones(8), HOUR)
    found = [((one.start_ms - T0) // HOUR, (one.end_ms - T0) // HOUR) for one in spans(intervals, labels)]
    assert found == [(0, 2), (4, 6), (10, 11), (40, 41)]
    assert spans(intervals, np.zeros(8, np.bool_)) == ()
