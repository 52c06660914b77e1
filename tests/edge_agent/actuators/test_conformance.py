"""Every actuator of the table keeps the port's rules: a real broker, a real Modbus server, the simulated boiler."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import msgspec
import pytest
from pymodbus.client import ModbusTcpClient

from edge_agent.actuators import ACTUATORS, actuator_kind, load_options
from edge_agent.actuators.mqtt_relay import MqttRelay, MqttRelayOptions
from edge_agent.config import AgentConfig, BrokerConfig, GatewayConfig
from edge_agent.load_config import LoadConfig
from edge_agent.ports import Actuator
from tests.edge_agent.actuators.servers import CoilServer, TopicRelay
from tests.edge_agent.cloud_stand_in import wait_until
from wattline.errors import ConfigError, WattlineError
from wattline.local_servers import LOOPBACK, MosquittoServer, free_port


def owner(url: str = "mqtt://127.0.0.1:1") -> AgentConfig:
    gateway = GatewayConfig(id="gw-1", site="house", state_dir=Path("unused"))
    return AgentConfig(gateway=gateway, broker=BrokerConfig(url=url), meter=[])


def make(actuator: str, options: dict[str, Any], url: str = "mqtt://127.0.0.1:1") -> Actuator:
    checked = load_options(LoadConfig(id="boiler", actuator=actuator, options=options), "load[0]")
    return actuator_kind(actuator).make(owner(url), "boiler", checked)


class Rig(Protocol):
    """A relay with its actuator."""

    actuator: Actuator

    def real(self) -> bool:
        """Where the relay really is."""

    def move(self, on: bool) -> None:  # noqa: FBT001 (where to)
        """A hand moves it."""

    def die(self) -> None:
        """It does not answer any more."""

    def live(self) -> None:
        """It answers again."""

    def close(self) -> None:
        """End everything."""


class MqttRig:
    def __init__(self, broker: MosquittoServer, **options: object) -> None:
        self.relay = TopicRelay(broker.port, as_json="state_key" in options)
        table = {"url": broker.url, "topic": "plug/set", "state_topic": "plug/state", "query_topic": "plug/ask"}
        self.actuator = make("mqtt", {**table, "timeout": "500ms", **options})

    def real(self) -> bool:
        return self.relay.on

    def move(self, on: bool) -> None:  # noqa: FBT001 (the protocol's)
        self.relay.move(on)

    def die(self) -> None:
        self.relay.dead = True

    def live(self) -> None:
        self.relay.dead = False

    def close(self) -> None:
        self.actuator.close()
        self.relay.close()


class CoilRig:
    def __init__(self, **options: object) -> None:
        self._server = CoilServer()
        self._server.__enter__()
        self._inverted = bool(options.get("inverted"))
        self.actuator = make(
            "modbus", {"host": LOOPBACK, "port": self._server.port, "coil": 3, "timeout": "500ms", **options}
        )

    def real(self) -> bool:
        with ModbusTcpClient(LOOPBACK, port=self._server.port) as client:
            return bool(client.read_coils(3, count=1, device_id=1).bits[0]) != self._inverted

    def move(self, on: bool) -> None:  # noqa: FBT001 (the protocol's)
        with ModbusTcpClient(LOOPBACK, port=self._server.port) as client:
            client.write_coil(3, on != self._inverted, device_id=1)

    def die(self) -> None:
        self._server.stop()

    def live(self) -> None:
        port = self._server.port
        self._server = CoilServer()
        self._server.port = port
        self._server.__enter__()

    def close(self) -> None:
        self.actuator.close()
        self._server.stop()


class SimulatedRig:
    def __init__(self, folder: Path) -> None:
        self._file = folder / "relay"
        self.actuator = make("simulated", {"file": str(self._file), "boiler": str(folder)})

    def real(self) -> bool:
        return not self._file.exists() or self._file.read_text() == "on"

    def move(self, on: bool) -> None:  # noqa: FBT001 (the protocol's)
        self._file.write_text("on" if on else "off")

    def die(self) -> None:
        self._file.write_text("dead")

    def live(self) -> None:
        self._file.write_text("on")

    def close(self) -> None:
        self.actuator.close()


RIGS = ["mqtt", "mqtt json", "modbus", "modbus inverted", "simulated"]


@pytest.fixture
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    name: str = request.param
    made: Rig
    if name.startswith("mqtt"):
        as_json = {"state_key": "output"} if "json" in name else {}
        made = MqttRig(request.getfixturevalue("mosquitto"), **as_json)
    elif name.startswith("modbus"):
        made = CoilRig(inverted="inverted" in name)
    else:
        made = SimulatedRig(tmp_path)
    yield made
    made.close()


on_every_rig = pytest.mark.parametrize("rig", RIGS, indirect=True)


def test_every_actuator_of_the_table_is_on_a_rig() -> None:
    assert set(ACTUATORS) == {name.split()[0] for name in RIGS}


@pytest.mark.parametrize("name", sorted(ACTUATORS))
def test_its_options_are_a_struct_that_knows_its_keys(name: str) -> None:
    options = actuator_kind(name).options
    assert issubclass(options, msgspec.Struct)
    assert options.__struct_config__.forbid_unknown_fields
    with pytest.raises(ConfigError, match=r"load\[3\]\.options"):
        load_options(LoadConfig(id="l", actuator=name, options={"no_such_option": 1}), "load[3]")


def test_an_actuator_that_there_is_not_is_named() -> None:
    with pytest.raises(ConfigError, match=r"load\[0\]\.actuator: unknown actuator 'voice'; there are modbus, mqtt"):
        load_options(LoadConfig(id="l", actuator="voice"), "load[0]")


@on_every_rig
def test_it_brings_the_relay_where_it_shall_be(rig: Rig) -> None:
    for on in (False, False, True, True, False):
        rig.actuator.set(on)
        assert (rig.real(), rig.actuator.state()) == (on, on)


@on_every_rig
def test_it_sees_a_hand_at_the_relay(rig: Rig) -> None:
    rig.actuator.set(True)
    rig.move(on=False)
    wait_until(lambda: rig.actuator.state() is False, "it is seen off")
    rig.move(on=True)
    wait_until(lambda: rig.actuator.state() is True, "it is seen on")


@on_every_rig
def test_a_dead_relay_is_an_error_of_ours_and_nothing_more_once_it_lives(rig: Rig) -> None:
    rig.actuator.set(True)
    rig.die()
    for _ in range(2):
        with pytest.raises(WattlineError):
            rig.actuator.set(False)
        with pytest.raises(WattlineError):
            rig.actuator.state()
    rig.live()
    rig.actuator.set(False)
    assert not rig.real()


@on_every_rig
def test_it_can_be_closed_whenever_and_leaves_the_relay_alone(rig: Rig) -> None:
    rig.actuator.set(False)
    rig.actuator.close()
    rig.actuator.close()
    assert not rig.real()


@on_every_rig
def test_it_can_be_closed_without_ever_having_been_used(rig: Rig) -> None:
    rig.actuator.close()


# ---- what only one of them has


def test_without_a_word_of_the_relay_the_broker_s_word_counts(mosquitto: MosquittoServer) -> None:
    relay = TopicRelay(mosquitto.port, talks=False)
    actuator = make("mqtt", {"topic": "plug/set"}, mosquitto.url)  # the agent's own broker
    try:
        assert actuator.state() is None
        actuator.set(False)
        wait_until(lambda: relay.orders == ["OFF"], "the order")
        assert actuator.state() is False
    finally:
        actuator.close()
        relay.close()


def test_a_broker_that_is_not_there_and_comes_back(mosquitto: MosquittoServer) -> None:
    actuator = make("mqtt", {"url": mosquitto.url, "topic": "plug/set", "timeout": "500ms"})
    try:
        actuator.set(True)
        mosquitto.kill()
        with pytest.raises(WattlineError):
            actuator.set(False)
        mosquitto.start()
        actuator.set(False)
    finally:
        actuator.close()


def test_an_order_that_the_relay_missed_is_not_kept_for_it(mosquitto: MosquittoServer) -> None:
    """A plug with a session at the broker that comes back after hours must not switch then."""
    rig = MqttRig(mosquitto)
    rig.relay.close()
    with pytest.raises(WattlineError):
        rig.actuator.set(False)
    rig.relay = TopicRelay(mosquitto.port)
    rig.actuator.set(True)
    assert rig.relay.orders == ["ON"]
    rig.close()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"topic": "plug/#"}, "without"),
        ({"topic": ""}, "without"),
        ({"topic": "a", "payload_on": "x", "payload_off": "x"}, "must differ"),
        ({"topic": "a", "query_topic": "b"}, "needs a state_topic"),
        ({"topic": "a", "timeout": "1h"}, "timeout"),
        ({"topic": "a", "url": "http://x"}, "mqtt://"),
    ],
)
def test_mqtt_options_that_can_not_work_are_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        make("mqtt", options)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "expected host, or serial_port"),
        ({"host": "x", "serial_port": "y"}, "expected host, or serial_port"),
        ({"host": "x", "coil": 65_536}, "coil"),
        ({"host": "x", "timeout": "0s"}, "timeout"),
    ],
)
def test_modbus_options_that_can_not_work_are_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        make("modbus", options)


@pytest.mark.parametrize("place", [{"host": LOOPBACK, "port": free_port()}, {"serial_port": "/no/such/port"}])
def test_a_modbus_device_that_is_not_there_is_an_error_of_ours(place: dict[str, Any]) -> None:
    actuator = make("modbus", {**place, "timeout": "200ms"})
    with pytest.raises(WattlineError):
        actuator.state()
    actuator.close()


def test_a_coil_that_the_device_has_not_is_an_error_of_ours() -> None:
    with CoilServer() as server:
        actuator = make("modbus", {"host": LOOPBACK, "port": server.port, "coil": 5000, "timeout": "500ms"})
        with pytest.raises(WattlineError):
            actuator.set(True)
        actuator.close()


@pytest.mark.parametrize(
    ("payload", "on"),
    [
        (b"ON", True),
        (b" OFF\n", False),
        (b"on", None),
        (b"", None),
        (b"\xff\xfe", None),
        (b"ON" * 10_000, None),
    ],
)
def test_only_the_words_of_the_file_are_a_state(payload: bytes, on: bool | None) -> None:  # noqa: FBT001 (a column)
    options = actuator_kind("mqtt").options
    assert options(topic="t").read(payload) is on  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("payload", "on"),
    [
        (b'{"output": true}', True),
        (b'{"output": false, "temperature": {"tC": 41}}', False),
        (b'{"output": "ON"}', True),
        (b'{"output": 1}', None),
        (b'{"other": true}', None),
        (b"[true]", None),
        (b"{", None),
        (b"[" * 10_000, None),
    ],
)
def test_a_state_inside_json(payload: bytes, on: bool | None) -> None:  # noqa: FBT001 (a column)
    options = actuator_kind("mqtt").options
    assert options(topic="t", state_key="output").read(payload) is on  # type: ignore[attr-defined]


def test_no_two_relays_are_one_client_of_a_broker() -> None:
    """Neither two loads, nor `edge check` beside the agent, nor a gateway with the longest of names."""
    gateway = "g" * 64
    long = msgspec.structs.replace(owner(), gateway=GatewayConfig(id=gateway, site="s", state_dir=Path("state")))
    names = {MqttRelay(long, "boiler", MqttRelayOptions(topic="t"))._client_id for _ in range(4)}
    assert len(names) == 4
    assert gateway not in names
