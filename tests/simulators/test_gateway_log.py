"""A batch is kept until it is acknowledged, and sent again when it is not."""

from hypothesis import given
from hypothesis import strategies as st

from simulators.gateway_log import GatewayLog


def _log(most_times: int = 10, max_inflight: int = 3) -> GatewayLog:
    return GatewayLog(most_times, max_inflight, resend_after_ms=1000)


def _seqs(log: GatewayLog, now_ms: int) -> list[tuple[int, bool]]:
    return [(span.seq, is_new) for span, is_new in log.take(now_ms)]


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 9999), st.integers(1, 50))
def test_planned_batches_hold_every_multiple_once(start: int, length: int, step: int, most: int) -> None:
    length = min(length, step * 500)
    log = _log(most_times=most, max_inflight=10**6)
    log.add(start, start + length, step)
    spans = [span for span, _ in log.take(0)]
    times = [t for span in spans for t in span.times().tolist()]
    assert times == list(range(-(-start // step) * step, start + length, step))
    assert [span.seq for span in spans] == list(range(1, len(spans) + 1))
    assert all(1 <= span.count <= most for span in spans)


def test_only_a_window_is_in_flight() -> None:
    log = _log()
    log.add(0, 100, 1)
    assert _seqs(log, 0) == [(1, True), (2, True), (3, True)]
    assert _seqs(log, 500) == []
    assert log.acknowledge([(2, 2)]) == 1
    assert _seqs(log, 500) == [(4, True)]
    assert (log.unacked, log.undelivered, log.oldest) == (3, 9, 1)


def test_what_is_not_acknowledged_in_time_is_sent_again() -> None:
    log = _log(max_inflight=2)
    log.add(0, 30, 1)
    assert _seqs(log, 0) == [(1, True), (2, True)]
    assert _seqs(log, 999) == []
    assert _seqs(log, 1000) == [(1, False), (2, False)]
    assert _seqs(log, 1999) == []
    assert _seqs(log, 2000) == [(1, False), (2, False)]


def test_a_new_connection_sends_everything_in_flight_again_in_order() -> None:
    log = _log()
    log.add(0, 40, 1)
    log.take(0)
    log.acknowledge([(1, 1)])
    log.take(10)
    log.connection_lost()
    assert _seqs(log, 11) == [(2, False), (3, False), (4, False)]
    assert _seqs(log, 12) == []


def test_an_acknowledgement_of_the_unknown_changes_nothing() -> None:
    log = _log()
    log.add(0, 50, 1)
    log.take(0)
    assert log.acknowledge([(0, 0), (4, 10**18), (7, 3)]) == 0
    assert log.acknowledge([(1, 2), (2, 3)]) == 3
    assert log.acknowledge([(1, 3)]) == 0
    assert (log.oldest, log.undelivered) == (4, 2)
    log.take(0)
    log.acknowledge([(1, 10**18)])
    assert (log.oldest, log.undelivered, log.unacked) == (6, 0, 0)
