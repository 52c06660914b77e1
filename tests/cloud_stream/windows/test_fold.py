"""What readings add to windows of ten minutes."""

from typing import Final, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_stream.windows.fold import (
    HOUR_MS,
    MAX_HOLD_MS,
    MAX_SPREAD_MS,
    NO_TIME,
    Cells,
    Rows,
    Rules,
    coarser,
    counter_steps,
    fold,
    merge,
    rule_of,
)
from wattline.quantities import quantity

MINUTE: Final = 60_000
WIDTH_MS: Final = 10 * MINUTE
ROW = tuple[int, float]
"""Minute and value."""


class Cell(NamedTuple):
    """What a case expects of one window."""

    n: int
    low: float
    high: float
    last: float
    amount: float
    covered_min: int


def rows(series: list[ROW], interval_min: int = 0) -> Rows:
    times = np.array([t for t, _ in series], np.int64) * MINUTE
    values = np.array([v for _, v in series], np.float64)
    before_ms = np.append(NO_TIME, times)[: len(times)]
    return Rows(
        np.zeros(len(times), np.int64),
        times,
        values,
        np.full(len(times), interval_min * MINUTE),
        before_ms,
        np.append(0.0, values)[: len(values)],
    )


def rules(name: str) -> Rules:
    known = quantity(name)
    return Rules(
        np.array([rule_of(known)], np.int8),
        np.array([known.integral_per_hour]),
        np.array([known.max_per_hour]),
    )


