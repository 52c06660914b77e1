"""One connection to the broker: paho-mqtt at the rim, our events and errors inside.

A `Connection` lives from connect to loss and is used by one thread. What the
broker says comes out of `pump` as values, so that no code of ours runs inside
a callback. A new connection is a new paho client: what was in flight is the
publisher's to resend, never paho's.
"""

import logging
import os
import select
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge_agent.config import BrokerConfig
from edge_agent.errors import PublishError
from wattline.client_tls import fit_client
from wattline.errors import ConfigError
from wattline.secret_file import read_secret

_log: Final = logging.getLogger("edge_agent.mqtt")

CONNECT_TIMEOUT_S: Final = 10.0
ANSWER_TIMEOUT_S: Final = 5.0
SESSION_EXPIRY_S: Final = 86_400
"""How long the broker keeps commands for an absent gateway; acknowledgements need no session."""

_UNSUPPORTED_VERSION: Final = 132
_FIRST_ERROR_CODE: Final = 128
_NO_MAXIMUM: Final = 65_535


@dataclass(frozen=True, slots=True)
class Puback:
    """The broker has a message; `refused` names its reason for not taking it."""

    mid: int
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Received:
    """A message from a subscription.

    Attributes:
        mid: Its number, for `Connection.settle`; 0 when nothing is expected.
        retained: Whether the broker had kept it from who knows when.
    """

    topic: str
    payload: bytes
    mid: int = 0
    retained: bool = False


@dataclass(frozen=True, slots=True)
class Retained:
    """A message the broker keeps for later subscribers: birth, death and Will."""

    topic: str
    payload: bytes


class VersionUnsupportedError(PublishError):
    """The broker does not speak this version of MQTT; another may do."""


class RefusedError(PublishError):
    """The broker does not let us read a topic; everything else goes on."""


class Wake:
    """Interrupts `Connection.pump` or a wait from another thread."""

    def __init__(self) -> None:
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        """For `select`."""
        return self._fd

    def set(self) -> None:
        """End the present or the next wait."""
        os.eventfd_write(self._fd, 1)

    def clear(self) -> None:
        """Forget what was set."""
        try:
            os.eventfd_read(self._fd)
        except BlockingIOError:
            return

    def wait(self, timeout_s: float) -> None:
        """Wait until `set`, at most `timeout_s`."""
        select.select([self._fd], [], [], timeout_s)
        self.clear()


