"""An ear on the broker: what the gateways published, counted apart from every other part."""

import threading
import time
from collections import Counter

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from wattline.errors import DecodeError
from wattline.local_servers import LOOPBACK
from wattline.topics import Up, parse_up, up_filter
from wattline.wire import decode_batch


class Tap:
    """Collects the distinct readings that pass the broker.

    Attributes:
        readings: Gateway to the distinct (meter, time) published.
        publishes: Batches that passed, resends included. batches: distinct ones.
        heard_s: Gateway to the monotonic time of its first batch.
    """

    def __init__(self) -> None:
        self.readings: dict[str, set[tuple[str, int]]] = {}
        self.publishes: Counter[str] = Counter()
        self.batches: set[tuple[str, str, int]] = set()
        self.heard_s: dict[str, float] = {}
        self._lock = threading.Lock()
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id="wattline-demo-tap", protocol=MQTTProtocolVersion.MQTTv311
        )
        self._client.on_connect = lambda client, *_: client.subscribe(up_filter(Up.READINGS), qos=1)
        self._client.on_message = self._on_message

    def start(self, port: int) -> None:
        """Connect; it must listen before the gateways connect."""
        listening = threading.Event()
        self._client.on_subscribe = lambda *_: listening.set()
        self._client.connect(LOOPBACK, port)
        self._client.loop_start()
        listening.wait(10)

    def stop(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def count(self) -> int:
        """Distinct readings published so far."""
        with self._lock:
            return sum(map(len, self.readings.values()))

    def _on_message(self, client: Client, userdata: object, message: MQTTMessage) -> None:
        del client, userdata
        try:
            gateway = parse_up(message.topic).gateway
            batch = decode_batch(bytes(message.payload), gateway)
        except DecodeError:
            return
        with self._lock:
            self.heard_s.setdefault(gateway, time.monotonic())
            self.publishes[gateway] += 1
            self.batches.add((gateway, batch.log, batch.seq))
            seen = self.readings.setdefault(gateway, set())
            for frame in batch.frames:
                seen.update((frame.meter, t_ms) for t_ms in frame.t)
