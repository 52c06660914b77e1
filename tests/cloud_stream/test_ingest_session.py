"""The MQTT session against a real broker: generations, protocol versions, coming back."""

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from cloud_stream.config import BrokerConfig
from cloud_stream.inbox import Inbox, Incoming
from cloud_stream.ingest_session import BrokerSession
from cloud_stream.metrics import IngestCounters
from tests.cloud_stream.ingest_rig import GatewayClient
from tests.cloud_stream.waiting import wait_until
from wattline.errors import ConfigError
from wattline.local_servers import LOOPBACK, LocalServer, MosquittoServer
from wattline.wire import Ack


class Running:
    """A session in a thread of its own, whose inbox the test empties."""

    def __init__(self, config: BrokerConfig, inbox: Inbox | None = None) -> None:
        self.inbox = Inbox() if inbox is None else inbox
        self.metrics = CollectorRegistry()
        self.session = BrokerSession(config, self.inbox, IngestCounters(self.metrics))
        self.thread = threading.Thread(target=self.session.run)

    def value(self, name: str) -> float:
        return self.metrics.get_sample_value(f"wattline_ingest_{name}") or 0.0

    def take(self, number: int) -> list[Incoming]:
        found: list[Incoming] = []

        def complete() -> bool:
            found.extend(self.inbox.take(timeout_s=0, linger_s=0))
            return len(found) >= number

        wait_until(complete, f"{number} messages")
        return found

    def acknowledge(self, messages: list[Incoming]) -> None:
        self.session.puback([(message.generation, message.mid) for message in messages])


@contextmanager
def _running(config: BrokerConfig, inbox: Inbox | None = None) -> Iterator[Running]:
    running = Running(config, inbox)
    running.thread.start()
    try:
        yield running
    finally:
        running.session.stop()
        running.session.close()
        running.thread.join(20)
    assert not running.thread.is_alive()


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_what_was_not_acknowledged_comes_again_and_what_was_does_not(mosquitto: MosquittoServer, protocol: str) -> None:
    config = BrokerConfig(url=mosquitto.url, protocol="5" if protocol == "5" else "3.1.1")
    with GatewayClient(mosquitto.port, "gw-1") as gateway:
        with _running(config) as first:
            wait_until(lambda: first.value("connected") == 1, "connected")
            for text in (b"one", b"two", b"three"):
                gateway.send(text)
            first.acknowledge(first.take(3)[:2])
        with _running(config) as second:
            (again,) = second.take(1)
            assert again.payload == b"three"
            second.acknowledge([again])
        with _running(config) as third:
            wait_until(lambda: third.value("connected") == 1, "connected")
            gateway.send(b"four")
            assert [message.payload for message in third.take(1)] == [b"four"]


def test_an_acknowledgement_from_before_a_restart_of_the_broker_is_dropped(mosquitto: MosquittoServer) -> None:
    config = BrokerConfig(url=mosquitto.url)
    with GatewayClient(mosquitto.port, "gw-1") as gateway:
        with _running(config) as running:
            wait_until(lambda: running.value("connected") == 1, "connected")
            gateway.send(b"before")
            (before,) = running.take(1)
            mosquitto.kill()
            mosquitto.start()
            wait_until(lambda: running.value("connections_total") == 2, "connected again")
            gateway.send(b"after")
            after = next(message for message in running.take(1) if message.payload == b"after")
            assert (after.mid, after.generation) == (before.mid, before.generation + 1)
            running.acknowledge([before])
            wait_until(lambda: running.value("stale_acks_total") == 1, "the stale one is counted")
        with _running(config) as next_life:
            assert [message.payload for message in next_life.take(1)] == [b"after"]


