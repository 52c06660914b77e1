"""A relay that listens to an MQTT topic: Tasmota, Shelly, zigbee2mqtt, ESPHome, or what somebody has built.

```toml
[load.options]                                  # Tasmota
url = "mqtt://192.168.1.20"
topic = "cmnd/boiler/POWER"
state_topic = "stat/boiler/POWER"
query_topic = "cmnd/boiler/POWER"

[load.options]                                  # Shelly of the second generation and later
topic = "shelly-boiler/command/switch:0"
payload_on = "on"
payload_off = "off"
state_topic = "shelly-boiler/status/switch:0"
state_key = "output"
```

Without `url` it is the broker of the agent itself.
"""

import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from edge_agent.config import AgentConfig
from edge_agent.errors import ActuatorError
from wattline.broker_url import parse_broker_url
from wattline.client_tls import client_context
from wattline.config import DurationMs
from wattline.errors import ConfigError
from wattline.secret_file import read_secret

MAX_STATE_BYTES: Final = 16 * 1024
_KEEPALIVE_S: Final = 30
_MIN_TIMEOUT_MS: Final = 100
_MAX_TIMEOUT_MS: Final = 30_000


class MqttRelayOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `[load.options]` of an `mqtt` relay.

    Attributes:
        url: `mqtt://host[:port]` or `mqtts://..`; "" is the agent's own broker, with its user and certificates.
        topic: Where orders go.
        state_topic: Where the relay says where it is; without it an order counts as done once the broker has it.
        state_on: What it says there when it is on; "" is `payload_on`. state_off: and off.
        state_key: The key of the state in a JSON object; "" when the payload is the state.
        query_topic: Where `query_payload` makes the relay say where it is; "" when it does so by itself.
        timeout: Of each answer of broker or relay.
    """

    topic: str
    url: str = ""
    username: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    payload_on: str = "ON"
    payload_off: str = "OFF"
    state_topic: str = ""
    state_on: str = ""
    state_off: str = ""
    state_key: str = ""
    query_topic: str = ""
    query_payload: str = ""
    timeout: DurationMs = DurationMs(5_000)

    def __post_init__(self) -> None:
        """Refuse what no broker takes.

        Raises:
            ValueError: The text says what.
        """
        if not self.topic or any(mark in self.topic + self.query_topic for mark in "+#\0"):
            raise ValueError("topic and query_topic: one topic each, without + and #")
        if self.query_topic and not self.state_topic:
            raise ValueError("query_topic needs a state_topic, where the answer comes")
        if self.payload_on == self.payload_off:
            raise ValueError("payload_on and payload_off must differ")
        if not _MIN_TIMEOUT_MS <= self.timeout <= _MAX_TIMEOUT_MS:
            raise ValueError('timeout: expected "100ms" to "30s"')
        if self.url:
            try:
                parse_broker_url(self.url, "url")
            except ConfigError as error:
                raise ValueError(str(error)) from None

    def read(self, payload: bytes) -> bool | None:
        """What a state message says; None for anything else."""
        if len(payload) > MAX_STATE_BYTES:
            return None
        text = payload.decode("utf-8", "replace").strip()
        if self.state_key:
            try:
                value = msgspec.json.decode(payload)[self.state_key]
            except (msgspec.DecodeError, KeyError, TypeError, ValueError, RecursionError):
                return None
            if isinstance(value, bool):
                return value
            text = str(value)
        words = {self.state_on or self.payload_on: True, self.state_off or self.payload_off: False}
        return words.get(text)


class MqttRelay:
    """Keeps one connection, and makes a new one at the next call after it was lost."""

    def __init__(self, owner: AgentConfig, load: str, options: MqttRelayOptions) -> None:  # noqa: ARG002 (as every actuator)
        """Prepare; nothing is sent yet.

        Args:
            owner: Whose broker it is, when the options name none.
            load: The load's id.
            options: Where the relay listens.
        """
        self._owner = owner
        self._options = options
        # Of its own: neither `edge check` nor a load with a long name may throw it off, nor it the gateway.
        self._client_id = f"{owner.gateway.id[:24]}-relay-{secrets.token_hex(6)}"
        self._client: Client | None = None
        self._news = threading.Condition()
        self._connack: ReasonCode | None = None
        self._suback: ReasonCode | None = None
        self._lost = ""
        self._on: bool | None = None
        self._heard = 0

    def set(self, on: bool) -> None:  # noqa: FBT001 (the port's)
        """Send the order and wait for the relay's word, or where it has none, the broker's."""
        client = self._connected()
        options, heard = self._options, self._heard
        self._publish(client, options.topic, options.payload_on if on else options.payload_off)
        if not options.state_topic:
            self._on = on
            return
        if options.query_topic:
            self._publish(client, options.query_topic, options.query_payload)
        # A relay that is there already may not say so again.
        self._await(lambda: self._on is on, "no word of the relay" if self._heard == heard else "it stays where it was")

    def state(self) -> bool | None:
        """The relay's last word on this connection; asked for, where it can be."""
        client = self._connected()
        if self._options.query_topic:
            heard = self._heard
            self._publish(client, self._options.query_topic, self._options.query_payload)
            self._await(lambda: self._heard > heard, "no word of the relay")
        return self._on

    def close(self) -> None:
        """Say goodbye."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(OSError, ValueError):
                client.disconnect()
            client.loop_stop()

    def _connected(self) -> Client:
        if self._client is not None and not self._lost:
            return self._client
        self.close()
        self._connack, self._suback, self._lost = None, None, ""
        if self._options.state_topic:
            self._on = None
        client, host, port = self._new_client()
        try:
            client.connect(host, port, _KEEPALIVE_S)
        except (OSError, ValueError) as error:
            raise ActuatorError(f"{host}:{port}: {error}") from error
        self._client = client
        client.loop_start()
        try:
            self._greet(client, f"{host}:{port}")
        except ActuatorError:
            self.close()
            raise
        return client

    def _greet(self, client: Client, where: str) -> None:
        self._await(lambda: self._connack is not None, f"{where}: no answer to CONNECT")
        if self._connack is not None and self._connack.is_failure:
            raise ActuatorError(f"{where}: refused: {self._connack}")
        if not self._options.state_topic:
            return
        client.subscribe(self._options.state_topic, qos=1)
        self._await(lambda: self._suback is not None, f"{where}: no answer to SUBSCRIBE")
        if self._suback is not None and self._suback.is_failure:
            raise ActuatorError(f"{where}: we may not read {self._options.state_topic}: {self._suback}")

    def _publish(self, client: Client, topic: str, payload: str) -> None:
        # With QoS 1 a broker would keep an order for a relay that is away, and hand it over hours later.
        qos = 0 if self._options.state_topic else 1
        sent = client.publish(topic, payload.encode(), qos=qos)
        if sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._lost = self._lost or f"not sent: {sent.rc}"
            raise ActuatorError(self._lost)
        # What the broker did not get now must not be sent again later: the next call starts with a new client.
        self._await(sent.is_published, "the broker does not acknowledge")

    def _await(self, answered: Callable[[], bool], problem: str) -> None:
        deadline = time.monotonic() + self._options.timeout.seconds
        with self._news:
            while not answered():
                left_s = deadline - time.monotonic()
                if self._lost or left_s <= 0:
                    if not self._lost and problem.startswith("the broker"):
                        self._lost = problem
                    raise ActuatorError(self._lost or problem)
                self._news.wait(left_s)

    def _new_client(self) -> tuple[Client, str, int]:
        options, broker = self._options, self._owner.broker
        own = options if options.url else broker
        place = parse_broker_url(own.url)
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            protocol=MQTTProtocolVersion.MQTTv311,
            clean_session=True,
            reconnect_on_failure=False,
        )
        client.connect_timeout = options.timeout.seconds
        try:
            if own.password_file or own.username:
                password = read_secret(own.password_file) if own.password_file else None
                client.username_pw_set(own.username or self._owner.gateway.id, password)
            if place.tls:
                client.tls_set_context(client_context(own.ca_file, own.cert_file, own.key_file))
        except (ConfigError, OSError, ValueError) as error:
            raise ActuatorError(str(error)) from error
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_publish = lambda *_: self._notify()
        client.on_message = self._on_message
        return client, place.host, place.port

    # ---- called by the client's own thread

    def _notify(self) -> None:
        with self._news:
            self._news.notify_all()

    def _on_connect(self, _c: Client, _d: object, _f: ConnectFlags, code: ReasonCode, _p: object) -> None:
        self._connack = code
        self._notify()

    def _on_disconnect(self, client: Client, _d: object, _f: DisconnectFlags, code: ReasonCode, _p: object) -> None:
        if client is self._client:
            self._lost = self._lost or f"the broker is gone: {code}"
        self._notify()

    def _on_subscribe(self, _c: Client, _d: object, _mid: int, codes: list[ReasonCode], _p: object) -> None:
        self._suback = codes[0]
        self._notify()

    def _on_message(self, client: Client, _d: object, message: MQTTMessage) -> None:
        on = self._options.read(bytes(message.payload))
        if client is self._client and on is not None:
            self._on = on
            self._heard += 1
            self._notify()


OPTIONS: Final = MqttRelayOptions
ACTUATOR: Final = MqttRelay
