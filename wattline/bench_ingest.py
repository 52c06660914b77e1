"""Measures the way from MQTT into the store: a real broker, the whole cloud as processes, a real influxd.

Everything runs on this machine, in the configuration that a user runs: recovery,
deduplication, raw rows and windows on. The load is made beforehand; sending it
costs processor time of the same machine.
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
from typing import Any, Final

from wattline.errors import WattlineError
from wattline.local_servers import LOOPBACK, InfluxServer, MosquittoServer, free_port

DATABASE: Final = "wattline"
ALONE: Final = "alone"
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_DEADLINE_S: Final = 300.0
_BODY_POINTS: Final = 20_000
_POLL_S: Final = 0.005

Progress = Callable[[str], None]


class IngestBenchError(WattlineError):
    """The measurement could not be made; the message says why."""


def run_ingest_bench(
    *,
    readings: int = 6_000_000,
    single_messages: int = 150_000,
    latency_s: float = 20.0,
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """Measure throughput, single-reading messages and latency.

    Args:
        readings: Readings in batches of 500, as fast as they are taken.
        single_messages: Messages of one reading, as fast as they are taken.
        latency_s: How long to measure latency at 20,000 readings a second.
        progress: Told what is going on.

    Returns:
        `readings_per_s` stored from the first publish to the last visible row,
        `influxd_alone_per_s` for prebuilt lines posted by one client, their
        `ratio`, `messages_per_s` of single readings, `latency_ms` p50, p99 and
        max, and `cpu_us_per_reading` by process.

    Raises:
        IngestBenchError: Something ended or never arrived.
    """
    result: dict[str, Any] = {}
    with _system() as system:
        progress("influxd alone")
        result["influxd_alone_per_s"] = round(_influxd_alone(system, readings // 2))
    with _system() as system:
        progress("batches of 500 readings")
        rate, cpu = _throughput(system, _plan(readings // 500 // 200, meters=10, times=50))
        result["readings_per_s"] = round(rate)
        result["cpu_us_per_reading"] = cpu
        result["ratio"] = round(rate / result["influxd_alone_per_s"], 3)
    with _system() as system:
        progress("messages of one reading")
        rate, cpu = _throughput(system, _plan(single_messages // 200, meters=1, times=1))
        result["messages_per_s"] = round(rate)
        result["cpu_us_per_message"] = cpu
    with _system() as system:
        progress("latency at 20,000 readings/s")
        result["latency_ms"] = _latency(system, latency_s)
    return result


class System:
    """A running cloud with its servers, in a folder of its own."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        """Start everything."""
        self.folder = folder
        self.broker = stack.enter_context(MosquittoServer(folder / "broker"))
        self.influxd = stack.enter_context(InfluxServer(folder / "influxd"))
        self.influxd.create_database(DATABASE)
        self.influxd.create_database(ALONE)
        self.metrics_port = free_port()
        config = folder / "cloud.toml"
        config.write_text(self._config(), "utf-8")
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
        deadline = time.monotonic() + _DEADLINE_S
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
def _system() -> Iterator[System]:
    with tempfile.TemporaryDirectory(prefix="wattline-bench-") as name, ExitStack() as stack:
        yield System(Path(name), stack)


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


def _plan(messages: int, *, meters: int, times: int, gateways: int = 200) -> dict[str, int]:
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
def _load(system: System, plan: dict[str, int], **order: float) -> Iterator[subprocess.Popen[bytes]]:
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


def _go(load: "subprocess.Popen[bytes]") -> None:
    if load.stdin is None:
        raise IngestBenchError("the load has no input")
    load.stdin.write(b"go\n")
    load.stdin.flush()


def _throughput(system: System, plan: dict[str, int]) -> tuple[float, dict[str, float]]:
    """Rows per second from the first publish to the last visible row, and CPU in us per row."""
    sent = plan["gateways"] * plan["meters"] * plan["times"] * plan["messages"]
    with _load(system, plan) as load:
        before = system.cpu_s()
        began = time.monotonic()
        _go(load)
        deadline = began + _DEADLINE_S
        while system.handed_to_store() < sent:
            system.check(deadline)
            time.sleep(0.1)
        while True:
            asked = time.monotonic()
            if system.stored() >= sent:
                break
            system.check(deadline)
        after = system.cpu_s()
    if system.stored() != sent:
        raise IngestBenchError(f"{system.stored()} rows are stored and {sent} were sent")
    return sent / (asked - began), {name: round((after[name] - before[name]) / sent * 1e6, 2) for name in after}


def _influxd_alone(system: System, points: int) -> float:
    """Points per second for prebuilt lines posted by one client."""
    now_ms = time.time_ns() // 1_000_000
    series = 2000
    per_series = points // series
    bodies: list[bytes] = []
    lines: list[str] = []
    for number in range(series):
        tags = f"reading,site=load-{number // 10:04d}-site,gateway=load-{number // 10:04d},meter=m-{number:05d}"
        for place in range(per_series):
            t_ms = now_ms - (per_series - place) * 1000
            value = 200 + (number * 7 + place * 13) % 3000 / 10
            lines.append(f"{tags} power_w={value},energy_import_kwh={1000 + place / 1000} {t_ms}")
            if len(lines) == _BODY_POINTS:
                bodies.append("\n".join(lines).encode())
                lines = []
    connection = http.client.HTTPConnection(LOOPBACK, system.influxd.port, timeout=60)
    began = time.monotonic()
    for body in bodies:
        connection.request("POST", f"/write?db={ALONE}&precision=ms", body)
        answer = connection.getresponse()
        answer.read()
        if answer.status != http.client.NO_CONTENT:
            raise IngestBenchError(f"influxd says {answer.status}")
    rate = len(bodies) * _BODY_POINTS / (time.monotonic() - began)
    connection.close()
    return rate


def _latency(system: System, seconds: float) -> dict[str, float]:
    """Probe messages among 20,000 readings a second: publish to visible."""
    rate = 40.0
    plan = _plan(int(seconds * rate) // 200 + 2, meters=10, times=50)
    with _load(system, plan, messages_per_s=rate) as load:
        _go(load)
        time.sleep(2.0)
        probe = Probe(system)
        took_ms = sorted(probe.once() for _ in range(int((seconds - 3) * 10)))
        probe.close()
    places = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    last = len(took_ms) - 1
    return {name: round(took_ms[int(last * place)], 1) for name, place in places.items()} | {"probes": len(took_ms)}


class Probe:
    """Publishes one reading and looks until it is visible."""

    def __init__(self, system: System) -> None:
        """Connect to the broker and to the store."""
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self._system = system
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="probe")
        self._client.connect(LOOPBACK, system.broker.port)
        self._client.loop_start()
        self._store = http.client.HTTPConnection(LOOPBACK, system.influxd.port, timeout=10)
        self._seq = 0
        self._last_ms = 0

    def once(self) -> float:
        """Milliseconds from publishing to seeing one reading; then pauses a little.

        Raises:
            IngestBenchError: It never appears.
        """
        self._seq += 1
        t_ms = max(time.time_ns() // 1_000_000, self._last_ms + 1)
        self._last_ms = t_ms
        payload = {
            "v": 1,
            "gateway": "probe",
            "site": "probe-site",
            "log": "probe",
            "seq": self._seq,
            "frames": [{"meter": "probe-m", "t": [t_ms], "q": {"power_w": [1.0]}}],
        }
        began = time.perf_counter()
        self._client.publish("wattline/v1/probe/up/readings", json.dumps(payload), 1)
        deadline = began + 30
        while not self._visible(t_ms):
            if time.perf_counter() > deadline:
                raise IngestBenchError("a probe never became visible")
            time.sleep(_POLL_S)
        took_ms = (time.perf_counter() - began) * 1000
        time.sleep(max(0.0, 0.1 - took_ms / 1000) * (0.5 + self._seq % 7 / 7))
        return took_ms

    def _visible(self, t_ms: int) -> bool:
        where = f"meter%3D%27probe-m%27%20AND%20time%3D{t_ms}ms"
        self._store.request("GET", f"/query?db={DATABASE}&q=SELECT%20power_w%20FROM%20reading%20WHERE%20{where}")
        return b"values" in self._store.getresponse().read()

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()
        self._store.close()


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
