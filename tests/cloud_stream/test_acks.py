"""Acknowledgements are merged, and sent to a gateway only so often."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cloud_stream.acks import MAX_RANGES, AckLedger, merge
from cloud_stream.admission import BatchId
from wattline.wire import Ack


@given(st.lists(st.integers(1, 60)))
def test_ranges_cover_exactly_the_numbers_and_cannot_be_merged_further(seqs: list[int]) -> None:
    ranges = merge(seqs)
    assert [n for first, last in ranges for n in range(first, last + 1)] == sorted(set(seqs))
    assert all(b[0] - a[1] > 1 for a, b in pairwise(ranges))


def test_a_first_acknowledgement_is_due_at_once() -> None:
    ledger = AckLedger(interval_ms=200)
    ledger.add([BatchId("gw-1", "L", 2), BatchId("gw-1", "L", 1)])
    assert ledger.due(0) == [("gw-1", Ack(log="L", seqs=[(1, 2)]))]
    assert ledger.due(0) == []


def test_the_next_waits_for_the_interval_and_collects() -> None:
    ledger = AckLedger(interval_ms=200)
    ledger.add([BatchId("gw-1", "L", 1)])
    ledger.due(1000)
    for seq in (2, 3, 9):
        ledger.add([BatchId("gw-1", "L", seq)])
        assert ledger.due(1199) == []
    assert ledger.next_due_ms() == 1200
    assert ledger.due(1200) == [("gw-1", Ack(log="L", seqs=[(2, 3), (9, 9)]))]


def test_gateways_and_logs_are_kept_apart() -> None:
    ledger = AckLedger()
    ledger.add([BatchId("gw-1", "A", 1), BatchId("gw-2", "A", 5), BatchId("gw-1", "B", 7)])
    assert ledger.due(0) == [
        ("gw-1", Ack(log="A", seqs=[(1, 1)])),
        ("gw-1", Ack(log="B", seqs=[(7, 7)])),
        ("gw-2", Ack(log="A", seqs=[(5, 5)])),
    ]


def test_the_rest_is_said_whether_due_or_not() -> None:
    ledger = AckLedger(interval_ms=200)
    ledger.add([BatchId("gw-1", "L", 1)])
    ledger.due(0)
    ledger.add([BatchId("gw-1", "L", 2)])
    assert ledger.rest(1) == [("gw-1", Ack(log="L", seqs=[(2, 2)]))]
    assert ledger.next_due_ms() is None


def test_one_message_names_a_bounded_number_of_ranges() -> None:
    ledger = AckLedger()
    ledger.add(BatchId("gw-1", "L", 2 * n) for n in range(1, 2 * MAX_RANGES + 2))
    assert [len(ack.seqs) for _, ack in ledger.due(0)] == [MAX_RANGES, MAX_RANGES, 1]


def test_gateways_that_fell_silent_are_forgotten() -> None:
    ledger = AckLedger(interval_ms=200)
    for n in range(30_000):
        ledger.add([BatchId(f"gw-{n}", "L", 1)])
        ledger.due(n * 10)
    assert len(ledger._told_ms) <= 10_001