def test_a_full_inbox_pauses_reading_and_drops_nothing(mosquitto: MosquittoServer) -> None:
    with (
        _running(BrokerConfig(url=mosquitto.url), Inbox(max_messages=10)) as running,
        GatewayClient(mosquitto.port, "gw-1") as gateway,
    ):
        wait_until(lambda: running.value("connected") == 1, "connected")
        for number in range(500):
            gateway.send(str(number).encode(), qos=0)
        wait_until(lambda: running.inbox.full, "it fills up")
        assert len(running.inbox) <= 10
        received: list[Incoming] = []

        def all_received() -> bool:
            received.extend(running.inbox.take(timeout_s=0, linger_s=0))
            running.session.puback([])
            return len(received) == 500

        wait_until(all_received, "all pass")
        assert [message.payload for message in received] == [str(number).encode() for number in range(500)]


def test_acknowledgements_reach_their_gateway(mosquitto: MosquittoServer) -> None:
    with _running(BrokerConfig(url=mosquitto.url)) as running, GatewayClient(mosquitto.port, "gw-1") as gateway:
        wait_until(lambda: running.value("connected") == 1, "connected")
        running.session.tell([("gw-1", Ack(log="L", seqs=[(1, 3), (7, 7)])), ("gw-2", Ack(log="L", seqs=[(9, 9)]))])
        wait_until(lambda: gateway.acked["L"] == {1, 2, 3, 7}, "told")


def test_a_broker_that_is_not_there_is_tried_again_until_it_is(tmp_path: Path) -> None:
    server = MosquittoServer(tmp_path / "later")
    with _running(BrokerConfig(url=server.url)) as running:
        wait_until(lambda: running.value("connection_failures_total") >= 2, "it tries")
        with server:
            wait_until(lambda: running.value("connected") == 1, "it comes")


# paho leaves the socket of a failed TLS handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
def test_tls_to_a_broker_without_it_never_becomes_a_plain_connection(
    mosquitto: MosquittoServer, caplog: pytest.LogCaptureFixture
) -> None:
    config = BrokerConfig(url=f"mqtts://{LOOPBACK}:{mosquitto.port}")
    with _running(config) as running:
        wait_until(lambda: running.value("connection_failures_total") >= 2, "it fails")
        assert running.value("connections_total") == 0
    assert "ingest_disconnected" in caplog.text


def test_a_certificate_that_is_none_is_a_configuration_error(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("not a certificate")
    with pytest.raises(ConfigError, match="ca_file: the certificates"):
        BrokerSession(BrokerConfig(url="mqtts://h", ca_file=file), Inbox(), IngestCounters(CollectorRegistry()))


class AmqttServer(LocalServer):
    """A broker in pure Python that knows MQTT 3.1.1 only."""

    program = str(Path(sys.executable).with_name("amqtt"))
    package = "amqtt, from the Python package index"

    def _arguments(self) -> Sequence[str]:
        file = self.directory / "amqtt.yaml"
        file.write_text(f"""
listeners:
  default:
    type: tcp
    bind: {LOOPBACK}:{self.port}
plugins:
  amqtt.plugins.authentication.AnonymousAuthPlugin:
    allow_anonymous: true
""")
        return ["-c", str(file)]


def test_a_broker_without_mqtt_5_is_spoken_to_in_3_1_1(tmp_path: Path) -> None:
    with (
        AmqttServer(tmp_path / "amqtt") as server,
        _running(BrokerConfig(url=f"mqtt://{LOOPBACK}:{server.port}")) as running,
        GatewayClient(server.port, "gw-1") as gateway,
    ):
        wait_until(lambda: running.value("connected") == 1, "it falls back")
        gateway.send(b"one")
        (message,) = running.take(1)
        running.acknowledge([message])
        running.session.tell([("gw-1", Ack(log="L", seqs=[(1, 1)]))])
        wait_until(lambda: gateway.acked["L"] == {1}, "acknowledged")


def test_a_protocol_that_was_chosen_is_not_left(tmp_path: Path) -> None:
    with (
        AmqttServer(tmp_path / "amqtt") as server,
        _running(BrokerConfig(url=f"mqtt://{LOOPBACK}:{server.port}", protocol="5")) as running,
    ):
        wait_until(lambda: running.value("connection_failures_total") >= 2, "it fails and fails")
        assert running.value("connections_total") == 0
