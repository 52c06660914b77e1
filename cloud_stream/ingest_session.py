"""The MQTT session of ingest.

One thread runs the session's own network loop; everything paho does happens there. The writer's thread hands over
acknowledgements, and wakes the loop with an eventfd.

A connection has a generation. An acknowledgement that belongs to an older one is dropped: after a restart of the broker
its message id may already name a message that is not in the journal.
"""

import logging
import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from cloud_stream.broker_client import GREETING_TIMEOUT_S, make_client
from cloud_stream.config import BrokerConfig
from cloud_stream.inbox import Inbox, Incoming
from cloud_stream.metrics import IngestCounters
from wattline.backoff import Backoff
from wattline.topics import Down, Up, down, up_filter
from wattline.wire import Ack, encode

_log: Final = logging.getLogger("cloud_stream.ingest")
KEEPALIVE_S: Final = 30
FIRST_RETRY_S: Final = 0.2
LONGEST_RETRY_S: Final = 20.0
SESSION_EXPIRY_S: Final = 7 * 86_400
RECEIVE_MAXIMUM: Final = 2000
MAX_PACKET_BYTES: Final = 8 << 20
"""Larger ones are dropped by an MQTT 5 broker: no memory of ours is theirs to fill."""
MAX_OUTGOING: Final = 10_000
"""Groups of replies that wait for the network; more are dropped, for everybody resends."""
_TICK_S: Final = 0.5
_BURST: Final = 200
_CHANNELS: Final = (Up.READINGS, Up.EVENTS, Up.STATUS, Up.MODEL)
_UNSUPPORTED: Final = "Unsupported protocol version"
_SILENT: Final = "The broker does not answer CONNECT"
_Reply = Callable[[], None]


