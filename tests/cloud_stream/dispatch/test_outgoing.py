"""Which orders are sent when: the newest of a load, until it is acknowledged or too late."""

import pytest

from cloud_stream.dispatch.orders import command_payload, order_row, read_order
from cloud_stream.dispatch.outgoing import LONGEST_RETRY_S, WINDOW, Outgoing
from cloud_stream.keyed_queue import QueueRow
from cloud_stream.records import Order
from tests.cloud_stream.dispatch.orders_made import NOW_MS, order, row
from wattline.errors import DecodeError
from wattline.wire import decode_command


def outgoing(*orders: Order) -> Outgoing:
    made = Outgoing()
    made.load([row(seq, one) for seq, one in enumerate(orders, 1)])
    return made


def seqs(made: Outgoing, now_ms: int = NOW_MS) -> list[int]:
    return [due.seq for due in made.due(now_ms)]


def test_an_order_becomes_a_command_that_says_the_same() -> None:
    command = decode_command(command_payload(order(reason="x" * 5000)), "gw-1")
    assert (command.id, command.load, command.action) == ("o1", "boiler", "off")
    assert (command.t, command.expires_at, command.reason) == (NOW_MS, NOW_MS + 600_000, "x" * 1024)


def test_an_order_survives_the_queue() -> None:
    key, payload = order_row(order())
    assert (key, read_order(payload)) == ("o1", order())


@pytest.mark.parametrize("payload", [b"", b"\x00", b"{}", order_row(order())[1][:-3]])
def test_bytes_that_are_no_order_are_named(payload: bytes) -> None:
    with pytest.raises(DecodeError, match="bad_order"):
        read_order(payload)


def test_it_is_sent_once_and_ends_with_its_acknowledgement() -> None:
    made = outgoing(order())
    assert seqs(made) == [1]
    made.sent(1)
    assert seqs(made) == []
    made.load([row(1, order())])  # the queue still holds it
    assert seqs(made) == []
    made.acknowledged(1)
    assert made.ended == {1: "sent"}
    made.load([row(1, order())])  # the queue could not let it go
    assert seqs(made) == []
    made.forget([1])
    assert made.ended == {}


def test_what_was_on_its_way_when_the_connection_broke_is_sent_again() -> None:
    made = outgoing(order())
    made.sent(1)
    made.connection_lost()
    assert seqs(made) == [1]


@pytest.mark.parametrize("in_flight", [False, True])
def test_too_late_it_is_not_sent(*, in_flight: bool) -> None:
    made = outgoing(order())
    if in_flight:
        made.sent(1)
    assert seqs(made, NOW_MS + 600_000) == []
    assert made.ended == {1: "expired"}
    made.acknowledged(1)  # the broker's word comes later still
    assert made.ended == {1: "expired"}


def test_nobody_listening_is_tried_again_and_again_but_not_all_the_time() -> None:
    made = outgoing(order(expires_ms=NOW_MS + 10**9))
    now_ms = NOW_MS
    for _ in range(20):
        assert seqs(made, now_ms) == [1]
        made.sent(1)
        made.refused(1, now_ms)
        assert seqs(made, now_ms + 400) == []
        now_ms += round(LONGEST_RETRY_S * 1000)


def test_an_older_order_for_the_same_load_never_comes_after_a_newer_one() -> None:
    made = outgoing(order("off"), order("other", load="pump"), order("back", action="release"))
    assert seqs(made) == [2, 3]
    assert made.ended == {1: "superseded"}


def test_loads_of_one_name_at_two_gateways_are_two() -> None:
    assert seqs(outgoing(order("a"), order("b", gateway="gw-2"))) == [1, 2]


@pytest.mark.parametrize(
    ("one", "outcome"),
    [
        pytest.param(order(gateway="GW 1"), "unsendable_foreign_gateway", id="no gateway's name"),
        pytest.param(order("x" * 200), "unsendable_bad_schema", id="a long id"),
        pytest.param(order(load=""), "unsendable_bad_schema", id="no load"),
    ],
)
def test_what_no_gateway_would_take_is_not_sent(one: Order, outcome: str) -> None:
    made = outgoing(one, order())
    assert seqs(made) == [2]
    assert made.ended == {1: outcome}


def test_bytes_that_are_no_order_are_let_go() -> None:
    made = Outgoing()
    made.load([QueueRow(1, "k", b"\x00", NOW_MS)])
    assert (seqs(made), made.ended) == ([], {1: "unsendable_bad_order"})


def test_only_so_many_are_on_their_way_at_once() -> None:
    made = outgoing(*(order(f"o{n}", load=f"l{n}") for n in range(WINDOW + 50)))
    first = seqs(made)
    assert len(first) == WINDOW
    for seq in first:
        made.sent(seq)
    assert seqs(made) == []
    made.acknowledged(first[0])
    assert len(seqs(made)) == 1
