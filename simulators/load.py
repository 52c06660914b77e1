"""A lean load: readings payloads that are made beforehand and pushed through a few plain MQTT 3.1.1 connections.

For benchmarks, where the publisher's processor time counts against what is measured. It acts for many gateways over few
connections, looks at PUBACKs only, never sends again and gives up at the first problem; use `simulators.fleet` for
gateways that behave.
"""

import selectors
import socket
import time
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import numpy as np

from simulators.errors import LoadError
from simulators.profiles import MeterTable, Profiles, draw_profiles, frames_of, meter_table, values_at
from simulators.randomness import IntArray
from wattline import wire
from wattline.topics import Up, up

_CONNECT_TIMEOUT_S: Final = 5.0
_ANSWER_TIMEOUT_S: Final = 60.0
_CONNACK: Final = b"\x20\x02"
_CONNACK_BYTES: Final = 4
_PUBACK: Final = 0x40
_PUBACK_BYTES: Final = 4
_PUBLISH_QOS_1: Final = b"\x32"
_LARGEST_ID: Final = 65_535
_MOST_AT_ONCE: Final = 256 * 1024
_LENGTH_BASE: Final = 128


class LoadPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to prepare.

    Attributes:
        gateways: How many gateways; their batches take turns.
        meters: Meters at each.
        times: Readings of every meter in one message: a message holds `meters * times` readings.
        messages: Messages of each gateway.
        start_ms: The time of the first reading.
        interval_ms: Time between the readings of a meter.
        seed: Decides every value.
        prefix: Start of every id.
    """

    gateways: int
    meters: int
    times: int
    messages: int
    start_ms: int
    interval_ms: int = 1000
    seed: int = 1
    prefix: str = "load"


class PreparedMessage(msgspec.Struct, frozen=True):
    """One PUBLISH packet without its packet id, which goes between the two parts.

    Attributes:
        readings: How many readings it holds.
    """

    head: bytes
    tail: bytes
    readings: int


class LoadResult(msgspec.Struct, frozen=True):
    """What was published.

    Attributes:
        sent_ns: When each message was handed to the network, by `time.time_ns`, in the order of the messages.
        last_puback_ns: When the broker had taken the last one.
    """

    messages: int
    readings: int
    bytes_sent: int
    seconds: float
    sent_ns: list[int]
    last_puback_ns: int


def prepare(plan: LoadPlan) -> list[PreparedMessage]:
    """Make all messages, ordered by time and then by gateway; about 60 bytes a reading in memory."""
    profiles = draw_profiles(plan.seed)
    gateways = [f"{plan.prefix}-{index + 1:04d}" for index in range(plan.gateways)]
    tables = [
        meter_table(plan.seed, tuple(f"{gateway}-{meter + 1:03d}" for meter in range(plan.meters)))
        for gateway in gateways
    ]
    logs = [str(uuid.uuid4()) for _ in gateways]
    messages = []
    for number in range(plan.messages):
        first_ms = plan.start_ms + number * plan.times * plan.interval_ms
        t_ms = first_ms + np.arange(plan.times, dtype=np.int64) * plan.interval_ms
        for gateway, meters, log in zip(gateways, tables, logs, strict=True):
            messages.append(_message(gateway, log, number + 1, profiles, meters, t_ms))
    return messages


def publish(
    url_host: str,
    port: int,
    messages: Sequence[PreparedMessage],
    *,
    connections: int = 2,
    window: int = 200,
    messages_per_s: float = 0.0,
) -> LoadResult:
    """Push the messages through the broker.

    Args:
        url_host: The broker's host.
        port: Its port; no TLS, no login.
        messages: What `prepare` made. A gateway's messages keep their order: message k of the list goes
            over connection `k % connections`, so take a number of gateways that `connections` divides.
        connections: How many to share the messages among.
        window: The most messages without PUBACK on one connection.
        messages_per_s: The pace, evenly spread; 0 is as fast as the broker takes them.

    Returns:
        What was sent, once the broker has taken all of it.

    Raises:
        LoadError: The broker cannot be reached, refuses, closes, or takes nothing for a minute.
    """
    try:
        lanes = [_Lane(url_host, port, messages[k::connections], window) for k in range(connections)]
        try:
            return _push(lanes, messages_per_s)
        finally:
            for lane in lanes:
                lane.close()
    except OSError as error:
        raise LoadError(f"the broker at {url_host}:{port} cannot be used: {error}") from None


class _Lane:
    """One connection: a window of packets on their way, the rest waiting."""

    def __init__(self, host: str, port: int, messages: Sequence[PreparedMessage], window: int) -> None:
        self._socket = _open(host, port)
        self._socket.settimeout(0)
        self._messages = messages
        self._window = window
        self._buffer = memoryview(b"")
        self._rest = b""
        self._last_id = 0
        self.sent_ns: list[int] = []
        self.acked = 0
        self.bytes_sent = 0
        self.last_puback_ns = 0

    @property
    def done(self) -> bool:
        """Whether the broker has taken everything."""
        return self.acked == len(self._messages)

    @property
    def readings(self) -> int:
        """How many readings its messages hold."""
        return sum(message.readings for message in self._messages)

    def fileno(self) -> int:
        return self._socket.fileno()

    def may_send(self, released: int) -> bool:
        """Whether there are bytes to write, when the first `released` messages may be on their way."""
        return bool(self._buffer) or self._next_count(released) > 0

    def write(self, released: int) -> None:
        if not self._buffer:
            self._buffer = memoryview(self._fill(self._next_count(released)))
        try:
            taken = self._socket.send(self._buffer)
        except BlockingIOError:
            return
        self.bytes_sent += taken
        self._buffer = self._buffer[taken:]

    def read(self) -> None:
        data = self._socket.recv(65_536)
        if not data:
            raise LoadError("the broker closed the connection")
        data = self._rest + data
        whole = len(data) // _PUBACK_BYTES * _PUBACK_BYTES
        # PUBACK is the only packet that a client without subscriptions and shorter-lived than its keep-alive gets.
        if any(kind != _PUBACK for kind in data[0:whole:_PUBACK_BYTES]):
            raise LoadError(f"the broker answers with something else than PUBACK: {data[:8].hex()}")
        self._rest = data[whole:]
        self.acked += whole // _PUBACK_BYTES
        self.last_puback_ns = time.time_ns()

    def close(self) -> None:
        with self._socket:
            if not self._buffer:
                self._socket.send(b"\xe0\x00")

    def _next_count(self, released: int) -> int:
        room = self._window - (len(self.sent_ns) - self.acked)
        return max(min(room, released - len(self.sent_ns), len(self._messages) - len(self.sent_ns)), 0)

    def _fill(self, count: int) -> bytes:
        """Join the next packets, `count` of them or 256 KiB."""
        parts: list[bytes] = []
        size, first = 0, len(self.sent_ns)
        for message in self._messages[first : first + count]:
            self._last_id = self._last_id % _LARGEST_ID + 1
            parts += (message.head, self._last_id.to_bytes(2, "big"), message.tail)
            size += len(message.head) + 2 + len(message.tail)
            self.sent_ns.append(time.time_ns())
            if size >= _MOST_AT_ONCE:
                break
        return b"".join(parts)


def _push(lanes: Sequence[_Lane], messages_per_s: float) -> LoadResult:
    start = time.perf_counter()
    deadline = start + _ANSWER_TIMEOUT_S
    acked = 0
    per_lane_s = messages_per_s / len(lanes)
    with selectors.DefaultSelector() as selector:
        for lane in lanes:
            selector.register(lane, selectors.EVENT_READ | selectors.EVENT_WRITE, lane)
        while not all(lane.done for lane in lanes):
            now = time.perf_counter()
            released = int((now - start) * per_lane_s) + 1 if messages_per_s else _LARGEST_ID**2
            _turn(selector, lanes, released, 1 / per_lane_s if messages_per_s else 1.0)
            if sum(lane.acked for lane in lanes) > acked:
                acked, deadline = sum(lane.acked for lane in lanes), now + _ANSWER_TIMEOUT_S
            if now > deadline:
                raise LoadError(f"the broker took nothing for {_ANSWER_TIMEOUT_S:.0f} s")
    return _result(lanes, time.perf_counter() - start)


def _turn(selector: selectors.BaseSelector, lanes: Sequence[_Lane], released: int, wait_s: float) -> None:
    for lane in lanes:
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if lane.may_send(released) else 0)
        if selector.get_key(lane).events != wanted:
            selector.modify(lane, wanted, lane)
    for key, events in selector.select(min(wait_s, 1.0)):
        ready: _Lane = key.data
        if events & selectors.EVENT_READ:
            ready.read()
        if events & selectors.EVENT_WRITE and ready.may_send(released):
            ready.write(released)


def _result(lanes: Sequence[_Lane], seconds: float) -> LoadResult:
    return LoadResult(
        messages=sum(len(lane.sent_ns) for lane in lanes),
        readings=sum(lane.readings for lane in lanes),
        bytes_sent=sum(lane.bytes_sent for lane in lanes),
        seconds=seconds,
        sent_ns=list(_interleave([lane.sent_ns for lane in lanes])),
        last_puback_ns=max(lane.last_puback_ns for lane in lanes),
    )


def _interleave(columns: Sequence[Sequence[int]]) -> Iterator[int]:
    """Undo the sharing out of the messages among the lanes."""
    queues = [deque(column) for column in columns]
    while queues and queues[0]:
        for queue in queues:
            if queue:
                yield queue.popleft()


def _message(
    gateway: str, log: str, seq: int, profiles: Profiles, meters: MeterTable, t_ms: IntArray
) -> PreparedMessage:
    frames = frames_of(meters, t_ms, values_at(profiles, meters, t_ms))
    batch = wire.Batch(v=wire.VERSION, gateway=gateway, site=f"{gateway}-site", log=log, seq=seq, frames=frames)
    payload = wire.encode(batch)
    topic = up(gateway, Up.READINGS).encode()
    length = _remaining_length(2 + len(topic) + 2 + len(payload))
    head = _PUBLISH_QOS_1 + length + len(topic).to_bytes(2, "big") + topic
    return PreparedMessage(head, payload, len(t_ms) * len(meters.ids))


def _remaining_length(length: int) -> bytes:
    """MQTT's variable-length integer (MQTT 3.1.1, section 2.2.3)."""
    encoded = bytearray()
    while True:
        length, low = divmod(length, _LENGTH_BASE)
        encoded.append(low | (_LENGTH_BASE if length else 0))
        if not length:
            return bytes(encoded)


def _open(host: str, port: int) -> socket.socket:
    """Connect and log in with a clean session and no keep-alive."""
    sock = socket.create_connection((host, port), timeout=_CONNECT_TIMEOUT_S)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _log_in(sock)
    except BaseException:
        sock.close()
        raise
    return sock


def _log_in(sock: socket.socket) -> None:
    client = f"wattline-load-{uuid.uuid4().hex[:12]}".encode()
    body = b"\x00\x04MQTT\x04\x02\x00\x00" + len(client).to_bytes(2, "big") + client
    sock.sendall(b"\x10" + _remaining_length(len(body)) + body)
    answer = b""
    while len(answer) < _CONNACK_BYTES:
        part = sock.recv(_CONNACK_BYTES - len(answer))
        if not part:
            raise LoadError("the broker closes the connection")
        answer += part
    if not answer.startswith(_CONNACK) or answer[3]:
        raise LoadError(f"the broker refuses the connection: {answer.hex()}")