def cells(name: str, series: list[ROW], interval_min: int = 0) -> dict[int, Cell]:
    found = fold(rows(series, interval_min), rules(name), WIDTH_MS)
    return {
        window: Cell(n, low, high, last, amount, covered // MINUTE)
        for window, n, low, high, last, amount, covered in zip(
            found.window.tolist(),
            found.n.tolist(),
            found.low.tolist(),
            found.high.tolist(),
            found.last.tolist(),
            found.amount.tolist(),
            found.covered_ms.tolist(),
            strict=True,
        )
    }


def amounts(name: str, series: list[ROW], interval_min: int = 0) -> dict[int, float]:
    return {w: cell.amount for w, cell in cells(name, series, interval_min).items() if cell.covered_min}


def test_a_gauge_is_counted_in_the_window_that_holds_its_time() -> None:
    found = cells("temperature_c", [(0, 20.0), (9, 18.0), (10, 25.0), (29, 21.0)])
    assert found == {
        0: Cell(2, 18.0, 20.0, 18.0, 0.0, 0),
        1: Cell(1, 25.0, 25.0, 25.0, 0.0, 0),
        2: Cell(1, 21.0, 21.0, 21.0, 0.0, 0),
    }


@pytest.mark.parametrize(
    ("name", "series", "interval_min", "expected"),
    [
        pytest.param("power_w", [(0, 6000.0)], 0, {}, id="one power alone says nothing of energy"),
        pytest.param("power_w", [(0, 6000.0), (10, 6000.0)], 0, {0: 1.0}, id="a power held for a window"),
        pytest.param("power_w", [(0, 0.0), (10, 6000.0)], 0, {0: 0.5}, id="the mean of two neighbours"),
        pytest.param("power_w", [(5, 6000.0), (15, 6000.0)], 0, {0: 0.5, 1: 0.5}, id="a power across a border"),
        pytest.param("power_w", [(0, -6000.0), (10, -6000.0)], 0, {0: 0.0}, id="export is no import"),
        pytest.param("power_w", [(0, -6000.0), (10, 6000.0)], 0, {0: 0.5}, id="the importing half counts"),
        pytest.param("power_w", [(0, 1000.0), (60, 1000.0)], 0, dict.fromkeys(range(6), 1 / 6), id="held an hour"),
        pytest.param("power_w", [(0, 1000.0), (61, 1000.0)], 0, {}, id="not assumed for longer"),
        pytest.param("temperature_c", [(0, 20.0), (10, 21.0)], 0, {}, id="a temperature is no consumption"),
        pytest.param("energy_import_kwh", [(0, 7.0)], 0, {}, id="one register alone says nothing"),
        pytest.param("energy_import_kwh", [(0, 7.0), (10, 7.0)], 0, {0: 0.0}, id="nothing used is known to be 0"),
        pytest.param("energy_import_kwh", [(0, 7.0), (10, 8.0)], 0, {0: 1.0}, id="both borders: all in the window"),
        pytest.param("energy_import_kwh", [(5, 7.0), (25, 11.0)], 0, {0: 1.0, 1: 2.0, 2: 1.0}, id="pro rata in time"),
        pytest.param("energy_import_kwh", [(0, 7.0), (5, 2.0), (10, 3.0)], 0, {0: 1.0}, id="a reset counts 0"),
        pytest.param("energy_import_kwh", [(0, 99_999.5), (10, 0.5)], 0, {0: 1.0}, id="a roll-over goes on"),
        pytest.param("energy_import_kwh", [(0, 99_999.5), (10, 50_000.0)], 0, {0: 0.0}, id="a fall to the middle"),
        pytest.param("energy_import_kwh", [(0, 7.0), (10, 9007.0)], 0, {0: 0.0}, id="a glitch up counts 0"),
        pytest.param("energy_import_kwh", [(0, 7.0), (5, 9e6), (10, 8.0)], 0, {0: 0.0}, id="a glitch up and down: 0"),
        pytest.param("energy_import_kwh", [(0, 5.0), (10, -3.0)], 0, {0: 0.0}, id="a negative register counts 0"),
        pytest.param("energy_kwh", [(0, 3.0)], 10, {0: 3.0}, id="an amount of just the window"),
        pytest.param("energy_kwh", [(0, 3.0)], 30, {0: 1.0, 1: 1.0, 2: 1.0}, id="split evenly over its interval"),
        pytest.param("energy_kwh", [(5, 2.0)], 10, {0: 1.0, 1: 1.0}, id="across a border"),
        pytest.param("energy_kwh", [(0, 1.0), (5, 2.0)], 5, {0: 3.0}, id="amounts add up"),
        pytest.param("energy_kwh", [(0, 3.0)], 0, {}, id="an amount without an interval says nothing"),
    ],
)
def test_consumption(name: str, series: list[ROW], interval_min: int, expected: dict[int, float]) -> None:
    assert amounts(name, series, interval_min) == pytest.approx(expected)


def test_a_register_silent_for_longer_than_a_month_starts_anew() -> None:
    month = MAX_SPREAD_MS // MINUTE
    assert sum(amounts("energy_import_kwh", [(0, 7.0), (month, 8.0)]).values()) == pytest.approx(1.0)
    assert amounts("energy_import_kwh", [(0, 7.0), (month + 1, 8.0)]) == {}


def test_a_power_covers_the_time_it_was_seen() -> None:
    found = cells("power_w", [(3, 10.0), (8, 10.0), (12, 10.0)])
    assert [cell.covered_min for cell in found.values()] == [7, 2]
    assert MAX_HOLD_MS == HOUR_MS


def test_an_amount_that_ends_on_a_border_does_not_touch_the_next_window() -> None:
    assert set(cells("energy_kwh", [(0, 3.0)], 20)) == {0, 1}


def test_no_rows_make_no_cells() -> None:
    assert len(fold(rows([]), rules("power_w"), WIDTH_MS)) == 0


@pytest.mark.parametrize(
    ("before", "value", "elapsed_ms", "step"),
    [
        (1.0, 1.5, HOUR_MS, 0.5),
        (0.0, 10_000.0, HOUR_MS, 10_000.0),
        (0.0, 10_000.1, HOUR_MS, 0.0),
        (0.0, 10_000.1, 2 * HOUR_MS, 10_000.1),
        (9_999.0, 1.0, HOUR_MS, 2.0),
        (8_999.0, 1.0, HOUR_MS, 0.0),
        (9_999.0, 1_000.0, HOUR_MS, 0.0),
        (9_999.0, -1.0, HOUR_MS, 0.0),
        (-5.0, -4.0, HOUR_MS, 1.0),
        (1e12, 0.0, HOUR_MS, 0.0),
    ],
)
def test_a_step_of_a_register(before: float, value: float, elapsed_ms: int, step: float) -> None:
    limit = np.array([10_000.0])
    found = counter_steps(np.array([before]), np.array([value]), np.array([elapsed_ms]), limit)
    assert found.tolist() == pytest.approx([step])


@st.composite
def series(draw: st.DrawFn) -> list[ROW]:
    times = sorted(draw(st.sets(st.integers(0, 300), min_size=1, max_size=40)))
    return [(t, draw(st.sampled_from([0.0, 1.0, 2.5, 99_999.0, 100.0]))) for t in times]


def as_table(found: Cells) -> dict[int, list[float]]:
    columns = (found.n, found.total, found.low, found.high, found.last, found.amount, found.covered_ms)
    return {code: list(map(float, row)) for code, *row in zip(found.code.tolist(), *columns, strict=True)}


@given(series=series(), cut=st.integers(0, 40), name=st.sampled_from(["power_w", "energy_import_kwh", "humidity_pct"]))
def test_cells_of_rows_in_two_parts_are_the_cells_of_all(series: list[ROW], cut: int, name: str) -> None:
    whole = rows(series)
    early = np.arange(len(series)) < cut
    parts = [fold(part, rules(name), WIDTH_MS) for part in (whole.where(early), whole.where(~early))]
    expected = as_table(fold(whole, rules(name), WIDTH_MS))
    found = as_table(merge(parts))
    assert found.keys() == expected.keys()
    for code, row in expected.items():
        assert found[code] == pytest.approx(row)


@given(series=series(), name=st.sampled_from(["power_w", "energy_import_kwh", "humidity_pct"]))
def test_wider_windows_are_the_sums_of_narrow_ones(series: list[ROW], name: str) -> None:
    narrow = fold(rows(series), rules(name), WIDTH_MS)
    expected = as_table(fold(rows(series), rules(name), 3 * WIDTH_MS))
    found = as_table(coarser(narrow, 3))
    assert found.keys() == expected.keys()
    for code, row in expected.items():
        assert found[code] == pytest.approx(row)


def test_cells_are_sorted_and_distinct() -> None:
    found = merge([fold(rows([(30, 1.0), (55, 2.0)]), rules("power_w"), WIDTH_MS)] * 2)
    assert found.code.tolist() == sorted(set(found.code.tolist()))
    assert found.series.tolist() == [0] * len(found)
