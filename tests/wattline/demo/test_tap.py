"""The tap hears what passes a real broker, and counts it apart from resends."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from wattline.demo.tap import Tap
from wattline.local_servers import LOOPBACK, MosquittoServer
from wattline.topics import Up, up
from wattline.wire import Batch, Frame, encode


@contextmanager
def _publisher(broker: MosquittoServer) -> Iterator[Client]:
    client = Client(CallbackAPIVersion.VERSION2)
    client.connect(LOOPBACK, broker.port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def _batch(gateway: str, seq: int, *times: int) -> bytes:
    frame = Frame("m-1", list(times), {"power_w": [1.0] * len(times)})
    return encode(Batch(v=1, gateway=gateway, site="house", log="l", seq=seq, frames=[frame]))


@pytest.fixture
def tap(mosquitto: MosquittoServer) -> Iterator[Tap]:
    opened = Tap()
    opened.start(mosquitto.port)
    yield opened
    opened.stop()


def test_distinct_readings_and_batches_are_counted(tap: Tap, mosquitto: MosquittoServer) -> None:
    before_s = time.monotonic()
    with _publisher(mosquitto) as client:
        for gateway, payload in (
            ("gw-1", _batch("gw-1", 1, 10, 11)),
            ("gw-1", _batch("gw-1", 1, 10, 11)),
            ("gw-1", _batch("gw-1", 2, 11, 12)),
            ("gw-1", b"no batch"),
            ("gw-1", _batch("gw-2", 3, 13)),
            ("gw-2", _batch("gw-2", 1, 10)),
        ):
            client.publish(up(gateway, Up.READINGS), payload, 1).wait_for_publish(10)
    deadline = time.monotonic() + 10
    while tap.publishes.total() < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert tap.readings == {"gw-1": {("m-1", 10), ("m-1", 11), ("m-1", 12)}, "gw-2": {("m-1", 10)}}
    assert tap.count() == 4
    assert (tap.publishes, len(tap.batches)) == ({"gw-1": 3, "gw-2": 1}, 3)
    assert before_s < tap.heard_s["gw-1"] <= tap.heard_s["gw-2"] <= time.monotonic()
