"""An ingest process on a real broker, and a gateway that speaks to it."""

import subprocess
import sys
import threading
from collections import defaultdict
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from cloud_stream.journal import Journal, decode_row
from cloud_stream.records import Envelope
from tests.cloud_stream.waiting import wait_until
from wattline.local_servers import LOOPBACK
from wattline.topics import Down, Up, down, up
from wattline.wire import Batch, Frame, decode_ack, encode

PARTITIONS: Final = 2
_CHECKOUT: Final = Path(__file__).parents[2]


def batch_payload(gateway: str, seq: int, *, site: str = "house-1", log: str = "log-1") -> bytes:
    """A small readings payload that names its number in its value too."""
    frame = Frame(meter="m1", t=[1_700_000_000_000 + seq], q={"power_w": [float(seq)]})
    return encode(Batch(v=1, gateway=gateway, site=site, log=log, seq=seq, oldest=1, frames=[frame]))


class IngestProcess:
    """`wattline cloud ingest` as its own process, in a folder of its own."""

    def __init__(
        self, folder: Path, broker_url: str, *, extra: str = "", broker: str = "", max_bytes: str = "1GiB"
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.config = folder / "cloud.toml"
        self.config.write_text(f"""
[broker]
url = "{broker_url}"
{broker}
[journal]
dir = "{folder}/journal"
partitions = {PARTITIONS}
max_bytes = "{max_bytes}"
[registry]
path = "{folder}/registry.db"
{extra}
""")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it and wait until it listens to the broker."""
        before = self.log_text().count("ingest_connected")
        with (self.folder / "log").open("ab") as log:
            command = [sys.executable, "-m", "wattline", "cloud", "ingest", "-c", str(self.config)]
            self._process = subprocess.Popen(command, cwd=_CHECKOUT, stdout=log, stderr=log)
        wait_until(lambda: self.log_text().count("ingest_connected") > before, "ingest connects")
        return self

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        assert self._process is not None
        self._process.terminate()
        status = self._process.wait(20)
        self._process = None
        return status

    def log_text(self) -> str:
        """What it has printed in all its lives."""
        file = self.folder / "log"
        return file.read_text() if file.exists() else ""

    def journal(self) -> Journal:
        """The folder of its journal."""
        return Journal(self.folder / "journal", partitions=PARTITIONS, max_bytes=1 << 30)

    def journaled(self) -> list[Envelope]:
        """Everything in the journal, partition by partition, in order."""
        found: list[Envelope] = []
        for number in range(PARTITIONS):
            log = self.journal().open_partition(number)
            for row in log.read_after(0, max_rows=100_000, max_bytes=1 << 30):
                found += decode_row(row.payload)
            log.close()
        return found

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.kill()


class GatewayClient:
    """A gateway that keeps a batch until the cloud has acknowledged it end to end.

    Attributes:
        acked: By log, every number that an acknowledgement named.
        pubacked: Message ids that the broker acknowledged.
    """

    def __init__(self, port: int, gateway: str, *, password: str = "") -> None:
        self.gateway = gateway
        self.acked: dict[str, set[int]] = defaultdict(set)
        self.ack_messages = 0
        self.pubacked: set[int] = set()
        self._subscribed = threading.Event()
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=gateway, protocol=MQTTProtocolVersion.MQTTv311, clean_session=False
        )
        if password:
            self._client.username_pw_set(gateway, password)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda *_: self._on_connect()
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_disconnect = lambda *_: self._subscribed.clear()
        self._client.on_publish = lambda _, __, mid, *___: self.pubacked.add(mid)
        self._client.on_message = self._on_message
        self._port = port

    def send(self, payload: bytes, channel: Up = Up.READINGS, *, qos: int = 1) -> int:
        """Publish on a topic of its own; returns the message id."""
        return self.send_to(up(self.gateway, channel), payload, qos=qos)

    def send_to(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> int:
        """Publish on any topic; returns the message id."""
        return self._client.publish(topic, payload, qos=qos, retain=retain).mid

    def send_until_acked(self, log: str, payloads: dict[int, bytes]) -> None:
        """Publish, and again whatever is not acknowledged end to end, until everything is."""

        def all_acked() -> bool:
            for seq, payload in payloads.items():
                if seq not in self.acked[log] and self._subscribed.is_set():
                    self.send(payload)
            threading.Event().wait(0.5)
            return self.acked[log] >= payloads.keys()

        wait_until(all_acked, "every batch is acknowledged")

    def __enter__(self) -> Self:
        self._client.connect(LOOPBACK, self._port)
        self._client.loop_start()
        wait_until(self._subscribed.is_set, "the gateway connects")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self) -> None:
        self._client.subscribe(down(self.gateway, Down.ACK), qos=1)

    def _on_message(self, _: Client, __: object, message: MQTTMessage) -> None:
        ack = decode_ack(bytes(message.payload))
        self.ack_messages += 1
        for first, last in ack.seqs:
            self.acked[ack.log].update(range(first, last + 1))
