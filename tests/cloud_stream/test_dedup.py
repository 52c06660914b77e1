"""Which batches were seen, with bounded memory that forgets rather than invents."""

import pickle
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_stream.dedup import IDLE_MS, MAX_LOGS, MAX_RANGES, OLDEST_DELAY_MS, Dedup, LogDedup

NOW_MS: Final = 1_790_000_000_000


@pytest.mark.parametrize(
    ("seqs", "new", "floor", "ranges"),
    [
        pytest.param([1, 2, 3], [True] * 3, 3, [], id="in order"),
        pytest.param([1, 1, 2, 1], [True, False, True, False], 2, [], id="repeats"),
        pytest.param([3, 1], [True, True], 1, [(3, 3)], id="a gap"),
        pytest.param([3, 1, 2], [True] * 3, 3, [], id="a gap that closes"),
        pytest.param([5, 3, 7], [True] * 3, 0, [(3, 3), (5, 5), (7, 7)], id="islands"),
        pytest.param([5, 7, 6], [True] * 3, 0, [(5, 7)], id="islands that join"),
        pytest.param([5, 6, 4], [True] * 3, 0, [(4, 6)], id="growing to both sides"),
        pytest.param([5, 6, 4, 4, 5, 6], [True] * 3 + [False] * 3, 0, [(4, 6)], id="repeats in an island"),
    ],
)
def test_a_log(seqs: list[int], new: list[bool], floor: int, ranges: list[tuple[int, int]]) -> None:
    log = LogDedup()
    assert [log.add(seq, 0, NOW_MS) for seq in seqs] == new
    assert log.floor == floor
    assert list(zip(log.starts, log.ends, strict=True)) == ranges


@given(st.lists(st.integers(1, 60)))
def test_each_number_is_new_exactly_once(seqs: list[int]) -> None:
    log, seen = LogDedup(), set()
    for seq in seqs:
        assert log.add(seq, 0, NOW_MS) == (seq not in seen)
        seen.add(seq)


def test_what_a_gateway_no_longer_holds_is_not_waited_for() -> None:
    log = LogDedup()
    log.add(7, 5, NOW_MS)
    log.add(8, 5, NOW_MS)
    assert (log.floor, log.starts) == (0, [7])
    log.add(9, 6, NOW_MS + OLDEST_DELAY_MS)
    assert log.floor == 4
    log.add(10, 10, NOW_MS + 2 * OLDEST_DELAY_MS)
    assert log.floor == 5
    assert log.add(6, 10, NOW_MS + 2 * OLDEST_DELAY_MS), "said not to be held, too short a while ago to be believed"


def test_a_gateway_holds_at_least_the_batch_it_sends() -> None:
    log = LogDedup()
    log.add(3, 2**62, NOW_MS)
    log.add(4, 2**62, NOW_MS + OLDEST_DELAY_MS)
    log.add(5, 2**62, NOW_MS + 2 * OLDEST_DELAY_MS)
    assert log.add(6, 2**62, NOW_MS + 3 * OLDEST_DELAY_MS)


def test_ranges_are_bounded_and_the_lowest_is_forgotten() -> None:
    log = LogDedup()
    for n in range(MAX_RANGES + 1):
        log.add(2 * n + 2, 0, NOW_MS)
    assert len(log.starts) == MAX_RANGES
    assert log.add(2, 0, NOW_MS), "forgotten: taken for new, which is rebuilt and not lost"
    assert not log.add(6, 0, NOW_MS)


def test_logs_are_told_apart() -> None:
    dedup = Dedup()
    assert all(dedup.add(gateway, log, 1, 0, NOW_MS) for gateway in "ab" for log in "xy")
    assert not dedup.add("a", "x", 1, 0, NOW_MS)


def test_logs_of_a_gateway_are_bounded_and_the_one_silent_for_longest_is_forgotten() -> None:
    dedup = Dedup()
    dedup.add("other", "x", 1, 0, NOW_MS - 1)
    for n in range(MAX_LOGS):
        dedup.add("a", f"x{n}", 1, 0, NOW_MS + n)
    assert not dedup.add("a", "x0", 1, 0, NOW_MS + MAX_LOGS)
    assert dedup.add("a", "one more", 1, 0, NOW_MS + MAX_LOGS)
    assert len(dedup) == MAX_LOGS + 1
    assert not dedup.add("a", "x0", 1, 0, NOW_MS + MAX_LOGS), "heard since"
    assert not dedup.add("other", "x", 1, 0, NOW_MS + MAX_LOGS), "another gateway's"
    assert dedup.add("a", "x1", 1, 0, NOW_MS + MAX_LOGS), "forgotten: taken for new, which is rebuilt and not lost"


def test_logs_idle_for_90_days_are_forgotten() -> None:
    dedup = Dedup()
    dedup.add("a", "x", 1, 0, NOW_MS)
    dedup.add("a", "y", 1, 0, NOW_MS + 1)
    dedup.forget_idle(NOW_MS + IDLE_MS)
    assert len(dedup) == 2
    dedup.forget_idle(NOW_MS + IDLE_MS + 1)
    assert len(dedup) == 1
    assert not dedup.add("a", "y", 1, 0, NOW_MS)


def test_a_restored_dedup_knows_what_was_seen_and_a_snapshot_does_not_change() -> None:
    dedup, second = Dedup(), Dedup()
    for seq in (1, 2, 5):
        dedup.add("a", "x", seq, 0, NOW_MS)
    state = dedup.snapshot()
    kept = pickle.dumps(state)
    dedup.add("a", "x", 4, 0, NOW_MS)
    assert pickle.dumps(state) == kept
    second.restore(state)
    assert [second.add("a", "x", seq, 0, NOW_MS) for seq in range(1, 7)] == [False, False, True, True, False, True]
