"""The dispatcher against a real broker: once, in order, in time, through outages."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from cloud_stream.config import BrokerConfig, CloudConfig
from cloud_stream.config_sections import CommandsConfig
from cloud_stream.dispatch.orders import open_orders, order_row
from cloud_stream.dispatch.process import Dispatcher, run_dispatch
from cloud_stream.keyed_queue import KeyedQueue
from tests.cloud_stream.dispatch.orders_made import order
from tests.cloud_stream.waiting import wait_until
from tests.services.broker_access import access_lines
from wattline.errors import ConfigError
from wattline.local_servers import LOOPBACK, MosquittoServer, free_port
from wattline.topics import Down, down
from wattline.wire import Command, decode_command


class Gateway:
    """Listens for its commands, with a session that the broker keeps."""

    def __init__(self, port: int, name: str = "gw-1", password: str = "") -> None:
        self.name = name
        self.heard: list[Command] = []
        self.retained: list[bool] = []
        self._subscribed = threading.Event()
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTProtocolVersion.MQTTv311, clean_session=False
        )
        if password:
            self._client.username_pw_set(name, password)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(down(name, Down.COMMAND), 1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._take
        self._client.connect(LOOPBACK, port)
        self._client.loop_start()
        assert self._subscribed.wait(20)

    def ids(self) -> list[str]:
        return [command.id for command in self.heard]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _take(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self.heard.append(decode_command(bytes(message.payload), self.name))
        self.retained.append(message.retain)


@pytest.fixture
def gateway(mosquitto: MosquittoServer) -> Iterator[Gateway]:
    gateway = Gateway(mosquitto.port)
    yield gateway
    gateway.close()


@pytest.fixture
def orders(tmp_path: Path) -> Iterator[KeyedQueue]:
    orders = open_orders(CommandsConfig(dir=tmp_path / "commands"))
    yield orders
    orders.close()


def put(orders: KeyedQueue, name: str, *, lasts_ms: int = 600_000, **changes: object) -> None:
    now_ms = time.time_ns() // 10**6
    orders.put([order_row(order(name, decided_ms=now_ms, expires_ms=now_ms + lasts_ms, **changes))])


@contextmanager
def dispatching(
    orders: KeyedQueue, broker: BrokerConfig, now_ms: Callable[[], int] = lambda: time.time_ns() // 10**6
) -> Iterator[Dispatcher]:
    dispatcher = Dispatcher(orders, broker, "wattline-dispatch", now_ms)
    thread = threading.Thread(target=dispatcher.run)
    thread.start()
    try:
        yield dispatcher
    finally:
        dispatcher.stop()
        thread.join(30)
        assert not thread.is_alive()


@pytest.mark.parametrize("protocol", ["auto", "5", "3.1.1"])
def test_an_order_reaches_its_gateway_once_and_leaves_the_queue(
    orders: KeyedQueue, gateway: Gateway, mosquitto: MosquittoServer, protocol: str
) -> None:
    put(orders, "o1")
    with dispatching(orders, BrokerConfig(url=mosquitto.url, protocol=protocol)) as dispatcher:  # type: ignore[arg-type]
        put(orders, "o2", load="pump")
        wait_until(lambda: gateway.ids() == ["o1", "o2"], "both orders")
        wait_until(lambda: orders.counts().outcomes == {"sent": 2}, "the queue has let them go")
        put(orders, "o1")  # the flow says it again after a crash
        put(orders, "o3", action="release")
        wait_until(lambda: gateway.ids() == ["o1", "o2", "o3"], "only the new one")
    assert dispatcher.counts["sent"] == 3
    assert gateway.retained == [False] * 3


def test_orders_wait_for_the_broker_and_the_late_ones_are_not_sent(
    orders: KeyedQueue, gateway: Gateway, mosquitto: MosquittoServer
) -> None:
    mosquitto.stop()
    put(orders, "late", lasts_ms=1, load="pump")
    put(orders, "good")
    with dispatching(orders, BrokerConfig(url=mosquitto.url)) as dispatcher:
        wait_until(lambda: orders.counts().outcomes == {"expired": 1}, "the late one is settled without a broker")
        assert dispatcher.counts["connection_failures"] >= 1
        mosquitto.start()
        wait_until(lambda: gateway.ids() == ["good"], "the good one")
        wait_until(lambda: orders.counts().waiting == 0, "the queue is empty")


def test_a_broker_that_is_killed_in_between_costs_no_order(
    orders: KeyedQueue, gateway: Gateway, mosquitto: MosquittoServer
) -> None:
    with dispatching(orders, BrokerConfig(url=mosquitto.url)):
        put(orders, "before")
        wait_until(lambda: gateway.ids() == ["before"], "the first")
        mosquitto.kill()
        put(orders, "during")
        mosquitto.start()
        wait_until(lambda: gateway.ids()[-1] == "during", "the second")
    assert set(gateway.ids()) == {"before", "during"}


def test_an_order_that_nobody_listens_to_is_sent_when_its_gateway_comes(
    orders: KeyedQueue, mosquitto: MosquittoServer
) -> None:
    put(orders, "o1")
    with dispatching(orders, BrokerConfig(url=mosquitto.url)) as dispatcher:
        wait_until(lambda: dispatcher.counts["unheard"] >= 1, "the broker says so")
        gateway = Gateway(mosquitto.port)
        try:
            wait_until(lambda: gateway.ids() == ["o1"], "it arrives")
        finally:
            gateway.close()


def test_the_broker_forgets_a_command_that_its_gateway_did_not_fetch_in_time(
    orders: KeyedQueue, mosquitto: MosquittoServer
) -> None:
    Gateway(mosquitto.port).close()  # the broker keeps its session
    put(orders, "short", lasts_ms=1500)
    put(orders, "long", load="pump")
    with dispatching(orders, BrokerConfig(url=mosquitto.url)):
        wait_until(lambda: orders.counts().outcomes == {"sent": 2}, "both are with the broker")
    expired_s = time.monotonic() + 3
    wait_until(lambda: time.monotonic() > expired_s, "the short one's end")
    gateway = Gateway(mosquitto.port)
    try:
        wait_until(lambda: gateway.ids() == ["long"], "the other one")
    finally:
        gateway.close()


def test_a_password_is_used_and_a_wrong_one_is_waited_out(tmp_path: Path, orders: KeyedQueue) -> None:
    lines = access_lines(
        tmp_path / "access",
        {"cloud": "good", "gw-1": "gate"},
        ["user cloud", "topic write wattline/v1/+/down/command", "pattern read wattline/v1/%u/down/#"],
    )
    secret = tmp_path / "secret"
    secret.write_text("wrong\n")
    put(orders, "o1")
    with MosquittoServer(tmp_path / "closed", extra_lines=lines, anonymous=False) as broker:
        gateway = Gateway(broker.port, password="gate")
        config = BrokerConfig(url=broker.url, username="cloud", password_file=secret)
        with dispatching(orders, config) as dispatcher:
            wait_until(lambda: dispatcher.counts["connection_failures"] >= 2, "it is refused")
            secret.write_text("good\n")
            wait_until(lambda: gateway.ids() == ["o1"], "it is let in")
        gateway.close()


def test_without_its_section_it_does_not_start() -> None:
    with pytest.raises(ConfigError, match="commands: the section is missing"):
        run_dispatch(CloudConfig())


def test_a_broker_that_is_not_there_ends_nothing(orders: KeyedQueue) -> None:
    with dispatching(orders, BrokerConfig(url=f"mqtt://{LOOPBACK}:{free_port()}")) as dispatcher:
        wait_until(lambda: dispatcher.counts["connection_failures"] >= 3, "it goes on trying")
