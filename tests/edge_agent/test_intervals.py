"""Readings become intervals: on time, in bounded memory, and just as training cuts them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.intervals import MAX_METERS, IntervalAccumulator
from wattline.intervals import Intervals, aggregate, concatenate
from wattline.reading import Reading

T0 = 1_700_000_040_000  # the start of a minute
MINUTE = 60_000


def power(t_ms: int, value: float, meter: str = "m") -> Reading:
    return Reading(meter, t_ms, {"voltage_v": 230.0, "power_w": value})


def closed(readings: list[Reading], now_ms: int = T0 + 10 * MINUTE) -> Intervals:
    accumulator = IntervalAccumulator()
    accumulator.add(readings)
    return accumulator.close_due(now_ms)


values = st.floats(-1e9, 1e9) | st.integers(0, 5000).map(float)


@settings(max_examples=50, deadline=None)
@given(
    samples=st.lists(st.tuples(st.integers(1, 100_000), values), min_size=1, max_size=60),
    restart=st.integers(0, 60),
    size=st.integers(1, 60),
)
def test_the_edge_and_training_cut_a_series_into_the_same_bits(
    samples: list[tuple[int, float]], restart: int, size: int
) -> None:
    t_ms = T0 + np.cumsum([step for step, _ in samples])
    rate = np.array([value for _, value in samples])
    readings = [power(t, value) for t, value in zip(t_ms.tolist(), rate.tolist(), strict=True)]
    accumulator, parts = IntervalAccumulator(), []
    for start in range(0, len(readings), size):
        accumulator.add(readings[start : start + size])
        parts.append(accumulator.close_due(T0))
        if start >= restart:
            fresh = IntervalAccumulator()
            fresh.restore(accumulator.export())
            accumulator = fresh
    parts.append(accumulator.close_due(int(t_ms[-1]) + 2 * MINUTE))
    edge, whole = concatenate(parts), aggregate(0, t_ms, rate, MINUTE)
    for name in ("start_ms", "mean", "low", "high", "spread", "count"):
        assert getattr(edge, name).tobytes() == getattr(whole, name).tobytes(), name


def test_an_interval_closes_with_the_next_ones_first_reading() -> None:
    accumulator = IntervalAccumulator()
    accumulator.add([power(T0, 100.0), power(T0 + 59_999, 300.0)])
    assert len(accumulator.close_due(T0)) == 0
    accumulator.add([power(T0 + MINUTE, 50.0)])
    assert accumulator.close_due(T0).mean.tolist() == [200.0]


def test_an_interval_closes_when_its_end_and_the_grace_are_past() -> None:
    accumulator = IntervalAccumulator(grace_ms=5_000)
    accumulator.add([power(T0, 100.0)])
    assert len(accumulator.close_due(T0 + MINUTE + 4_999)) == 0
    assert accumulator.close_due(T0 + MINUTE + 5_000).start_ms.tolist() == [T0]
    assert len(accumulator.close_due(T0 + MINUTE + 6_000)) == 0


def test_a_backlog_gives_many_intervals_per_meter_at_once() -> None:
    readings = [power(T0 + i * MINUTE, float(i), meter) for i in range(100) for meter in "ab"]
    cut = closed(readings, T0 + 101 * MINUTE)
    assert len(cut) == 200
    assert cut.mean[cut.meter == 1].tolist() == list(range(100))


def test_a_register_speaks_by_its_growth_and_its_last_moment_belongs_to_the_interval() -> None:
    readings = [Reading("m", T0 + i * 10_000, {"energy_import_kwh": 7.0 + i * 0.01}) for i in range(13)]
    cut = closed(readings)
    assert cut.start_ms.tolist() == [T0, T0 + MINUTE]
    assert cut.mean == pytest.approx([3.6, 3.6])
    assert cut.high.tolist() == cut.low.tolist() == cut.mean.tolist()


@pytest.mark.parametrize("after", [3.0, 9_000_000.0], ids=["rolled back", "jumped ahead"])
def test_a_register_that_jumps_is_left_out_and_followed_from_there(after: float) -> None:
    accumulator = IntervalAccumulator()
    steps = [100.0, 100.1, after, after + 0.1]
    accumulator.add([Reading("m", T0 + i * MINUTE, {"gas_m3": value}) for i, value in enumerate(steps)])
    assert accumulator.close_due(T0 + 9 * MINUTE).mean == pytest.approx([6.0, 6.0], rel=1e-6)
    assert accumulator.skipped["register_jumped"] == 1


def test_an_amount_is_an_interval_of_its_own_length() -> None:
    cut = closed([Reading("m", T0 - T0 % 1_800_000, {"energy_kwh": 0.25}, 1_800_000)])
    assert cut.length_ms.tolist() == [1_800_000]
    assert cut.mean.tolist() == [0.5]


def test_a_meter_without_anything_to_judge_is_left_alone() -> None:
    assert len(closed([Reading("m", T0, {"temperature_c": 20.0})])) == 0


def test_a_meter_is_followed_by_the_best_quantity_it_has_shown() -> None:
    accumulator = IntervalAccumulator()
    accumulator.add([Reading("m", T0, {"energy_import_kwh": 1.0}), power(T0 + 1000, 70.0)])
    assert accumulator.quantity_of("m") == "power_w"
    accumulator.add([Reading("m", T0 + 2000, {"energy_import_kwh": 1.1})])
    assert accumulator.quantity_of("m") == "power_w"
    assert accumulator.close_due(T0 + 2 * MINUTE).mean.tolist() == [70.0]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (power(T0, math.nan), "no_number"),
        (power(T0, math.inf), "no_number"),
        (power(T0, 1e300), "no_number"),
        (power(5_000, 1.0), "time"),
        (power(T0 - 1, 1.0), "late"),
        (power(T0 - 500, 1.0), "late"),
    ],
)
def test_a_hostile_reading_is_counted_and_changes_nothing(bad: Reading, reason: str) -> None:
    accumulator = IntervalAccumulator()
    first = power(T0 - 1, 100.0)
    accumulator.add([first, bad] if reason == "late" else [bad, first])
    assert accumulator.close_due(T0 + MINUTE).mean.tolist() == [100.0]
    assert accumulator.skipped == {reason: 1}


def test_a_time_in_the_far_future_does_not_silence_the_meter_for_years() -> None:
    accumulator = IntervalAccumulator()
    accumulator.add([power(4_100_000_000_000, 1.0)])
    assert len(accumulator.close_due(T0)) == 0
    accumulator.add([power(T0, 100.0)])
    assert accumulator.close_due(T0 + 2 * MINUTE).mean.tolist() == [100.0]
    assert accumulator.skipped["time"] == 1


def test_invented_meters_cannot_fill_the_memory() -> None:
    accumulator = IntervalAccumulator()
    accumulator.add([power(T0, 1.0, f"m{i}") for i in range(MAX_METERS + 5)])
    assert len(accumulator.names) == MAX_METERS
    assert accumulator.skipped == {"too_many_meters": 5}
