"""The tests' own servers and lines do what the tests rely on."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from paho.mqtt import MQTTException, publish

from tests.services.broker_access import access_lines
from tests.services.serial_pair import SerialPair
from tests.services.victoria_metrics import VictoriaMetricsServer
from wattline.local_servers import LOOPBACK, MosquittoServer


def test_victoria_metrics_returns_what_it_was_given(victoria_metrics: VictoriaMetricsServer) -> None:
    victoria_metrics.post("/api/v2/write", b"usage,meter=m1 energy_kwh=1.5 1700000000000000000")
    victoria_metrics.flush()
    assert '"values":[1.5],"timestamps":[1700000000000]' in victoria_metrics.export('{__name__="usage_energy_kwh"}')


def test_the_serial_line_delivers_bytes_unchanged(serial_pair: SerialPair) -> None:
    reader = os.open(serial_pair.device, os.O_RDONLY | os.O_NOCTTY)
    serial_pair.write(bytes(range(256)))
    assert os.read(reader, 1024) == bytes(range(256))
    serial_pair.unplug()
    assert os.read(reader, 1024) == b""
    os.close(reader)


@pytest.fixture
def closed_broker(tmp_path: Path, mosquitto: MosquittoServer) -> Iterator[MosquittoServer]:
    mosquitto.stop()
    lines = access_lines(tmp_path / "access", {"gw-1": "right"}, ["pattern write wattline/v1/%u/up/#"])
    with MosquittoServer(tmp_path / "closed", extra_lines=lines, anonymous=False) as broker:
        yield broker


def _publish(broker: MosquittoServer, password: str) -> None:
    publish.single(
        "wattline/v1/gw-1/up/events",
        hostname=LOOPBACK,
        port=broker.port,
        qos=1,
        auth={"username": "gw-1", "password": password},
    )


def test_a_broker_with_users_admits_the_right_password(closed_broker: MosquittoServer) -> None:
    _publish(closed_broker, "right")


def test_a_broker_with_users_refuses_a_wrong_password(closed_broker: MosquittoServer) -> None:
    with pytest.raises(MQTTException, match="Not authorized"):
        _publish(closed_broker, "wrong")
