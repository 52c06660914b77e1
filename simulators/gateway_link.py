"""The MQTT session of one simulated gateway, driven from outside: no thread, no loop of its own.

Every connection is a new client object, so that only the gateway's log decides what is sent again.
"""

import socket
import ssl
from collections.abc import Sequence
from typing import Any, Final, Protocol

import msgspec
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from simulators.broker_address import BrokerAddress
from wattline.client_tls import client_context
from wattline.topics import Down, Up, down, up

_SESSION_EXPIRY_S: Final = 3600
_KEEPALIVE_S: Final = 30
_CONNECT_TIMEOUT_S: Final = 3.0
_UNSUPPORTED_VERSION: Final = 132
"""MQTT 5 reason code 0x84, which paho also gives for a 3.1.1 broker's answer."""
_MOST_READS: Final = 64


class Listener(Protocol):
    """What happens on a link; called from its `read`, `write` and `misc`."""

    def link_ready(self) -> None:
        """Connected and subscribed: send."""

    def link_lost(self, reason: str) -> None:
        """Not connected any more, or never was; the link is of no further use."""

    def published(self, mid: int, *, accepted: bool) -> None:
        """The broker has taken or refused a message."""

    def acknowledged(self, payload: bytes) -> None:
        """A message on the gateway's `down/ack`."""


class Dialect(msgspec.Struct):
    """The MQTT version that a fleet speaks; all gateways learn from the first that is understood.

    Attributes:
        version: What to try or to speak.
        fixed: Whether it is known or prescribed, and not to be changed.
    """

    version: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5
    fixed: bool = False

    def not_understood(self, version: MQTTProtocolVersion) -> None:
        """A connection with `version` was refused for it, or got no answer at all: try the other one."""
        if not self.fixed and self.version == version:
            v5 = version == MQTTProtocolVersion.MQTTv5
            self.version = MQTTProtocolVersion.MQTTv311 if v5 else MQTTProtocolVersion.MQTTv5


class GatewayLink:
    """One connection of one gateway.

    Args:
        gateway: Its id, also the client id.
        address: The broker.
        dialect: The MQTT version to speak.
        will: The retained status that the broker publishes when the connection breaks.
        listener: Told what happens.

    Attributes:
        version: The MQTT version of this connection.
    """

    def __init__(self, gateway: str, address: BrokerAddress, dialect: Dialect, will: bytes, listener: Listener) -> None:
        self.version = dialect.version
        self._gateway = gateway
        self._dialect = dialect
        self._connected = False
        self._answered = False
        self._address = address
        self._listener = listener
        self._over = False
        self._client = self._make_client(will)

    def connect(self) -> None:
        """Open the connection; blocks for the TCP (and TLS) handshake, at most a few seconds.

        Raises:
            OSError: The broker cannot be reached.
        """
        v5 = self.version == MQTTProtocolVersion.MQTTv5
        arguments: dict[str, Any] = {"clean_start": False, "properties": _session_expiry()} if v5 else {}
        self._client.connect(self._address.host, self._address.port, _KEEPALIVE_S, **arguments)
        self._connected = True
        sock = self._client.socket()
        if isinstance(sock, socket.socket):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def alive(self) -> bool:
        """Whether it may still be used."""
        return not self._over

    def fileno(self) -> int:
        """The socket's descriptor; -1 when there is none."""
        sock = self._client.socket()
        return -1 if sock is None else sock.fileno()

    def wants_write(self) -> bool:
        """Whether bytes wait for the socket to take them."""
        return self._client.want_write()

    def read(self) -> None:
        """Take what the socket has."""
        for _ in range(_MOST_READS):
            self._note(self._client.loop_read())
            sock = self._client.socket()
            # A TLS layer may hold bytes that the selector cannot see.
            if self._over or not isinstance(sock, ssl.SSLSocket) or not sock.pending():
                return

    def write(self) -> None:
        """Give the socket what waits."""
        self._note(self._client.loop_write())

    def misc(self) -> None:
        """Keep the session alive; call about once a second."""
        self._note(self._client.loop_misc())

    def publish(self, channel: Up, payload: bytes, *, retain: bool = False) -> int:
        """Send a message with QoS 1; returns its id on this connection."""
        return self._client.publish(up(self._gateway, channel), payload, qos=1, retain=retain).mid

    def close(self) -> None:
        """Say a proper goodbye: the broker drops the will."""
        self._over = True
        self._client.disconnect()
        self._drop()

    def give_up(self, reason: str) -> None:
        """Break the connection without a word, and tell the listener; the broker publishes the will."""
        self._lost(reason)

    def _drop(self) -> None:
        sock = self._client.socket()
        if sock is not None:
            sock.close()

    def _note(self, code: MQTTErrorCode) -> None:
        if code not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_AGAIN):
            self._lost(code.name.removeprefix("MQTT_ERR_").lower())

    def _lost(self, reason: str) -> None:
        if not self._over:
            self._over = True
            self._drop()
            if self._connected and not self._answered:
                # Brokers of 3.1.1 alone refuse, hang up or, in amqtt's way, keep silent.
                self._dialect.not_understood(self.version)
            self._listener.link_lost(reason)

    def _make_client(self, will: bytes) -> Client:
        version = self.version
        clean = None if version == MQTTProtocolVersion.MQTTv5 else False
        client = Client(CallbackAPIVersion.VERSION2, self._gateway, clean, protocol=version, reconnect_on_failure=False)
        client.connect_timeout = _CONNECT_TIMEOUT_S
        client.will_set(up(self._gateway, Up.STATUS), will, qos=1, retain=True)
        if self._address.username:
            name = self._address.username.replace("{gateway}", self._gateway)
            client.username_pw_set(name, self._address.password or None)
        if self._address.tls:
            client.tls_set_context(client_context(self._address.ca_file))
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        return client

    def _on_connect(
        self, client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, _properties: object
    ) -> None:
        self._answered = reason.value != _UNSUPPORTED_VERSION
        if reason.is_failure:
            self._lost(str(reason))
        else:
            self._dialect.fixed = True
            client.subscribe(down(self._gateway, Down.ACK), qos=1)

    def _on_subscribe(
        self, _client: Client, _data: object, _mid: int, reasons: Sequence[ReasonCode], _properties: object
    ) -> None:
        refused = [reason for reason in reasons if reason.is_failure]
        if refused:
            self._lost(f"subscription refused: {refused[0]}")
        else:
            self._listener.link_ready()

    def _on_disconnect(
        self, _client: Client, _data: object, _flags: DisconnectFlags, reason: ReasonCode, _properties: object
    ) -> None:
        self._lost(str(reason))

    def _on_publish(self, _client: Client, _data: object, mid: int, reason: ReasonCode, _properties: object) -> None:
        self._listener.published(mid, accepted=not reason.is_failure)

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        if message.topic == down(self._gateway, Down.ACK):  # a session may still hold what was once subscribed to
            self._listener.acknowledged(bytes(message.payload))


def _session_expiry() -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho has no annotation there
    properties.SessionExpiryInterval = _SESSION_EXPIRY_S
    return properties
