"""A whole cloud on this machine to be measured: a real broker, the cloud's processes, a real influxd, and a load.

Everything is in the configuration that a user runs: recovery, deduplication, raw rows and windows on. The load is made
beforehand; sending it costs processor time of the same machine.
"""

import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from wattline.errors import WattlineError
from wattline.local_servers import LOOPBACK, InfluxServer, MosquittoServer, free_port

DATABASE: Final = "wattline"
ALONE: Final = "alone"
NOTICES: Final = Path("var/notify/notices.db")
"""The queue of what people shall be told, in the folder of a `System`; nobody takes anything out."""
DEADLINE_S: Final = 300.0
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")

Progress = Callable[[str], None]


class IngestBenchError(WattlineError):
    """The measurement could not be made; the message says why."""


class System:
    """A running cloud with its servers, in a folder of its own."""

    def __init__(self, folder: Path, stack: ExitStack, more: str = "") -> None:
        """Start everything.

        Args:
            folder: Where everything is kept.
            stack: Ends everything.
            more: Further lines of `cloud.toml`.
        """
        self.folder = folder
        self.broker = stack.enter_context(MosquittoServer(folder / "broker"))
        self.influxd = stack.enter_context(InfluxServer(folder / "influxd"))
        self.influxd.create_database(DATABASE)
        self.influxd.create_database(ALONE)
        self.metrics_port = free_port()
        config = folder / "cloud.toml"
        config.write_text(self._config() + more, "utf-8")
        self.processes = {
            name: stack.enter_context(_process(folder / f"{name}.log", "cloud", name, "-c", str(config)))
            for name in ("ingest", "flow")
        }
        self._await("ingest", "ingest_connected")
        self._await("flow", "flow_started")

    def _config(self) -> str:
        var = self.folder / "var"
        return f"""
[broker]
url = "{self.broker.url}"
[registry]
path = "{var}/registry.db"
[journal]
dir = "{var}/journal"
[flow]
recovery_dir = "{var}/recovery"
[store]
kind = "influxdb"
api = "v1"
url = "{self.influxd.url}"
bucket = "{DATABASE}"
spool_dir = "{var}/spool"
[dead_letters]
path = "{var}/dead.db"
[metrics]
flow_port = {self.metrics_port}
"""

    def _await(self, name: str, event: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        log = self.folder / f"{name}.log"
        while event not in log.read_text("utf-8", "replace"):
            self.check(deadline)
            time.sleep(0.02)

    def check(self, deadline: float) -> None:
        """Complain when something has ended or time is up.

        Raises:
            IngestBenchError: It has.
        """
        for name, process in self.processes.items():
            if process.poll() is not None:
                text = (self.folder / f"{name}.log").read_text("utf-8", "replace")
                raise IngestBenchError(f"{name} ended: {text[-2000:]}")
        if time.monotonic() > deadline:
            raise IngestBenchError("it took too long")

    def handed_to_store(self) -> int:
        """Readings that the flow has handed to the store so far."""
        connection = http.client.HTTPConnection(LOOPBACK, self.metrics_port, timeout=10)
        try:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        finally:
            connection.close()
        found = re.search(r"^wattline_readings_total (\S+)", text, re.MULTILINE)
        return int(float(found[1])) if found else 0

    def stored(self) -> int:
        """Raw readings visible in the store."""
        answer = json.loads(self.influxd.query("SELECT count(power_w) FROM reading", DATABASE))
        series = answer["results"][0].get("series")
        return int(series[0]["values"][0][1]) if series else 0

    def cpu_s(self) -> dict[str, float]:
        """Processor time so far, by process."""
        pids = {name: process.pid for name, process in self.processes.items()}
        pids |= {"mosquitto": self.broker.pid, "influxd": self.influxd.pid}
        return {name: _cpu_s(pid) for name, pid in pids.items()}


@contextmanager
def running_system(rules: str = "") -> Iterator[System]:
    """Run a cloud in a folder that goes with it.

    Args:
        rules: The content of its `alerts.toml`; "" for none. With rules, notices are queued in `NOTICES`.
    """
    with tempfile.TemporaryDirectory(prefix="wattline-bench-") as name, ExitStack() as stack:
        file = Path(name) / "alerts.toml"
        file.write_text(rules, "utf-8")
        notices = (Path(name) / NOTICES).parent
        more = f'[alerts]\nrules = "{file}"\n[notify]\ndir = "{notices}"\n'
        yield System(Path(name), stack, more if rules else "")


@contextmanager
def _process(log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-m", "wattline", *arguments], stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def recent_plan(messages: int, *, meters: int, times: int, gateways: int = 200) -> dict[str, int]:
    """A load of the last minutes, so that it lies within every bound."""
    span_ms = messages * times * 1000
    now_ms = time.time_ns() // 1_000_000
    return {
        "gateways": gateways,
        "meters": meters,
        "times": times,
        "messages": messages,
        "start_ms": now_ms - now_ms % 1000 - span_ms,
    }


@contextmanager
def prepared_load(system: System, plan: dict[str, int], **order: float) -> Iterator[subprocess.Popen[bytes]]:
    """A load process that is ready; it starts at a line on its standard input."""
    file = system.folder / "load.json"
    file.write_text(json.dumps({"plan": plan, "host": LOOPBACK, "port": system.broker.port, **order}), "utf-8")
    command = [sys.executable, "-m", "simulators.load_process", str(file), str(system.folder / "load-result.json")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        if process.stdout is None or process.stdout.readline().strip() != b"ready":
            raise IngestBenchError("the load could not be made")
        yield process
    finally:
        process.kill()
        process.communicate()


def go(load: "subprocess.Popen[bytes]") -> None:
    """Start a prepared load."""
    if load.stdin is None:
        raise IngestBenchError("the load has no input")
    load.stdin.write(b"go\n")
    load.stdin.flush()


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
