"""Numbering series, and telling new readings from late ones."""

import pickle
from collections.abc import Sequence
from itertools import islice, permutations
from typing import Final

import numpy as np
import pytest

from cloud_stream.records import Columns
from cloud_stream.windows import series
from cloud_stream.windows.fold import HOUR_MS, NO_TIME, Rows
from cloud_stream.windows.series import CROWD_MS, MAX_REACH_MS, SeriesTable

NAN: Final = float("nan")


def columns(
    *frames: tuple[str, Sequence[int], Sequence[float]], quantity: str = "energy_import_kwh", interval_ms: int = 0
) -> Columns:
    """Frames of (meter, times, values) of one quantity on site "s"."""
    times = [t_ms for _, some, _ in frames for t_ms in some]
    values = [value for _, _, some in frames for value in some]
    return Columns(
        (quantity,),
        interval_ms,
        np.zeros(len(frames), np.int64),
        ["s"] * len(frames),
        ["g"] * len(frames),
        [meter for meter, _, _ in frames],
        np.array([len(some) for _, some, _ in frames], np.int64),
        np.array(times, np.int64),
        np.array([values], np.float64).reshape(1, len(times)),
    )


def plain(rows: Rows) -> list[tuple[int, int, float, int | None, float]]:
    """Series, time, value, and the reading before."""
    before_ms = [None if t == NO_TIME else t for t in rows.before_ms.tolist()]
    return list(
        zip(
            rows.series.tolist(),
            rows.t_ms.tolist(),
            rows.value.tolist(),
            before_ms,
            rows.before.tolist(),
            strict=True,
        )
    )


def test_readings_are_sorted_by_series_and_time_and_know_the_one_before() -> None:
    table = SeriesTable()
    fresh, late = table.rows([columns(("b", [20, 10], [2.0, 1.0]), ("a", [5], [7.0]), ("b", [30], [3.0]))])
    assert plain(fresh) == [(0, 10, 1.0, None, 0.0), (0, 20, 2.0, 10, 1.0), (0, 30, 3.0, 20, 2.0), (1, 5, 7.0, None, 0)]
    assert not plain(late)
    assert table.meters == ["b", "a"]


def test_the_reading_before_may_have_come_in_an_earlier_batch() -> None:
    table = SeriesTable()
    table.rows([columns(("a", [10], [1.0]))])
    fresh, _ = table.rows([columns(("a", [20], [2.0]))])
    assert plain(fresh) == [(0, 20, 2.0, 10, 1.0)]


@pytest.mark.parametrize("t_ms", [5, 10])
def test_a_reading_that_is_not_newer_is_late(t_ms: int) -> None:
    table = SeriesTable()
    table.rows([columns(("a", [1, 10], [1.0, 2.0]))])
    fresh, late = table.rows([columns(("a", [t_ms], [3.0]))])
    assert not plain(fresh)
    assert [(t, value) for _, t, value, _, _ in plain(late)] == [(t_ms, 3.0)]


def test_of_the_same_instant_the_last_word_counts() -> None:
    table = SeriesTable()
    fresh, late = table.rows([columns(("a", [10, 10], [1.0, 2.0])), columns(("a", [10], [3.0]))])
    assert plain(fresh) == [(0, 10, 3.0, None, 0.0)]
    assert not plain(late)


def test_a_corrected_newest_reading_counts_for_what_follows() -> None:
    table = SeriesTable()
    table.rows([columns(("a", [10], [1.0]))])
    table.rows([columns(("a", [10], [4.0]))])
    fresh, _ = table.rows([columns(("a", [20], [5.0]))])
    assert plain(fresh) == [(0, 20, 5.0, 10, 4.0)]


def test_a_missing_value_is_no_reading() -> None:
    table = SeriesTable()
    fresh, _ = table.rows([columns(("a", [10, 20, 30], [1.0, NAN, 3.0]))])
    assert plain(fresh) == [(0, 10, 1.0, None, 0.0), (0, 30, 3.0, 10, 1.0)]


def test_the_same_quantity_is_one_series_whatever_it_came_with() -> None:
    table = SeriesTable()
    both = Columns(
        ("power_w", "energy_import_kwh"),
        0,
        np.zeros(1, np.int64),
        ["s"],
        ["g"],
        ["a"],
        np.array([1]),
        np.array([10]),
        np.array([[1.0], [2.0]]),
    )
    table.rows([both, columns(("a", [20], [3.0]))])
    assert [quantity.name for quantity in table.quantities] == ["power_w", "energy_import_kwh"]


def test_columns_without_quantities_are_no_readings() -> None:
    times = np.array([1, 2])
    empty = Columns((), 0, np.zeros(1, np.int64), ["s"], ["g"], ["a"], np.array([2]), times, np.empty((0, 2)))
    fresh, late = SeriesTable().rows([empty])
    assert not plain(fresh)
    assert not plain(late)


@pytest.mark.parametrize(
    ("quantity", "times", "interval_ms", "far"),
    [
        pytest.param("energy_import_kwh", [0, MAX_REACH_MS], 0, [], id="a daily register is merged"),
        pytest.param("energy_import_kwh", [0, MAX_REACH_MS + 1], 0, [MAX_REACH_MS + 1], id="a longer silence is not"),
        pytest.param("power_w", [0, MAX_REACH_MS + 1], 0, [], id="a power reaches an hour anyway"),
        pytest.param("energy_kwh", [0], MAX_REACH_MS, [], id="a day's amount"),
        pytest.param("energy_kwh", [0], MAX_REACH_MS + 1, [0], id="a month's amount"),
    ],
)
def test_what_reaches_too_far_is_left_to_the_store(
    quantity: str, times: list[int], interval_ms: int, far: list[int]
) -> None:
    values = [float(n) for n in range(len(times))]
    fresh, late = SeriesTable().rows([columns(("a", times, values), quantity=quantity, interval_ms=interval_ms)])
    assert [t for _, t, _, _, _ in plain(late)] == far
    assert sorted(fresh.t_ms.tolist() + late.t_ms.tolist()) == times


