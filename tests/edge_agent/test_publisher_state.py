"""What the publisher sends next, resends and gives up on."""

from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.publisher_state import AckedRanges, Limits, Silence, Window, merged

LOG = "log-1"


class Row(NamedTuple):
    seq: int
    writer: str = LOG
    payload: bytes = b"[]"


def rows(*seqs: int) -> list[Row]:
    return [Row(seq) for seq in seqs]


def window_with(*seqs: int, **limits: int) -> Window:
    window = Window(Limits(**limits))
    window.load(rows(*seqs), 0)
    return window


def send_due(window: Window, now_ms: int) -> list[int]:
    due = window.due(now_ms)
    for flight in due:
        window.sent(flight, now_ms)
    return [flight.row.seq for flight in due]


def ack(window: Window, *seqs: int) -> int:
    return window.acked(LOG, [(seq, seq) for seq in seqs])


def test_what_is_loaded_is_sent_once_in_order() -> None:
    window = window_with(1, 2, 3)
    assert send_due(window, 0) == [1, 2, 3]
    assert send_due(window, 1) == []


def test_an_acknowledgement_makes_room() -> None:
    window = window_with(1, 2, rows=2)
    assert window.room() == 0
    assert window.acked(LOG, [(1, 1)]) == 1
    assert window.room() == 1


def test_the_window_is_bounded_by_bytes_too() -> None:
    window = Window(Limits(bytes=100))
    window.load([Row(1, payload=b"x" * 100)], 0)
    assert window.room() == 0


def test_an_acknowledgement_of_another_log_means_another_batch() -> None:
    window = window_with(1)
    assert window.acked("log-0", [(1, 1)]) == 0
    assert len(window) == 1


def test_silence_resends_after_waits_that_double_up_to_a_bound() -> None:
    window = window_with(1, resend_after_ms=10, longest_resend_ms=40)
    sent_at = [now for now in range(200) if send_due(window, now)]
    assert sent_at == [0, 10, 30, 70, 110, 150, 190]
    assert window.resends == 6


def test_a_reconnect_resends_everything_at_once() -> None:
    window = window_with(1, 2)
    send_due(window, 0)
    ack(window, 1)
    window.connection_lost(5)
    assert send_due(window, 5) == [2]


def test_a_replaced_outbox_is_read_from_its_start_beside_what_is_in_flight() -> None:
    window = window_with(8, 9)
    window.start_over()
    window.load([Row(1, "log-2")], 0)
    assert window.read_through == 1
    assert len(window) == 3


def test_a_batch_that_others_overtake_again_and_again_is_poison() -> None:
    window = window_with(1, resend_after_ms=10, longest_resend_ms=10, strikes=3)
    for n in range(2, 6):
        window.load(rows(n), n * 100)
        send_due(window, n * 100)
        ack(window, n)
    assert [row.seq for row in window.take_poison()] == [1]
    assert len(window) == 0


def test_nothing_is_poison_while_nothing_is_acknowledged() -> None:
    window = window_with(1, 2, 3, resend_after_ms=10, longest_resend_ms=10, strikes=2)
    for now in range(0, 1000, 10):
        send_due(window, now)
    window.connection_lost(1000)
    assert send_due(window, 1000) == [1, 2, 3]
    assert window.take_poison() == []


def connection_breaks_on(window: Window, guilty: int, connections: int) -> list[int]:
    """Play a broker that hangs up on one batch and acknowledges the others; returns what was set aside."""
    now = 1_000_000 * (1 + window.resends)
    for _ in range(connections):
        for _ in range(50):
            now += 100
            sent = send_due(window, now)
            if guilty in sent:
                break
            ack(window, *sent)
        window.connection_lost(now)
    return [row.seq for row in window.take_poison()]


@pytest.mark.parametrize("guilty", [1, 5, 20])
def test_a_batch_that_breaks_the_connection_does_not_hold_up_the_others(guilty: int) -> None:
    window = window_with(*range(1, 21), strikes=3)
    set_aside = connection_breaks_on(window, guilty, 8)
    for n in range(21, 31):  # life goes on, and convicts it
        window.load(rows(n), 0)
        set_aside += connection_breaks_on(window, guilty, 1)
    assert set_aside == [guilty]
    assert len(window) == 0


def test_the_next_look_is_when_something_is_due() -> None:
    window = window_with(1, resend_after_ms=10)
    assert window.next_due_ms(99) == 0
    send_due(window, 5)
    assert window.next_due_ms(99) == 15
    ack(window, 1)
    assert window.next_due_ms(99) == 99


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["deliver", "lose_message", "lose_ack", "break"]), max_size=120), st.integers(1, 12))
def test_whatever_is_lost_everything_arrives_and_nothing_is_given_up_unheard(fates: list[str], count: int) -> None:
    """A cloud that acknowledges what it has, over a network that loses what it likes."""
    window, stored, now = window_with(*range(1, count + 1), resend_after_ms=10), set[int](), 0
    for fate in fates + ["deliver"] * 40:
        now += 10_000
        for flight in window.due(now):
            window.sent(flight, now)
            if fate != "lose_message":
                stored.add(flight.row.seq)
            if fate == "deliver":
                ack(window, flight.row.seq)
        if fate == "break":
            window.connection_lost(now)
    assert stored == set(range(1, count + 1))
    assert len(window) == 0


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        ([], []),
        ([(1, 1)], [(1, 1)]),
        ([(3, 3), (1, 1), (2, 2)], [(1, 3)]),
        ([(1, 5), (2, 3), (9, 9)], [(1, 5), (9, 9)]),
        ([(5, 1)], []),
    ],
)
def test_ranges_are_merged(ranges: list[tuple[int, int]], expected: list[tuple[int, int]]) -> None:
    assert merged(ranges) == expected


def test_collected_ranges_are_taken_once() -> None:
    acked = AckedRanges()
    acked.add(LOG, [(1, 1)])
    acked.add(LOG, [(2, 4)])
    assert acked
    assert acked.take() == {LOG: [(1, 4)]}
    assert not acked


@pytest.mark.parametrize(
    ("happened", "news_at"),
    [
        ({}, []),
        ({0: "sent"}, [100]),
        ({0: "sent", 50: "sent"}, [100]),
        ({0: "sent", 50: "acked"}, []),
        ({0: "sent", 50: "disconnected"}, []),
        ({0: "sent", 50: "disconnected", 60: "sent"}, [160]),
        ({0: "sent", 150: "disconnected", 160: "sent"}, [100]),
        ({0: "sent", 150: "acked", 160: "sent"}, [100, 260]),
    ],
)
def test_a_silence_is_told_once(happened: dict[int, str], news_at: list[int]) -> None:
    silence = Silence(after_ms=100)
    news = []
    for now_ms in range(0, 400, 10):
        match happened.get(now_ms):
            case "sent":
                silence.sent(now_ms)
            case "acked":
                silence.acked()
            case "disconnected":
                silence.disconnected()
        if silence.is_news(now_ms):
            news.append(now_ms)
    assert news == news_at
