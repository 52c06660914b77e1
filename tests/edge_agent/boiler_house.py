"""An agent as its user runs it, with a simulated boiler and its relay, and whoever gives it orders."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.edge_agent.cloud_stand_in import CloudStandIn, wait_until
from wattline.local_servers import LOOPBACK
from wattline.topics import Down, down
from wattline.wire import Command, CommandAnswer, encode

GATEWAY = "gw-1"


class BoilerHouse:
    """A gateway whose one load is a simulated boiler; everything is in one folder.

    Args:
        folder: Its own.
        broker_url: The broker.
        load: More lines of its `[[load]]`.
        boiler: More options of the simulated boiler, as TOML.
        clock: `[commands] clock`.
        gateway: Its id. site: its site.
        options: More options of the simulated meter, lines of TOML.
        extra: More tables.
    """

    def __init__(
        self,
        folder: Path,
        broker_url: str,
        *,
        load: str = "",
        boiler: str = "",
        clock: str = "trusted",
        gateway: str = GATEWAY,
        site: str = "house",
        options: str = "",
        extra: str = "",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.gateway = gateway
        self.state = folder / "state"
        self.relay_file = folder / "boiler.relay"
        self.log = folder / "agent.log"
        self.config = folder / "agent.toml"
        self._process: subprocess.Popen[bytes] | None = None
        self.config.write_text(f"""\
[gateway]
id = "{gateway}"
site = "{site}"
state_dir = "{self.state}"
[broker]
url = "{broker_url}"
[publish]
flush_interval = "100ms"
resend_after = "1s"
[detector]
enabled = false
[commands]
clock = "{clock}"
[[meter]]
id = "main"
sensor = "simulated"
[meter.options]
boiler = {{start_c = 20, draw = 0{", " + boiler if boiler else ""}}}
sample_interval = "200ms"
{options}
[[load]]
id = "boiler"
actuator = "simulated"
meter = "main"
power = 2000
control = "cloud"
min_on = "0s"
min_off = "0s"
poll = "100ms"
{load}
[load.options]
file = "{self.relay_file}"
{extra}""")

    def start(self) -> None:
        """Run it."""
        command = [sys.executable, "-m", "edge_agent", "run", "-c", str(self.config)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def terminate(self) -> int:
        """SIGTERM; returns the exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(60)

    def edge(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`wattline edge ..` with its file."""
        command = [sys.executable, "-m", "edge_agent", *words, "-c", str(self.config)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    @property
    def relay(self) -> str:
        """Where the relay is: the word in its file, closed before anybody has moved it."""
        return self.relay_file.read_text() if self.relay_file.exists() else "on"

    def log_text(self) -> str:
        """What it has printed in all its lives."""
        return self.log.read_text() if self.log.exists() else ""

    def state_file(self) -> dict[str, Any]:
        """What it would know after a power cut."""
        file = self.state / "loads.json"
        content: dict[str, Any] = json.loads(file.read_bytes()) if file.exists() else {"loads": {}}
        return content

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()


class Orderer:
    """Publishes commands, and finds the answers among what a cloud stand-in has heard."""

    def __init__(self, port: int, cloud: CloudStandIn) -> None:
        self.cloud = cloud
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="orderer")
        self._client.connect(LOOPBACK, port)
        self._client.loop_start()

    def send(self, name: str, action: str, *, lasts_s: float = 600.0, retain: bool = False, **changes: object) -> None:
        """Send a command of this id to the boiler, decided now; returns when the broker has it."""
        now_ms = time.time_ns() // 1_000_000
        fields: dict[str, Any] = {
            "v": 1,
            "gateway": GATEWAY,
            "id": name,
            "load": "boiler",
            "action": action,
            "t": now_ms,
            "expires_at": now_ms + round(lasts_s * 1000),
            "reason": "test",
            **changes,
        }
        self.publish(encode(Command(**fields)), retain=retain)

    def publish(self, payload: bytes, *, retain: bool = False) -> None:
        """Send whatever to the gateway's command topic."""
        sent = self._client.publish(down(GATEWAY, Down.COMMAND), payload, qos=1, retain=retain)
        sent.wait_for_publish(10)

    def answers(self, name: str) -> list[CommandAnswer]:
        """What was answered to a command, each answer once, in the order of their times."""
        found = {event.t: event.command for event in self.cloud.events if event.command and event.command.id == name}
        return [answer for _, answer in sorted(found.items())]

    def states(self, name: str) -> list[str]:
        """The states of those."""
        return [answer.state for answer in self.answers(name)]

    def wait_for(self, name: str, *states: str) -> None:
        """Wait until a command was answered by exactly these."""
        try:
            wait_until(lambda: self.states(name) == list(states), "these answers")
        except AssertionError:
            raise AssertionError(f"{name}: {states}, not {self.states(name)}: {self.reasons(name)}") from None

    def reasons(self, name: str) -> list[str]:
        """The reasons of a command's answers."""
        return [event.reason for event in self.cloud.events if event.command and event.command.id == name]

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()