class BrokerSession:
    """A session that comes back by itself until it is closed.

    Call order: `run` in one thread; from any other `puback` and `tell`, `stop` to read no more (it may be called by a
    signal handler), and `close` once the last replies were handed over, which ends `run`.

    Attributes:
        stopping: Set once nothing more will be put into the inbox.
    """

    def __init__(self, config: BrokerConfig, inbox: Inbox, counters: IngestCounters) -> None:
        """Prepare the session; nothing is sent yet.

        Raises:
            ConfigError: A secret or certificate cannot be used.
        """
        self.stopping = threading.Event()
        self._config = config
        self._address = config.address
        self._inbox = inbox
        self._counters = counters
        self._generation = 0
        self._session_present = False
        self._received = 0
        self._outgoing: deque[_Reply] = deque(maxlen=MAX_OUTGOING)
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._stop_asked = False
        self._close_asked = False
        self._refusal = ""
        self._greeted = False
        self._settled = config.protocol != "auto"
        self._backoff = Backoff(FIRST_RETRY_S, LONGEST_RETRY_S)
        self._client = self._new_client(
            MQTTProtocolVersion.MQTTv311 if config.protocol == "3.1.1" else MQTTProtocolVersion.MQTTv5
        )

    def run(self) -> None:
        """Connect, read and reply until `close`; then say goodbye (a persistent session stays at the broker)."""
        try:
            while not self._close_asked:
                if self._connect():
                    self._serve()
                if not self._close_asked:
                    self._wait(self._backoff.next_s())
            self._say_goodbye()
        finally:
            self.stopping.set()
            os.close(self._wake_fd)
            self._wake_fd = -1

    def stop(self) -> None:
        """Read no more; `stopping` tells when that is so."""
        self._stop_asked = True
        self._wake()

    def close(self) -> None:
        """End `run` after sending what was handed over."""
        self._close_asked = True
        self._wake()

    def puback(self, deliveries: Sequence[tuple[int, int]]) -> None:
        """Acknowledge messages to the broker; those of an older connection are dropped."""
        self._hand_over(lambda: self._send_pubacks(deliveries))

    def tell(self, acks: Sequence[tuple[str, Ack]]) -> None:
        """Send end-to-end acknowledgements to gateways."""
        self._hand_over(lambda: self._send_acks(acks))

    # ---- everything below runs in the thread of `run`, but for `_hand_over` and `_wake`

    def _hand_over(self, reply: _Reply) -> None:
        self._outgoing.append(reply)
        self._wake()

    def _wake(self) -> None:
        if self._wake_fd >= 0:
            os.eventfd_write(self._wake_fd, 1)

    def _new_client(self, protocol: MQTTProtocolVersion) -> Client:
        config = self._config
        is_v5 = protocol == MQTTProtocolVersion.MQTTv5
        shared = bool(config.shared_group)
        client = make_client(config, config.client_id, protocol, clean_session=shared, manual_ack=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        properties = _connect_properties(config) if is_v5 else None
        client.connect_async(
            self._address.host, self._address.port, KEEPALIVE_S, clean_start=shared, properties=properties
        )
        return client

    def _connect(self) -> bool:
        if self._refusal in (_UNSUPPORTED, _SILENT) and not self._settled:
            self._try_other_protocol()
        self._refusal = ""
        self._greeted = False
        try:
            self._client.reconnect()
        except OSError as error:
            self._note_lost(str(error))
            return False
        self._set_tcp_option(socket.TCP_NODELAY, 1)
        return True

    def _try_other_protocol(self) -> None:
        to_v5 = self._client.protocol != MQTTProtocolVersion.MQTTv5
        _log.info("ingest_tries protocol=%s", "5" if to_v5 else "3.1.1")
        self._client = self._new_client(MQTTProtocolVersion.MQTTv5 if to_v5 else MQTTProtocolVersion.MQTTv311)

    def _serve(self) -> None:
        """One connection, from CONNECT to its end."""
        give_up_at = time.monotonic() + GREETING_TIMEOUT_S
        while not self._close_asked:
            sock = self._client.socket()
            if sock is None:
                return
            if not self._greeted and time.monotonic() > give_up_at:
                self._refusal = _SILENT
                self._client.disconnect()
                return
            self._serve_once(sock)

    def _serve_once(self, sock: Any) -> None:  # noqa: ANN401 (a socket, a TLS socket, or what paho puts in its place)
        self._notice_stop()
        reading = not self._inbox.full and not self.stopping.is_set()
        buffered = reading and hasattr(sock, "pending") and sock.pending() > 0
        readers = [self._wake_fd, sock] if reading else [self._wake_fd]
        writers = [sock] if self._client.want_write() else []
        ready, writable, _ = select.select(readers, writers, [], 0 if buffered else _TICK_S)
        if self._wake_fd in ready:
            os.eventfd_read(self._wake_fd)
            self._send_outgoing()
        if sock in ready or buffered:
            self._read_burst()
        if writable:
            self._client.loop_write()
        self._client.loop_misc()

    def _read_burst(self) -> None:
        """Read packets for as long as each is a message: saves a `select` for most of them."""
        for _ in range(_BURST):
            before = self._received
            code = self._client.loop_read()
            if code != MQTTErrorCode.MQTT_ERR_SUCCESS or self._received == before or self._inbox.full:
                return

    def _notice_stop(self) -> None:
        if self._stop_asked and not self.stopping.is_set():
            if self._config.shared_group and self._client.is_connected():
                self._client.unsubscribe(self._filters())
            self.stopping.set()

    def _send_outgoing(self) -> None:
        """Send all replies that wait, in as few segments as the kernel can make of them."""
        if not self._outgoing:
            return
        self._set_tcp_option(socket.TCP_CORK, 1)
        while self._outgoing:
            self._outgoing.popleft()()
        self._set_tcp_option(socket.TCP_CORK, 0)

    def _set_tcp_option(self, option: int, value: int) -> None:
        sock: Any = self._client.socket()
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)

    def _send_pubacks(self, deliveries: Sequence[tuple[int, int]]) -> None:
        stale = 0
        for generation, mid in deliveries:
            if generation == self._generation and self._client.is_connected():
                self._client.ack(mid, 1)
            else:
                stale += 1
        self._counters.stale_acks.inc(stale)

    def _send_acks(self, acks: Sequence[tuple[str, Ack]]) -> None:
        for gateway, ack in acks:
            self._client.publish(down(gateway, Down.ACK), encode(ack), qos=0)

    def _say_goodbye(self) -> None:
        self._send_outgoing()
        self._client.disconnect()
        for _ in range(100):
            sock = self._client.socket()
            if sock is None or not self._client.want_write():
                break
            select.select([], [sock], [], 0.1)
            self._client.loop_write()

    def _wait(self, seconds: float) -> None:
        """Wait before the next attempt, not longer than until `close`; replies to nobody are dropped."""
        self._notice_stop()
        if not self._close_asked:
            ready, _, _ = select.select([self._wake_fd], [], [], seconds)
            if ready:
                os.eventfd_read(self._wake_fd)
        self._outgoing.clear()

    def _filters(self) -> list[str]:
        group = self._config.shared_group
        prefix = f"$share/{group}/" if group else ""
        return [prefix + up_filter(channel) for channel in _CHANNELS]

    def _on_connect(self, client: Client, _: object, flags: ConnectFlags, reason: ReasonCode, __: object) -> None:
        self._greeted = True
        if reason.is_failure:
            self._refusal = str(reason)
            return
        self._settled = True
        self._generation += 1
        self._session_present = flags.session_present
        if client.protocol == MQTTProtocolVersion.MQTTv5:
            # A retained message comes once per subscription, not once per connection.
            keep = SubscribeOptions.RETAIN_SEND_IF_NEW_SUB
            options = SubscribeOptions(qos=1, retainHandling=keep)
            client.subscribe([(topic, options) for topic in self._filters()])
        else:
            client.subscribe([(topic, 1) for topic in self._filters()])

    def _on_subscribe(self, client: Client, _: object, __: int, reasons: list[ReasonCode], ___: object) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            _log.error("ingest_subscription_refused reason=%s", refused[0])
            client.disconnect()
            return
        self._backoff.reset()
        self._counters.connections.inc()
        self._counters.connected.set(1)
        _log.info("ingest_connected generation=%d session_present=%s", self._generation, self._session_present)

    def _on_disconnect(self, _: Client, __: object, ___: DisconnectFlags, reason: ReasonCode, ____: object) -> None:
        self._counters.connected.set(0)
        if not self._close_asked:
            self._note_lost(self._refusal or str(reason))

    def _note_lost(self, problem: str) -> None:
        self._counters.connection_failures.inc()
        if self._backoff.attempts == 0:
            _log.warning("ingest_disconnected broker=%s:%d problem=%s", self._address.host, self._address.port, problem)

    def _on_message(self, _: Client, __: object, message: MQTTMessage) -> None:
        self._received += 1
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "not UTF-8"
        self._inbox.put(Incoming(self._generation, message.mid if message.qos else 0, topic, bytes(message.payload)))


def _connect_properties(config: BrokerConfig) -> Any:  # noqa: ANN401 (paho's properties have no types)
    properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    # A member of a shared subscription that is away must get nothing: the broker would park half the messages for it.
    properties.SessionExpiryInterval = 0 if config.shared_group else SESSION_EXPIRY_S
    properties.ReceiveMaximum = RECEIVE_MAXIMUM
    properties.MaximumPacketSize = MAX_PACKET_BYTES
    return properties
