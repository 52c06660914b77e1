"""Which windows are in memory, and which belong to the store."""

import pickle
from typing import Final

import numpy as np
import pytest

from cloud_stream.windows.cells import CellTable
from cloud_stream.windows.fold import WINDOW_BITS, Cells, no_cells

SITE_OF: Final = np.array([0, 0, 1])
"""Series 0 and 1 on site 0, series 2 on site 1."""


def cells(*places: tuple[int, int], n: int = 1) -> Cells:
    """One cell for each (series, window), in their order."""
    code = np.array(sorted((series << WINDOW_BITS) | window for series, window in places), np.int64)
    ones = np.ones(len(code))
    whole = np.ones(len(code), np.int64)
    return Cells(code, n * whole, ones, ones, ones, ones, ones, whole)


def table(*places: tuple[int, int]) -> CellTable:
    made = CellTable()
    assert not len(made.add(cells(*places), SITE_OF, 0))
    return made


def held(of: CellTable) -> list[tuple[int, int]]:
    return list(zip(of.cells.series.tolist(), of.cells.window.tolist(), strict=True))


def test_new_windows_are_merged_and_dirty() -> None:
    made = table((0, 5), (2, 5))
    assert held(made) == [(0, 5), (2, 5)]
    assert made.dirty == {(0, 5), (1, 5)}


def test_merging_adds_up() -> None:
    made = table((0, 5))
    made.add(cells((0, 5), (1, 5)), SITE_OF, 1)
    assert made.cells.n.tolist() == [2, 1]


@pytest.mark.parametrize(
    ("window", "merged"),
    [
        pytest.param(4, False, id="older than what has left"),
        pytest.param(5, False, id="what has left"),
        pytest.param(6, True, id="newer"),
        pytest.param(3, True, id="older, but in memory"),
    ],
)
def test_nothing_is_merged_into_a_window_that_has_left(window: int, *, merged: bool) -> None:
    made = table((0, 3), (0, 5), (2, 4))
    made.evict({(0, 5)}, SITE_OF)
    rest = made.add(cells((1, window)), SITE_OF, 1)
    assert len(rest) == (0 if merged else 1)
    assert ((1, window) in held(made)) is merged
    assert made.may_merge(0, window) is merged


def test_windows_of_one_site_say_nothing_of_another() -> None:
    made = table((0, 5))
    made.evict({(0, 5)}, SITE_OF)
    assert made.may_merge(1, 5)


def test_a_site_window_leaves_whole() -> None:
    made = table((0, 5), (1, 5), (2, 5), (0, 6))
    gone = made.evict({(0, 5)}, SITE_OF)
    assert list(gone.series) == [0, 1]
    assert held(made) == [(0, 6), (2, 5)]
    assert made.dirty == {(0, 6), (1, 5)}
    assert not made.holds(0, 5)


def test_a_retired_window_takes_all_before_it_along_but_those_in_memory() -> None:
    made = table((0, 3))
    made.retire(0, 5)
    made.retire(0, 4)
    assert [window for window in range(8) if made.may_merge(0, window)] == [3, 6, 7]


@pytest.mark.parametrize(
    ("late", "reach"),
    [
        pytest.param((20, 20), (10, 40), id="in a window with readings: from the one before"),
        pytest.param((12, 13), (10, 20), id="between two, over windows that hold only a stretch"),
        pytest.param((22, 22), (20, 40), id="nothing above in memory: up to the newest"),
        pytest.param((5, 5), (0, 10), id="nothing below in memory: anything may"),
        pytest.param((45, 45), (20, 45), id="beyond the newest: an amount's end"),
    ],
)
def test_how_far_a_late_reading_reaches(late: tuple[int, int], reach: tuple[int, int]) -> None:
    made = table((0, 10), (0, 20), (1, 12), (1, 21))
    made.add(cells((0, 11), (0, 15), n=0), SITE_OF, 0)
    assert made.reach(0, *late, newest=40) == reach


@pytest.mark.parametrize("span", [(4, 6), (0, 1 << 31)], ids=["short", "long"])
def test_what_is_held_within_a_span(span: tuple[int, int]) -> None:
    made = table((0, 4), (0, 6), (2, 5))
    assert made.held(0, *span) == {(0, 4), (0, 6)}


def test_the_untouched_and_the_excess_may_go() -> None:
    made = CellTable()
    for at_ms, window in enumerate([7, 5, 6]):
        made.add(cells((0, window), (1, window)), SITE_OF, at_ms)
    assert made.evictable(0, 100) == set()
    assert made.evictable(1, 100) == {(0, 7)}
    assert made.evictable(0, 5) == {(0, 7)}
    assert made.evictable(0, 3) == {(0, 7), (0, 5)}
    made.add(cells((0, 7)), SITE_OF, 10)
    assert made.evictable(0, 5) == {(0, 5)}


def test_nothing_changes_nothing() -> None:
    made = table((0, 5))
    assert not len(made.add(no_cells(), SITE_OF, 1))
    assert not len(made.evict(set(), SITE_OF))
    assert held(made) == [(0, 5)]


def test_a_snapshot_keeps_and_a_restored_table_emits_everything_again() -> None:
    made, second = table((0, 5), (0, 6)), CellTable()
    made.evict({(0, 5)}, SITE_OF)
    made.dirty.clear()
    state = made.snapshot()
    kept = pickle.dumps(state)
    made.add(cells((0, 6), (0, 7), (2, 1)), SITE_OF, 99)
    made.evict({(0, 6)}, SITE_OF)
    assert pickle.dumps(state) == kept
    second.restore(state)
    assert held(second) == [(0, 6)]
    assert second.dirty == {(0, 6)}
    assert not second.may_merge(0, 5)
