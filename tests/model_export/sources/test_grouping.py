"""Rows of many meters become whole meters, however the files tell them, or are refused."""

from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_export.errors import DataError
from model_export.sources.grouping import whole_meters


def batch(*rows: tuple[str, int | None]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema={"meter": pl.String, "t": pl.Int64}, orient="row")
    return frame.with_columns(v=pl.int_range(pl.len(), dtype=pl.Int64))


def grouped(batches: list[pl.DataFrame], held_rows: int = 2) -> list[list[tuple[str, int | None]]]:
    return [list(one.select("meter", "t").iter_rows()) for one in whole_meters(batches, "here", held_rows)]


def test_a_meter_that_goes_on_in_the_next_batch_stays_whole() -> None:
    batches = [batch(("a", 1), ("a", 2), ("b", 1)), batch(("b", 2), ("b", 3)), batch(("c", 1))]
    assert grouped(batches) == [[("a", 1), ("a", 2), ("b", 1), ("b", 2), ("b", 3)], [("c", 1)]]


def test_rows_sorted_by_time_are_put_together() -> None:
    batches = [batch(*((meter, t) for meter in "ba")) for t in range(4)]
    assert grouped(batches) == [[*(("b", t) for t in range(4)), *(("a", t) for t in range(4))]]


def test_rows_of_one_time_keep_their_order_and_rows_without_a_time_stay() -> None:
    [one] = whole_meters([batch(("a", 5), ("b", 1), ("a", None), ("a", 3), ("a", 3))], "here")
    assert one.filter(pl.col("meter") == "a").select("t", "v").rows() == [(None, 2), (3, 3), (3, 4), (5, 0)]


def test_a_meter_that_comes_again_much_later_is_refused_by_name() -> None:
    with pytest.raises(DataError, match="here: rows of a lie too far apart"):
        grouped([batch(("a", 1), ("a", 2)), batch(("b", 1), ("b", 2)), batch(("a", 3))])


def test_more_rows_than_can_be_held_are_refused() -> None:
    endless = (batch(("a", t), ("b", t)) for t in range(1_000_000))
    with pytest.raises(DataError, match="over 10 rows"):
        list(whole_meters(endless, "here", held_rows=2, most_open_rows=10))


def test_nothing_gives_nothing() -> None:
    assert grouped([]) == grouped([batch()]) == []


@settings(deadline=None)
@given(st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), max_size=6), max_size=6))
def test_every_row_comes_once_and_in_order(content: list[list[tuple[str, int]]]) -> None:
    got = [row for part in grouped([batch(*rows) for rows in content], held_rows=1_000) for row in part]
    assert sorted(row for rows in content for row in rows) == sorted(got, key=str)
    runs = [meter for i, (meter, _) in enumerate(got) if i == 0 or got[i - 1][0] != meter]
    assert len(runs) == len(set(runs))
    assert all(a[0] != b[0] or (a[1] or 0) <= (b[1] or 0) for a, b in pairwise(got))
