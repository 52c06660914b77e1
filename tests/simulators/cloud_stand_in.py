"""A subscriber in the cloud's place: keeps every message and acknowledges batches, unless told otherwise."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from wattline import wire
from wattline.topics import Down, Up, down, parse_up, up_filter

DEADLINE_S = 30.0


class CloudStandIn:
    """Thread-safe by one lock.

    Args:
        port: The broker's, on the loopback address.
        acknowledges: Whether to acknowledge a batch when it comes for the n-th time.
    """

    def __init__(self, port: int, acknowledges: Callable[[wire.Batch, int], bool] = lambda _batch, _nth: True) -> None:
        self._acknowledges = acknowledges
        self._lock = threading.Condition()
        self._seen: dict[tuple[str, str, int], int] = {}
        self._batches: list[wire.Batch] = []
        self._statuses: list[wire.Status] = []
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, "cloud")
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)

    def start(self) -> None:
        self._client.loop_start()
        assert self._subscribed.wait(DEADLINE_S)

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def batches(self) -> list[wire.Batch]:
        """Every batch as often as it came."""
        with self._lock:
            return list(self._batches)

    def rows(self) -> set[tuple[str, str, str, int, float, float]]:
        """The distinct readings: gateway, site, meter, time, power, register."""
        return {
            (batch.gateway, batch.site, frame.meter, t_ms, float(power or 0), float(register or 0))
            for batch in self.batches()
            for frame in batch.frames
            for t_ms, power, register in zip(frame.t, *frame.q.values(), strict=True)
        }

    def wait_for_status(self, wanted: Callable[[wire.Status], bool]) -> wire.Status:
        """The first status that fits."""
        deadline = time.monotonic() + DEADLINE_S
        with self._lock:
            while True:
                for status in self._statuses:
                    if wanted(status):
                        return status
                assert self._lock.wait(max(deadline - time.monotonic(), 0.001)) or time.monotonic() < deadline

    def wait_for_batches(self, count: int) -> None:
        """Until that many batches came."""
        with self._lock:
            assert self._lock.wait_for(lambda: len(self._batches) >= count, DEADLINE_S)

    def _on_connect(
        self, client: Client, _data: object, _flags: ConnectFlags, _reason: ReasonCode, _props: Properties | None
    ) -> None:
        client.subscribe([(up_filter(Up.READINGS), 1), (up_filter(Up.STATUS), 1)])

    def _on_message(self, client: Client, _data: object, message: MQTTMessage) -> None:
        topic = parse_up(message.topic)
        payload = bytes(message.payload)
        with self._lock:
            if topic.channel is Up.STATUS:
                self._statuses.append(wire.decode_status(payload, topic.gateway))
            else:
                self._take(client, wire.decode_batch(payload, topic.gateway))
            self._lock.notify_all()

    def _take(self, client: Client, batch: wire.Batch) -> None:
        key = (batch.gateway, batch.log, batch.seq)
        self._batches.append(batch)
        self._seen[key] = self._seen.get(key, 0) + 1
        if self._acknowledges(batch, self._seen[key]):
            ack = wire.Ack(log=batch.log, seqs=[(batch.seq, batch.seq)])
            client.publish(down(batch.gateway, Down.ACK), wire.encode(ack))


@contextmanager
def cloud_stand_in(
    port: int, acknowledges: Callable[[wire.Batch, int], bool] = lambda _batch, _nth: True
) -> Iterator[CloudStandIn]:
    """A running stand-in."""
    cloud = CloudStandIn(port, acknowledges)
    cloud.start()
    try:
        yield cloud
    finally:
        cloud.stop()
