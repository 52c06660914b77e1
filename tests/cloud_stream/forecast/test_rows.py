"""Numbered rows: growth, bound, forgetting, and copies that stay as they were."""

import numpy as np
import pytest

from cloud_stream.forecast.rows import Column, Rows

COLUMNS = {"ring": Column(4, np.nan, np.float32), "count": Column(0, -1, np.int64)}


def some_rows(number: int, bound: int = 1000) -> Rows[str]:
    rows: Rows[str] = Rows(COLUMNS, bound)
    for i in range(number):
        rows.add(f"row-{i}")
    return rows


def test_rows_grow_and_keep_what_they_hold() -> None:
    rows = some_rows(1)
    rows.put("ring", 0, 10, 2.5)
    for i in range(1, 500):
        assert rows.add(f"row-{i}") == i
    assert rows["ring"].shape == (500, 4)
    assert rows.span("ring", np.array([0, 499]), 10, 10)[:, 0].tolist() == pytest.approx([2.5, np.nan], nan_ok=True)


def test_a_row_beyond_the_bound_is_refused_and_known_ones_are_found() -> None:
    rows = some_rows(3, bound=3)
    assert [rows.add("row-1"), rows.add("new"), rows.number("row-2"), rows.number("new")] == [1, -1, 2, -1]


def test_a_ring_is_read_in_the_order_of_time_and_forgets_what_begins() -> None:
    rows = some_rows(1)
    rows.put("ring", [0, 0, 0, 0], [6, 7, 8, 9], [6.0, 7.0, 8.0, 9.0])
    row = np.array([0])
    assert rows.span("ring", row, 6, 9).tolist() == [[6.0, 7.0, 8.0, 9.0]]
    rows.forget("ring", 10, 11)
    assert rows.span("ring", row, 8, 11)[0].tolist() == pytest.approx([8.0, 9.0, np.nan, np.nan], nan_ok=True)
    rows.forget("ring", 12, 10**9)
    assert np.isnan(rows.span("ring", row, 8, 11)).all()


def test_rows_that_are_let_go_make_room() -> None:
    rows = some_rows(3, bound=3)
    rows["count"][:] = [0, 1, 2]
    rows.keep(np.array([True, False, True]))
    assert (rows.keys, rows["count"].tolist()) == (["row-0", "row-2"], [0, 2])
    assert (rows.add("row-1"), rows["count"].tolist()) == (2, [0, 2, -1])


def test_a_snapshot_is_a_copy_both_ways() -> None:
    rows = some_rows(2)
    kept = rows.snapshot()
    rows["count"][:] = 7
    other: Rows[str] = Rows(COLUMNS, 1000)
    assert other.restore(kept)
    other["count"][:] = 8
    other.add("row-2")
    again: Rows[str] = Rows(COLUMNS, 1000)
    assert again.restore(kept)
    assert (again.keys, again["count"].tolist()) == (["row-0", "row-1"], [-1, -1])


def test_a_snapshot_of_other_columns_is_not_taken() -> None:
    other: Rows[str] = Rows(COLUMNS | {"ring": Column(5, np.nan, np.float32)}, 1000)
    assert not other.restore(some_rows(2).snapshot())
    assert len(other) == 0
