"""When a moved load may be on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_stream.intents.shifting import Slots, plan, slot_starts

QUARTER_MS = 900_000


def _slots(prices: list[float], peak: list[bool], site_kwh: list[float], full: tuple[int, ...] = ()) -> Slots:
    start = np.arange(len(prices)) * QUARTER_MS
    is_full = np.isin(np.arange(len(prices)), full)
    return Slots(start, start + QUARTER_MS, np.array(prices), np.array(peak), is_full, np.array(site_kwh))


@pytest.mark.parametrize(
    ("prices", "peak", "site_kwh", "need", "chosen"),
    [
        ([3, 1, 2, 1], [False] * 4, [0, 0, 0, 0], 2, [1, 3]),
        ([1, 1, 1, 1], [False] * 4, [5, 1, 2, 9], 2, [1, 2]),
        ([1, 1, 1, 1], [False] * 4, [0, 0, 0, 0], 1, [0]),
        ([1, 9, 9, 9], [True, False, False, False], [0, 0, 0, 0], 2, [1, 2]),
        ([1, 9, 9, 9], [True, False, True, True], [0, 0, 0, 0], 2, [0, 1]),
        ([1, 1, 1, 1], [False] * 4, [np.nan, np.nan, 1, 1], 1, [0]),
        ([1, 2], [False] * 2, [0, 0], 3, [0, 1]),
        ([1, 2], [False] * 2, [0, 0], 0, []),
    ],
    ids=[
        "the cheapest",
        "where the site uses least",
        "the earliest",
        "not in the peak",
        "in the peak where it must be",
        "an unknown forecast counts as nothing",
        "too little time",
        "nothing needed",
    ],
)
def test_the_hours_that_are_chosen(
    prices: list[float], peak: list[bool], site_kwh: list[float], need: int, chosen: list[int]
) -> None:
    found = plan(_slots(prices, peak, site_kwh), need * QUARTER_MS)
    assert np.flatnonzero(found.chosen).tolist() == chosen
    assert found.missing_ms == max(0, need - len(prices)) * QUARTER_MS


def test_what_has_no_room_under_a_limit_comes_last() -> None:
    slots = _slots([1, 2, 3, 4], [False, False, False, True], [0, 0, 0, 0], full=(0, 1))
    assert [np.flatnonzero(plan(slots, n * QUARTER_MS).chosen).tolist() for n in (1, 2, 3)] == [[2], [2, 3], [0, 2, 3]]


@given(
    rows=st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.floats(0, 5)), min_size=1, max_size=40),
    need_ms=st.integers(0, 50 * QUARTER_MS),
)
def test_as_much_as_needed_and_never_dearer_than_what_was_left(
    rows: list[tuple[float, bool, float]], need_ms: int
) -> None:
    prices, peak, site_kwh = (list(column) for column in zip(*rows, strict=True))
    slots = _slots(prices, peak, site_kwh)
    found = plan(slots, need_ms)
    given_ms = int(found.chosen.sum()) * QUARTER_MS
    assert given_ms + found.missing_ms >= need_ms
    assert given_ms - need_ms < QUARTER_MS
    rank = list(zip(slots.is_peak.tolist(), slots.price.tolist(), strict=True))
    if found.chosen.any() and not found.chosen.all():
        worst = max(rank[slot] for slot in np.flatnonzero(found.chosen))
        assert worst <= min(rank[slot] for slot in np.flatnonzero(~found.chosen))


@given(now_ms=st.integers(0, 10**8), span_ms=st.integers(1, 10**8))
def test_slots_fill_the_time_until_the_deadline(now_ms: int, span_ms: int) -> None:
    starts, ends = slot_starts(now_ms, now_ms + span_ms, QUARTER_MS)
    assert starts[0] == now_ms
    assert ends[-1] == now_ms + span_ms
    assert (starts[1:] == ends[:-1]).all()
    assert (ends - starts <= QUARTER_MS).all()
    assert (starts < ends).all()
