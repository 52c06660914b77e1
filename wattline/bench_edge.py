"""Measures a whole edge agent: a real broker, the agent as a process, and a cloud that acknowledges.

The agent reads meters that cost nothing (the sensor `pattern`), so that what is
measured is the agent: threads, detector, outbox on disk, MQTT.
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import IO, Any, Final

from wattline.errors import WattlineError
from wattline.local_servers import LOOPBACK, MosquittoServer

GATEWAY: Final = "bench-edge"
_START_TIMEOUT_S: Final = 30.0
_STOP_TIMEOUT_S: Final = 20.0
_WARM_UP_S: Final = 3.0


class BenchError(WattlineError):
    """The measurement could not be made; the message says why."""


def run_edge_bench(
    duration_s: float = 60.0,
    *,
    meters: int = 34,
    quantities: int = 34,
    interval: str = "1m",
    detector: bool = True,
) -> dict[str, float]:
    """Run an agent at one reading a second and meter, and measure it.

    Args:
        duration_s: How long to measure, after the start.
        meters: Meters, each with a sensor and a thread of its own.
        quantities: Values in each reading.
        interval: What the detector judges at once; "1s" makes it work every second.
        detector: False switches detection off.

    Returns:
        `cpu_us_per_value` of the agent's process while it runs steadily,
        `rss_mb` at the end, `first_publish_s` from the start of the process to
        the first readings at a subscriber, `values` that arrived while
        measuring, `missing` of those the meters gave, and `start_cpu_s`.

    Raises:
        BenchError: The agent ended, or nothing arrived.
    """
    with tempfile.TemporaryDirectory(prefix="wattline-bench-") as name:
        folder = Path(name)
        with MosquittoServer(folder / "broker") as broker:
            config = folder / "agent.toml"
            config.write_text(_agent_toml(folder, broker.url, meters, quantities, interval, detector=detector))
            with (folder / "agent.log").open("wb") as log:
                return _measure(broker.port, config, log, duration_s, meters * quantities)


def consume(port: int) -> None:
    """Play the cloud until SIGTERM: acknowledge every batch, count its values, print the count.

    Prints `first_s` (wall clock of the first readings) as soon as it is known,
    and at the end `values`: [time in ms, values] of every second.
    """
    from paho.mqtt.client import Client, MQTTMessage
    from paho.mqtt.enums import CallbackAPIVersion

    from wattline.topics import Down, Up, down, up
    from wattline.wire import Ack, decode_batch, encode

    values: Counter[int] = Counter()
    client = Client(CallbackAPIVersion.VERSION2, client_id="bench-cloud")

    def on_message(_client: Client, _data: object, message: MQTTMessage) -> None:
        batch = decode_batch(bytes(message.payload), GATEWAY)
        if not values:
            _say({"first_s": time.time()})
        for frame in batch.frames:
            for t_ms in frame.t:
                values[t_ms] += len(frame.q)
        client.publish(down(GATEWAY, Down.ACK), encode(Ack(log=batch.log, seqs=[(batch.seq, batch.seq)])))

    def finish(*_: object) -> None:
        _say({"values": sorted(values.items())})
        client.disconnect()

    signal.signal(signal.SIGTERM, finish)
    client.on_message = on_message
    client.on_subscribe = lambda *_: _say({"ready": True})
    client.connect(LOOPBACK, port)
    client.subscribe(up(GATEWAY, Up.READINGS), qos=1)
    client.loop_forever()


def _measure(port: int, config: Path, log: IO[bytes], duration_s: float, per_second: int) -> dict[str, float]:
    cloud = _start(["-c", f"from wattline.bench_edge import consume; consume({port})"], subprocess.PIPE, None)
    try:
        _heard(cloud, "ready")
        started_s = time.time()
        agent = _start(["-m", "edge_agent", "run", "-c", str(config)], subprocess.DEVNULL, log)
        try:
            first_s = float(_heard(cloud, "first_s"))
            start_cpu_s = _cpu_s(agent.pid)
            figures = _steady(agent, duration_s)
        finally:
            _end(agent)
        cloud.terminate()
        arrived = _heard(cloud, "values")
    finally:
        _end(cloud)
    from_ms, to_ms = figures.pop("from_ms"), figures.pop("to_ms")
    values = sum(n for t_ms, n in arrived if from_ms < t_ms <= to_ms)
    if not values:
        raise BenchError("no reading arrived while measuring")
    seconds = to_ms // 1000 - from_ms // 1000
    return {
        "cpu_us_per_value": round(figures["cpu_s"] * 1e6 / values, 2),
        "rss_mb": round(figures["rss_mb"], 1),
        "first_publish_s": round(first_s - started_s, 3),
        "values": values,
        "missing": seconds * per_second - values,
        "start_cpu_s": round(start_cpu_s, 2),
    }


def _steady(agent: subprocess.Popen[bytes], duration_s: float) -> dict[str, float]:
    """CPU and memory of a running agent, from just after one flush of the meters to another."""
    time.sleep(_WARM_UP_S)
    from_s, from_cpu_s = time.time(), _cpu_s(agent.pid)
    time.sleep(duration_s)
    if agent.poll() is not None:
        raise BenchError(f"the agent ended with status {agent.returncode}")
    to_s, to_cpu_s = time.time(), _cpu_s(agent.pid)
    return {
        "from_ms": from_s * 1000,
        "to_ms": to_s * 1000,
        "cpu_s": to_cpu_s - from_cpu_s,
        "rss_mb": _rss_mb(agent.pid),
    }


def _agent_toml(folder: Path, url: str, meters: int, quantities: int, interval: str, *, detector: bool) -> str:
    head = f"""\
[gateway]
id = "{GATEWAY}"
site = "bench"
state_dir = {json.dumps(str(folder / "state"))}
[broker]
url = "{url}"
[detector]
enabled = {json.dumps(detector)}
interval = "{interval}"
"""
    tables = (
        f"""\
[[meter]]
id = "meter-{n:03d}"
sensor = "pattern"
[meter.options]
quantities = {quantities}
phase = {n}
"""
        for n in range(meters)
    )
    return head + "".join(tables)


def _start(arguments: list[str], stdout: int, stderr: IO[bytes] | None) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, *arguments], stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _say(word: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(word) + "\n")
    sys.stdout.flush()


def _heard(process: subprocess.Popen[bytes], key: str) -> Any:  # noqa: ANN401 (what `consume` says under that key)
    """The next word of the consumer that has this key."""
    if process.stdout is None:
        raise BenchError("the consumer has no output")
    timer = _Deadline(process, _START_TIMEOUT_S)
    with timer:
        for line in process.stdout:
            word = json.loads(line)
            if key in word:
                return word[key]
    raise BenchError(f"the consumer ended, or nothing arrived within {_START_TIMEOUT_S:g} s, before saying {key!r}")


class _Deadline:
    """Ends a process whose output does not come; its pipe then ends too."""

    def __init__(self, process: subprocess.Popen[bytes], timeout_s: float) -> None:
        import threading

        self._timer = threading.Timer(timeout_s, process.kill)

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


def _cpu_s(pid: int) -> float:
    """CPU seconds of a process, all threads, to the nanosecond.

    Source: clock_getcpuclockid(3); its number for a process is `~pid << 3 | 2` on Linux.
    """
    return time.clock_gettime(~pid << 3 | 2)


def _rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
