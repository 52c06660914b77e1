"""The prepared load arrives complete, valid and at its pace."""

import socket
import threading

import pytest

from simulators.errors import LoadError
from simulators.load import LoadPlan, prepare, publish
from tests.simulators.cloud_stand_in import cloud_stand_in
from wattline.local_servers import MosquittoServer, free_port

START = 1_795_000_000_000
PLAN = LoadPlan(gateways=4, meters=3, times=5, messages=10, start_ms=START)


def test_prepared_messages_hold_every_reading_once() -> None:
    messages = prepare(PLAN)
    assert len(messages) == 40
    assert {message.readings for message in messages} == {15}


@pytest.mark.parametrize(("connections", "window", "pace"), [(1, 1, 0.0), (2, 200, 0.0), (4, 5, 200.0)])
def test_everything_arrives_valid_and_in_order(
    mosquitto: MosquittoServer, connections: int, window: int, pace: float
) -> None:
    messages = prepare(PLAN)
    with cloud_stand_in(mosquitto.port) as cloud:
        result = publish(
            "127.0.0.1", mosquitto.port, messages, connections=connections, window=window, messages_per_s=pace
        )
        cloud.wait_for_batches(40)
        batches, rows = cloud.batches(), cloud.rows()
    assert (result.messages, result.readings) == (40, 600)
    assert len(result.sent_ns) == 40
    assert result.last_puback_ns >= max(result.sent_ns)
    assert len(batches) == 40
    assert len(rows) == 600
    assert {row[3] for row in rows} == {START + second * 1000 for second in range(50)}
    for gateway in {batch.gateway for batch in batches}:
        assert [batch.seq for batch in batches if batch.gateway == gateway] == list(range(1, 11))


def test_a_load_of_many_megabytes_goes_through(mosquitto: MosquittoServer) -> None:
    messages = prepare(LoadPlan(gateways=20, meters=10, times=50, messages=20, start_ms=START))
    result = publish("127.0.0.1", mosquitto.port, messages)
    assert result.readings == 200_000
    assert result.bytes_sent == sum(len(m.head) + 2 + len(m.tail) for m in messages)


def test_no_broker_is_one_readable_error() -> None:
    port = free_port()
    with pytest.raises(LoadError, match=f"127.0.0.1:{port}"):
        publish("127.0.0.1", port, prepare(PLAN))


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"", "closes the connection"),
        (b"\x20\x02\x00\x05", "refuses the connection"),
        (b"\x20\x02\x00\x00", "closed the connection"),
        (b"\x20\x02\x00\x00\x30\x00\x00\x00", "something else than PUBACK"),
    ],
)
def test_a_broker_that_misbehaves_is_one_readable_error(answer: bytes, problem: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(1024)
                peer.sendall(answer)
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(65_536):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(LoadError, match=problem):
            publish("127.0.0.1", server.getsockname()[1], prepare(PLAN), connections=1)
        thread.join(10)
