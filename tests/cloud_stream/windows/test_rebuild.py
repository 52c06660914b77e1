"""What is to be rebuilt, and rebuilding a meter from its raw readings."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pytest

from cloud_stream.ports import Series
from cloud_stream.windows.rebuild import (
    MERGE_GAP_MS,
    PIECE_MS,
    Marks,
    Read,
    Span,
    Turn,
    WidthStart,
    Work,
    merged,
    next_piece,
    pieces,
    recompute,
    span_between,
)

GAP: Final = MERGE_GAP_MS
MINUTE: Final = 60_000
NAMES: Final = ("power_w", "energy_import_kwh", "energy_kwh")


@pytest.mark.parametrize(
    ("spans", "result"),
    [
        ([], []),
        ([(5, 9)], [(5, 9)]),
        ([(20, 30), (5, 9)], [(5, 30)]),
        ([(0, 100), (20, 30)], [(0, 100)]),
        ([(0, 10), (10 + GAP, 20 + GAP)], [(0, 20 + GAP)]),
        ([(0, 10), (11 + GAP, 20 + GAP)], [(0, 10), (11 + GAP, 20 + GAP)]),
    ],
)
def test_spans_that_nearly_touch_are_joined(spans: list[Span], result: list[Span]) -> None:
    assert merged(spans) == result


@pytest.mark.parametrize(
    ("span", "result"),
    [((0, 0), [(0, 0)]), ((0, 9), [(0, 9)]), ((0, 10), [(0, 9), (10, 10)]), ((5, 26), [(5, 14), (15, 24), (25, 26)])],
)
def test_a_long_span_is_cut_into_pieces(span: Span, result: list[Span]) -> None:
    assert pieces(span, longest_ms=10) == result


@pytest.mark.parametrize(
    ("windows", "rows_per_window", "piece"),
    [
        pytest.param({(10, 0)}, 1, {(10, 0)}, id="one"),
        pytest.param({(30, 0), (10, 20), (10, 0)}, 1, {(10, 0), (10, 20)}, id="one width"),
        pytest.param({(10, 0), (10, 10), (10, 20)}, 5, {(10, 0), (10, 10)}, id="as many rows as fit"),
        pytest.param({(10, 0), (10, 20)}, 5, {(10, 0)}, id="windows between count, they are read too"),
        pytest.param({(10, 0), (10, 10)}, 90, {(10, 0)}, id="always one"),
        pytest.param({(10, 0), (10, 10)}, 0, {(10, 0), (10, 10)}, id="nothing known of the rows"),
        pytest.param({(PIECE_MS, 0), (PIECE_MS, PIECE_MS)}, 1, {(PIECE_MS, 0)}, id="no more than a day"),
        pytest.param({(9 * PIECE_MS, 0)}, 1, {(9 * PIECE_MS, 0)}, id="a window longer than a day"),
    ],
)
def test_windows_are_taken_piece_by_piece(
    windows: set[WidthStart], rows_per_window: int, piece: set[WidthStart]
) -> None:
    assert next_piece(windows, rows_per_window, 10) == piece


def test_a_piece_is_read_from_its_first_window_to_its_last() -> None:
    assert span_between({(10, 30), (10, 0), (10, 20)}) == (10, 0, 30)


@pytest.mark.parametrize(("spent", "goes_on"), [([], True), ([1], True), ([1, 1], False), ([9], True), ([10], False)])
def test_a_turn_ends_with_its_pieces_or_its_rows(spent: list[int], goes_on: bool) -> None:  # noqa: FBT001 (a column of the table)
    turn = Turn(pieces=2, rows=10)
    for rows in spent:
        turn.spend(rows)
    assert bool(turn) is goes_on


def test_work_gives_one_piece_after_the_other() -> None:
    day = 24 * 3_600_000
    work = Work()
    work.add_meter("s", "m", (0, day + 5))
    work.add_meter("s", "n", (7, 8))
    taken = []
    while work:
        taken.append(work.first_piece())
        work.drop_first_piece()
    assert taken == [("s", "m", (0, day - 1)), ("s", "m", (day, day + 5)), ("s", "n", (7, 8))]


def test_work_absorbs_work_and_a_copy_stays_as_it_was() -> None:
    work, other = Work(), Work()
    work.add_meter("s", "m", (0, 5))
    other.add_meter("s", "m", (5, 9))
    other.sites["s"] = {(10, 0)}
    other.shards = {(10, 20)}
    copy = work.copy()
    work.absorb(other)
    assert (work.meters, work.sites, work.shards) == ({("s", "m"): [(0, 9)]}, {"s": {(10, 0)}}, {(10, 20)})
    assert (copy.meters, copy.sites, copy.shards) == ({("s", "m"): [(0, 5)]}, {}, set())
    work.sites["s"].add((10, 10))
    assert other.sites == {"s": {(10, 0)}}


def test_only_the_newest_mark_of_this_incarnation_proves_anything() -> None:
    marks, others = Marks("shard-01"), Marks("shard-01")
    first, second, foreign = marks.next(5_000_000), marks.next(5_000_000), others.next(5_000_000)
    seen = [(str(point.fields["incarnation"]), int(point.fields["number"])) for point in (first, second, foreign)]
    assert [marks.reached(one) for one in [*seen, ("", 0)]] == [False, True, False, False]
    assert first.tags == {"shard": "shard-01"}


def test_marks_of_an_hour_replace_each_other() -> None:
    marks = Marks("s")
    assert [marks.next(t).t_ms for t in (3_600_000, 7_199_999, 7_200_000)] == [3_600_000, 3_600_000, 7_200_000]


def reader(stored: Mapping[str, list[tuple[int, float]]], interval_ms: int = 0) -> Read:
    """Reads as a store does: rows of [start, end) and one beyond each border; times in minutes."""

    def read(start_ms: int, end_ms: int) -> dict[str, Series]:
        found = {}
        for name, rows in stored.items():
            times = [t * MINUTE for t, _ in rows]
            first = max((n for n, t in enumerate(times) if t < start_ms), default=0)
            last = min((n for n, t in enumerate(times) if t >= end_ms), default=len(times) - 1)
            chosen = rows[first : last + 1]
            t_ms = np.array([t * MINUTE for t, _ in chosen], np.int64)
            found[name] = Series(t_ms, np.array([v for _, v in chosen], np.float64), interval_ms)
        return found

    return read


def windows(read: Read, span_min: Span, width_min: int = 10) -> dict[int, float]:
    span = (span_min[0] * MINUTE, span_min[1] * MINUTE)
    cells, _ = recompute(read, span, (width_min * MINUTE,))
    found = cells.get(width_min * MINUTE)
    return {} if found is None else dict(zip(found.window.tolist(), found.amount.tolist(), strict=True))


@pytest.mark.parametrize(
    ("rows", "span", "expected"),
    [
        pytest.param([], (5, 5), {}, id="nothing stored"),
        pytest.param([(5, 1.0)], (5, 5), {0: 0.0}, id="one reading"),
        pytest.param([(0, 0.0), (10, 1.0), (20, 3.0), (30, 6.0)], (10, 10), {0: 1.0, 1: 2.0, 2: 3.0}, id="neighbours"),
        pytest.param([(0, 0.0), (25, 5.0), (50, 10.0)], (25, 25), {0: 2, 1: 2, 2: 2, 3: 2, 4: 2, 5: 0}, id="silences"),
        pytest.param([(0, 0.0), (40, 4.0), (70, 7.0)], (5, 6), {0: 1, 1: 1, 2: 1, 3: 1, 4: 1}, id="in a silence"),
        pytest.param([(35, 1.0)], (5, 5), {3: 0.0}, id="before all readings"),
        pytest.param([(5, 1.0)], (35, 35), {0: 0.0}, id="behind all readings"),
    ],
)
def test_all_windows_that_a_change_touches(
    rows: list[tuple[int, float]], span: Span, expected: dict[int, float]
) -> None:
    found = windows(reader({"energy_import_kwh": rows} if rows else {}), span)
    assert {window: amount for window, amount in found.items() if window in expected} == pytest.approx(expected)
    assert all(amount >= 0.0 for amount in found.values())


def test_windows_that_are_not_touched_are_left_alone() -> None:
    rows = [(t, float(t)) for t in range(0, 100, 10)]
    assert set(windows(reader({"energy_import_kwh": rows}), (50, 50))) == {4, 5, 6}


def test_amounts_that_reach_over_each_other_are_all_found() -> None:
    rows = [(t, 3.0) for t in range(0, 100, 10)]
    found = windows(reader({"energy_kwh": rows}, interval_ms=50 * MINUTE), (50, 79))
    assert {window: found[window] for window in (5, 6, 7)} == pytest.approx({5: 3.0, 6: 3.0, 7: 3.0})


def test_several_quantities_are_told_apart() -> None:
    read = reader({"power_w": [(0, 60.0), (10, 60.0)], "energy_import_kwh": [(0, 1.0), (10, 1.5)]})
    cells, names = recompute(read, (0, 0), (10 * MINUTE,))
    found = cells[10 * MINUTE]
    amounts = {(names[s], w): a for s, w, a in zip(found.series, found.window, found.amount, strict=True)}
    assert amounts[("power_w", 0)] == pytest.approx(0.01)
    assert amounts[("energy_import_kwh", 0)] == pytest.approx(0.5)
