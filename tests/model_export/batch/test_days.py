"""Half hours become days, wherever in the files they are."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_export.batch.days import DayCollector, Days

_Row = tuple[int, int, float]
_DAY = 48
_NAMES = {"a": 0, "b": 1, "c": 2}


def _days(pieces: Sequence[Sequence[_Row]]) -> Days:
    collector = DayCollector()
    for piece in pieces:
        home, slot, kwh = np.array(piece, np.float64).reshape(-1, 3).T
        collector.add(home.astype(np.int64), slot.astype(np.int64), kwh)
    return collector.finish(_NAMES)


def _plainly(rows: Sequence[_Row]) -> list[dict[str, object]]:
    """The same by dictionaries: the first row of a half hour counts."""
    days: dict[tuple[int, int], dict[int, float]] = {}
    for home, slot, kwh in rows:
        days.setdefault((home, slot // _DAY), {}).setdefault(slot % _DAY, kwh)
    names = list(_NAMES)
    return [
        {
            "home": names[home],
            "day": day,
            "n": len(values),
            "kwh": math.fsum(values.values()),
            "max_kwh": max(values.values()),
            "min_kwh": min(values.values()),
            "mean_kwh": math.fsum(values.values()) / len(values),
            "night_kwh": math.fsum(kwh for slot, kwh in values.items() if slot < 12),
            "morning_kwh": math.fsum(kwh for slot, kwh in values.items() if 12 <= slot < 24),
            "afternoon_kwh": math.fsum(kwh for slot, kwh in values.items() if 24 <= slot < 36),
            "evening_kwh": math.fsum(kwh for slot, kwh in values.items() if slot >= 36),
        }
        for (home, day), values in sorted(days.items())
    ]


def _rows(days: Days) -> list[dict[str, object]]:
    return days.table.with_columns(pl.col("day").to_physical()).to_dicts()


def _whole(home: int, day: int, kwh: float = 1.0) -> list[_Row]:
    return [(home, day * _DAY + slot, kwh) for slot in range(_DAY)]


@pytest.mark.parametrize(
    ("pieces", "values"),
    [
        ([_whole(0, 5)], 48),
        ([_whole(0, 5)[:20], _whole(0, 5)[20:]], 48),
        ([_whole(0, 5)[:20], _whole(1, 9), _whole(0, 5)[20:]], 96),
        ([_whole(0, 5)[::-1]], 48),
        ([_whole(0, 5), _whole(0, 5, 7.0)], 48),
        ([_whole(0, 5) + _whole(0, 5, 7.0)], 48),
        ([_whole(0, 5)[:20], _whole(0, 5, 7.0)], 48),
        ([_whole(0, 5)[:20], _whole(0, 5, 7.0)[10:30], _whole(0, 5, 9.0)[25:]], 48),
        ([_whole(0, 5)[:20], [], _whole(0, 6)[:20]], 40),
        ([_whole(2, 1) + _whole(0, 8) + _whole(2, 0) + _whole(0, 7)], 192),
        ([_whole(home, day)[half * 24 : half * 24 + 24] for half in (0, 1) for home in (0, 1) for day in (3, 4)], 192),
    ],
    ids=[
        "a day",
        "split between pieces",
        "split, with another home in between",
        "backwards",
        "sent again later",
        "sent again at once",
        "the rest is sent with what was there",
        "overlapping thrice",
        "with holes, and an empty piece",
        "days in no order",
        "all days in halves",
    ],
)
def test_where_rows_are_does_not_matter(pieces: Sequence[Sequence[_Row]], values: int) -> None:
    days = _days(pieces)
    assert _rows(days) == _plainly([one for piece in pieces for one in piece])
    assert days.values == values


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 2), st.integers(800_000, 800_000 + 3 * _DAY), st.floats(0, 50, allow_subnormal=False)),
        max_size=300,
    ),
    cuts=st.lists(st.integers(0, 300), max_size=4),
)
def test_any_rows_in_any_pieces_make_the_days_that_they_make(rows: list[_Row], cuts: list[int]) -> None:
    borders = [0, *sorted(cuts), len(rows)]
    days = _days([rows[begin:end] for begin, end in itertools.pairwise(borders)])
    expected = _plainly(rows)
    assert days.values == sum(int(str(day["n"])) for day in expected)
    assert len(expected) == days.table.height
    for found, wanted in zip(_rows(days), expected, strict=True):
        assert found.pop("home") == wanted.pop("home")
        assert found == pytest.approx(wanted, rel=1e-12, abs=1e-12)


def test_no_rows_make_no_days() -> None:
    days = _days([])
    assert days.values == 0
    assert days.table.is_empty()
    assert days.table.columns[:4] == ["home", "day", "n", "kwh"]
