"""The past as it is shown to a forecaster, against a plain dictionary of all that was ever told."""

import pickle
from math import nan

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_stream.forecast.history import History
from cloud_stream.records import ClosedUsage, Floats

DAY_MS = 86_400_000
QUARTER_MS = DAY_MS // 4
WIDTH = 28 * 4
FIRST = 80_000
"""A number of a quarter of a day."""


def closed(numbers: list[int], energy: list[float], meter: str = "m", temperature_c: float = nan) -> ClosedUsage:
    count = len(numbers)
    return ClosedUsage(
        interval_ms=QUARTER_MS,
        start_ms=np.array(numbers, np.int64) * QUARTER_MS,
        level=["site"] * count,
        site=[meter] * count,
        meter=[""] * count,
        energy_kwh=np.array(energy),
        temperature_c=np.full(count, temperature_c),
        members=np.full(count, nan),
    )


def shown(history: History, told: dict[int, float]) -> Floats:
    """What of all that was told the last four weeks hold."""
    present = range(history.newest - WIDTH + 1, history.newest + 1)
    return np.array([told.get(number, nan) for number in present], np.float64)


words = st.lists(
    st.tuples(st.integers(-WIDTH - 20, 2 * WIDTH), st.sampled_from("ab"), st.integers(0, 100)), min_size=1, max_size=30
)


@settings(deadline=None, max_examples=100)
@given(st.lists(words, min_size=1, max_size=6))
def test_the_last_four_weeks_are_shown_whatever_the_order_of_arrival(batches: list[list[tuple[int, str, int]]]) -> None:
    history = History(QUARTER_MS, max_series=10)
    told: dict[str, dict[int, float]] = {"a": {}, "b": {}}
    present = FIRST
    for batch in batches:
        for offset, name, energy in batch:
            # Told in the past of its time, or moving the present on: what was forgotten by then stays forgotten.
            number = present + offset
            present = max(present, number)
            history.learn(closed([number], [float(energy)], name, temperature_c=energy / 4))
            if number > history.newest - WIDTH:
                told[name][number] = float(energy)
    for row, (_, name, _) in enumerate(history.series.keys):
        expected = shown(history, told[name])
        np.testing.assert_array_equal(history.scene_energy(np.array([row]))[0], expected)
        np.testing.assert_array_equal(history.scene_temperature(history.own_place(name)), expected / 4)


def test_a_weather_report_of_the_past_fills_and_replaces_only_what_it_tells() -> None:
    history = History(QUARTER_MS, max_series=10)
    history.learn(closed([FIRST], [1.0]))
    report = np.full(WIDTH, nan, np.float32)
    report[-3:] = [5.0, 6.0, 7.0]
    history.remember_temperature("london", report)
    history.learn(closed([FIRST + 1], [1.0]))
    report[:] = nan
    report[-2:] = [7.5, 8.0]
    history.remember_temperature("london", report)
    assert history.scene_temperature("london")[-4:].tolist() == [5.0, 6.0, 7.5, 8.0]
    assert np.isnan(history.scene_temperature("london")[:-4]).all()


def test_members_are_kept_from_when_they_were_last_known() -> None:
    history = History(QUARTER_MS, max_series=10)
    for number, members in enumerate((nan, 3.0, nan)):
        told = closed([FIRST + number], [1.0])
        told.members[:] = members
        history.learn(told)
    assert history.series["members"].tolist() == [3.0]


def test_rows_older_than_four_weeks_are_counted() -> None:
    history = History(QUARTER_MS, max_series=10)
    history.learn(closed([FIRST, FIRST - WIDTH, FIRST - WIDTH + 1], [1.0, 2.0, 3.0]))
    assert history.counts["old_rows"] == 1
    assert history.scene_energy(np.array([0]))[0, 0] == 3.0


def test_a_series_takes_the_bytes_that_are_said() -> None:
    history = History(1_800_000, max_series=1000)
    told = closed([FIRST], [1.0])
    for i in range(100):
        history.learn(ClosedUsage(1_800_000, told.start_ms, *(told.level, [f"s{i}"], told.meter), *[np.ones(1)] * 3))
    without_temperature = pickle.dumps(history.series.snapshot())
    assert 7000 < len(without_temperature) / 100 < 7400