class Connection:
    """One MQTT session on one TCP or TLS connection.

    Call order: `open`, then `pump` again and again, `publish` in between,
    `close`. After a `PublishError` only `close`.

    Attributes:
        version: "5" or "3.1.1".
        receive_maximum: So many messages may be on the way without a PUBACK.
    """

    def __init__(
        self, config: BrokerConfig, gateway: str, version: str, will: Retained | None = None, *, session: str = ""
    ) -> None:
        """Prepare a connection; nothing is sent yet.

        Args:
            config: Where, and with which proof.
            gateway: The client id, and the user name where none is given.
            version: "5" or "3.1.1".
            will: What the broker says for us when we vanish.
            session: Put after the client id, so that a try does not throw off the running agent.

        Raises:
            ConfigError: A certificate or the password cannot be read.
        """
        self.version = version
        self.receive_maximum = _NO_MAXIMUM
        self._config = config
        self._events: list[Puback | Received] = []
        self._connack: ReasonCode | None = None
        self._subacks: list[ReasonCode] = []
        self._lost = ""
        self._tls: _Tls | None = None
        self._trial = bool(session)
        self._client = self._make_client(gateway + session)
        self._set_credentials(self._client, gateway)
        if will is not None:
            self._client.will_set(will.topic, will.payload, qos=1, retain=True)

    def open(self) -> None:
        """Connect and wait for the broker's word.

        Raises:
            VersionUnsupportedError: The broker wants another version of MQTT.
            PublishError: It cannot be reached, does not answer or refuses us.
        """
        options: dict[str, Any] = {}
        if self.version == "5":
            options["properties"] = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            options["properties"].SessionExpiryInterval = 0 if self._trial else SESSION_EXPIRY_S
            options["clean_start"] = self._trial
        try:
            self._client.connect(self._config.host, self._config.port, int(self._config.keepalive.seconds), **options)
        except (OSError, ValueError) as error:  # TLS errors are OSErrors; ValueError is a host that IDNA cannot spell
            raise PublishError(f"{self._config.url}: {error}") from error
        self._await(lambda: self._connack is not None)
        self._judge_connack()

    def subscribe(self, topic: str) -> None:
        """Ask for a topic's messages, and wait for the broker's word.

        Raises:
            RefusedError: It refuses them.
            PublishError: It does not answer, or the connection is gone.
        """
        self._subacks.clear()
        self._client.subscribe(topic, qos=1)
        self._await(lambda: bool(self._subacks))
        if not self._subacks:
            raise PublishError(f"{self._config.url}: {self._lost or 'no answer to SUBSCRIBE'}")
        if self._subacks[0].is_failure:
            raise RefusedError(f"{self._config.url}: we may not read {topic}: {self._subacks[0]}")

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Send a message with QoS 1.

        Returns:
            Its number on this connection; `Puback.mid` is the same.
        """
        return self._client.publish(topic, payload, qos=1, retain=retain).mid

    def settle(self, message: Received) -> None:
        """Tell the broker that a message is dealt with; without it the message comes again on the next connection."""
        if message.mid:
            self._client.ack(message.mid, 1)

    def pump(self, timeout_s: float, wake: Wake | None = None) -> list[Puback | Received]:
        """Let the network work, for at most `timeout_s` when nothing happens.

        Raises:
            PublishError: The connection is gone; events of before come first.
        """
        self._network(timeout_s, wake)
        events, self._events = self._events, []
        if self._lost and not events:
            raise PublishError(f"{self._config.url}: {self._lost}")
        return events

    def close(self) -> None:
        """Say DISCONNECT where that is still possible; the Will is not sent then."""
        self._client.disconnect()
        self._drop()

    def abandon(self) -> None:
        """Let go without a word, as after a lost connection."""
        self._drop()

    def _drop(self) -> None:
        wrapped = self._tls.wrapped if self._tls else None
        for sock in (self._client.socket(), wrapped):
            if sock is not None:
                sock.close()

    def _await(self, answered: Callable[[], bool]) -> None:
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        while not answered() and not self._lost and time.monotonic() < deadline:
            self._network(0.2, None)

    def _network(self, timeout_s: float, wake: Wake | None) -> None:
        sock = self._client.socket()
        if sock is None:
            self._lost = self._lost or "the connection was closed"
            return
        reads: list[Any] = [sock] if wake is None else [sock, wake]
        pending = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
        try:
            readable, writable, _ = select.select(
                reads, [sock] if self._client.want_write() else [], [], 0 if pending else timeout_s
            )
        except (OSError, ValueError) as error:
            self._lost = self._lost or str(error)
            return
        if wake is not None and wake in readable:
            wake.clear()
        try:
            self._work(read=pending or sock in readable, write=bool(writable))
        except Exception as error:  # noqa: BLE001 (paho raises whatever it meets in bytes that are not MQTT)
            self._lost = self._lost or f"not MQTT: {type(error).__name__}: {error}"

    def _work(self, *, read: bool, write: bool) -> None:
        if read:
            self._client.loop_read()
        if write:
            self._client.loop_write()
        self._client.loop_misc()

    def _judge_connack(self) -> None:
        code = self._connack
        if code is None:
            why = self._lost or "no answer to CONNECT"
            # A broker that only knows an older version may just hang up, or (amqtt) say nothing.
            raise VersionUnsupportedError(f"{self._config.url}: {why}")
        if code.value == _UNSUPPORTED_VERSION:
            raise VersionUnsupportedError(f"{self._config.url}: {code}")
        if code.is_failure:
            raise PublishError(f"{self._config.url}: refused: {code}")

    def _make_client(self, client_id: str) -> Client:
        five = self.version == "5"
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
            clean_session=None if five else self._trial,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(0)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_socket_open = _no_delay
        return client

    def _set_credentials(self, client: Client, gateway: str) -> None:
        config = self._config
        if config.password_file or config.username:
            password = read_secret(config.password_file) if config.password_file else None
            client.username_pw_set(config.username or gateway, password)
        if config.tls:
            try:
                self._tls = _tls_context(config)
            except (OSError, ValueError) as error:
                raise ConfigError("broker", f"the certificates cannot be used: {error}") from error
            client.tls_set_context(self._tls)

    def _on_connect(self, _c: Client, _d: object, _f: ConnectFlags, code: ReasonCode, props: Properties | None) -> None:
        self._connack = code
        self.receive_maximum = int(getattr(props, "ReceiveMaximum", _NO_MAXIMUM))

    def _on_disconnect(self, _c: Client, _d: object, _f: DisconnectFlags, code: ReasonCode, _p: object) -> None:
        self._lost = str(code)

    def _on_subscribe(self, _c: Client, _d: object, _mid: int, codes: list[ReasonCode], _p: object) -> None:
        self._subacks += codes

    def _on_publish(self, _c: Client, _d: object, mid: int, code: ReasonCode, _p: object) -> None:
        self._events.append(Puback(mid, str(code) if code.value >= _FIRST_ERROR_CODE else ""))

    def _on_message(self, _c: Client, _d: object, message: MQTTMessage) -> None:
        mid = message.mid if message.qos else 0
        self._events.append(Received(message.topic, bytes(message.payload), mid, retained=message.retain))


class _Tls(ssl.SSLContext):
    """Certificates and host names are always checked; there is no way to turn that off.

    It remembers its socket: paho forgets to close it when the handshake fails.
    """

    wrapped: ssl.SSLSocket | None = None

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:  # noqa: ANN401 (passed on)
        self.wrapped = super().wrap_socket(*args, **options)
        return self.wrapped


def _tls_context(config: BrokerConfig) -> _Tls:
    return fit_client(_Tls(ssl.PROTOCOL_TLS_CLIENT), config.ca_file, config.cert_file, config.key_file)


def _no_delay(_client: Client, _data: object, sock: Any) -> None:  # noqa: ANN401 (paho's own type is a union it does not export)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        _log.debug("no_delay error=%s", error)