def test_in_a_crowd_only_an_hour_is_merged() -> None:
    meters = CROWD_MS // (24 * HOUR_MS) + 1
    table = SeriesTable()
    table.rows([columns(*[(f"m{n}", [0], [0.0]) for n in range(meters)])])
    daily = [(f"m{n}", [24 * HOUR_MS], [1.0]) for n in range(meters)]
    fresh, late = table.rows([columns(*daily, ("hourly", [0, HOUR_MS], [0.0, 1.0]))])
    assert len(late.t_ms) == meters
    assert fresh.t_ms.tolist() == [0, HOUR_MS]


def test_late_and_far_readings_come_sorted() -> None:
    table = SeriesTable()
    table.rows([columns(("a", [10 * HOUR_MS], [1.0]), ("b", [0], [1.0]))])
    _, late = table.rows([columns(("b", [99 * HOUR_MS], [2.0]), ("a", [HOUR_MS], [0.5]))])
    assert [(series, t) for series, t, *_ in plain(late)] == [(0, HOUR_MS), (1, 99 * HOUR_MS)]


def names(count: int, first: int = 0) -> tuple[str, ...]:
    return tuple(f"q{n}_w" for n in range(first, first + count))


def block(site: str, meter: str, quantities: tuple[str, ...]) -> Columns:
    """One frame with one row."""
    values = np.ones((len(quantities), 1))
    one = np.ones(1, np.int64)
    return Columns(quantities, 0, 0 * one, [site], ["g"], [meter], one, one, values)


@pytest.fixture
def bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small ones."""
    monkeypatch.setattr(series, "MAX_SERIES", 12)
    monkeypatch.setattr(series, "MAX_SITE_SERIES", 8)
    monkeypatch.setattr(series, "ASSURED_SERIES", 2)
    monkeypatch.setattr(series, "MAX_SITE_QUANTITIES", 5)


@pytest.mark.usefixtures("bounds")
@pytest.mark.parametrize(
    ("held", "asked", "fits"),
    [
        pytest.param([], ("a", "m", names(5)), True, id="as many names as a site may use"),
        pytest.param([], ("a", "m", names(6)), False, id="too many names"),
        pytest.param([("a", "n", names(4))], ("a", "m", names(2, first=4)), False, id="too many names of two meters"),
        pytest.param([("a", "n", names(4))], ("a", "m", names(4)), True, id="as many as a site may have"),
        pytest.param([("a", "n", names(4))], ("a", "m", names(5)), False, id="too many of a site"),
        pytest.param([("a", "n", names(4))] * 9, ("a", "n", names(2)), True, id="those it has count once"),
        pytest.param([("a", "n", names(4)), ("a", "m", names(4))], ("b", "m", names(4)), True, id="another site's"),
        pytest.param(
            [("a", "n", names(4)), ("a", "m", names(4)), ("b", "m", names(3))],
            ("b", "n", names(2)),
            False,
            id="a crowd",
        ),
        pytest.param(
            [("a", "n", names(4)), ("a", "m", names(4)), ("b", "m", names(4))], ("c", "n", names(2)), True, id="assured"
        ),
        pytest.param(
            [("a", "n", names(4)), ("a", "m", names(4)), ("b", "m", names(4))], ("b", "m", names(4)), True, id="known"
        ),
    ],
)
def test_series_are_bounded_and_no_site_can_take_all(
    held: list[tuple[str, str, tuple[str, ...]]],
    asked: tuple[str, str, tuple[str, ...]],
    fits: bool,  # noqa: FBT001 (a column of the table)
) -> None:
    table = SeriesTable()
    assert all(table.admit(block(*one)).all() for one in held)
    restored = SeriesTable()
    restored.restore(table.snapshot())
    for some in (table, restored):
        before = len(some)
        assert some.admit(block(*asked)).tolist() == [fits]
        assert fits or len(some) == before


def test_frames_are_judged_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "MAX_SITE_SERIES", 2)
    frames = [(meter, [1], [1.0]) for meter in ("a", "b", "c", "a")]
    assert SeriesTable().admit(columns(*frames)).tolist() == [True, True, False, True]


def test_what_is_remembered_of_frames_is_bounded() -> None:
    table = SeriesTable()
    for shuffled in islice(permutations(names(5)), 100):
        assert table.admit(block("a", "m", shuffled)).all()
    assert len(table) == 5
    assert len(table._frames) <= series.FRAMES_PER_SERIES * (len(table) + 1) + 1
    fresh, _ = table.rows([block("a", "m", names(5))])
    assert fresh.series.tolist() == list(range(5))


def test_a_restored_table_goes_on_where_the_first_was() -> None:
    table, second = SeriesTable(), SeriesTable()
    table.rows([columns(("a", [10], [1.0]), ("b", [10], [5.0]))])
    state = table.snapshot()
    kept = pickle.dumps(state)
    table.rows([columns(("a", [20], [2.0]))])
    table.rows([columns(("a", [20], [3.0]))])
    assert pickle.dumps(state) == kept
    table.rows([columns(("c", [20], [2.0]))])
    second.restore(state)
    fresh, late = second.rows([columns(("a", [20], [2.0]), ("b", [5], [2.0]))])
    assert plain(fresh) == [(0, 20, 2.0, 10, 1.0)]
    assert [series for series, *_ in plain(late)] == [1]
    assert second.meters == ["a", "b"]
