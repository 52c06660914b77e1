"""Plays ingest at a real broker: takes batches, remembers what was in them, and acknowledges as told."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from wattline import topics
from wattline.local_servers import LOOPBACK
from wattline.wire import Ack, Batch, Event, Status, decode_batch, decode_events, decode_status, encode

DEADLINE_S = 30.0
Key = tuple[str, str, int]


def wait_until(condition: Callable[[], object], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Poll until `condition` holds; fail with `what` otherwise."""
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {deadline_s} s: {what}"
        time.sleep(0.02)


class CloudStandIn:
    """A subscriber of everything gateways send.

    Attributes:
        batches: Every batch once, by (gateway, log, seq).
        copies: How often each came.
        arrivals: Channel and sequence number, in the order of arrival.
        acknowledging: Whether it sends `down/ack`.
        ignored: Sequence numbers of readings that are never acknowledged.
    """

    def __init__(self, port: int) -> None:
        self.batches: dict[Key, Batch] = {}
        self.copies: Counter[Key] = Counter()
        self.events: list[Event] = []
        self.statuses: list[Status] = []
        self.arrivals: list[tuple[str, int]] = []
        self.acknowledging = True
        self.ignored: set[int] = set()
        self._subscribed = threading.Event()
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id="cloud",
            protocol=MQTTProtocolVersion.MQTTv311,
            clean_session=False,
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: self._subscribe(client)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._take
        self._port = port

    def readings(self) -> set[tuple[str, int, str, float | None]]:
        """Every (meter, time, quantity, value) that arrived."""
        return {
            (frame.meter, t, name, value)
            for batch in list(self.batches.values())
            for frame in batch.frames
            for name, column in frame.q.items()
            for t, value in zip(frame.t, column, strict=True)
        }

    def state(self) -> str:
        """The last status: "online", "offline", or "" before any."""
        return self.statuses[-1].state if self.statuses else ""

    def acknowledge_all(self) -> None:
        """Acknowledge everything that ever arrived, and from now on."""
        self.acknowledging = True
        for gateway, log, seq in list(self.batches):
            self._ack(gateway, log, seq)

    def __enter__(self) -> Self:
        self._client.connect(LOOPBACK, self._port)
        self._client.loop_start()
        assert self._subscribed.wait(DEADLINE_S)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _subscribe(self, client: Client) -> None:
        client.subscribe("wattline/v1/+/up/#", qos=1)

    def _take(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        topic, payload = topics.parse_up(message.topic), bytes(message.payload)
        if topic.channel is topics.Up.STATUS:
            self.statuses.append(decode_status(payload, topic.gateway))
        elif topic.channel is topics.Up.READINGS:
            batch = decode_batch(payload, topic.gateway)
            self._note("readings", topic.gateway, batch.log, batch.seq)
            self.batches[topic.gateway, batch.log, batch.seq] = batch
        else:
            events = decode_events(payload, topic.gateway)
            self._note("events", topic.gateway, events.log, events.seq)
            self.events += events.events

    def _note(self, channel: str, gateway: str, log: str, seq: int) -> None:
        self.copies[gateway, log, seq] += 1
        self.arrivals.append((channel, seq))
        if self.acknowledging and not (channel == "readings" and seq in self.ignored):
            self._ack(gateway, log, seq)

    def _ack(self, gateway: str, log: str, seq: int) -> None:
        self._client.publish(topics.down(gateway, topics.Down.ACK), encode(Ack(log=log, seqs=[(seq, seq)])))
