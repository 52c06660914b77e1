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
_START_TIMEOUT_S: Final = 120.0
_STOP_TIMEOUT_S: Final = 20.0
_SETTLE_S: Final = 3.0
_HISTORY: Final = "25h"
_LIVE_S: Final = 30.0


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
        `judged`: intervals scored while measuring (0 when no full interval
        ended, or no model fits `interval`),
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
            table = (folder, broker.url, (meters, quantities), interval)
            with (folder / "agent.log").open("wb") as log:
                if detector:  # models judge a meter only once they know a day of it
                    config.write_text(_agent_toml(*table, detector=True, history=_HISTORY))
                    _warm_up(broker.port, meters, config, log)
                config.write_text(_agent_toml(*table, detector=detector, history="0s"))
                return _measure(broker.port, config, log, duration_s, (meters, quantities))


def consume(port: int, meters: int) -> None:
    """Play the cloud until SIGTERM: acknowledge every batch, count its values, print the count.

    Prints `first_s` (wall clock of the first readings) as soon as it is known,
    `live` once every meter is in the present, and at the end `judged` (of the
    last status) and `values`: [time in ms, values] of every second.
    """
    from paho.mqtt.client import Client, MQTTMessage
    from paho.mqtt.enums import CallbackAPIVersion

    from wattline.topics import Down, Up, down, up
    from wattline.wire import Ack, decode_batch, decode_status, encode

    values: Counter[int] = Counter()
    judged: list[float] = []
    live: set[str] = set()
    client = Client(CallbackAPIVersion.VERSION2, client_id="bench-cloud")

    def on_message(_client: Client, _data: object, message: MQTTMessage) -> None:
        if message.topic == up(GATEWAY, Up.STATUS):
            judged.append(decode_status(bytes(message.payload), GATEWAY).outbox.get("intervals_judged", 0.0))
            return
        batch = decode_batch(bytes(message.payload), GATEWAY)
        if not values:
            _say({"first_s": time.time()})
        for frame in batch.frames:
            for t_ms in frame.t:
                values[t_ms] += len(frame.q)
            if frame.t[-1] > (time.time() - _LIVE_S) * 1000 and frame.meter not in live:
                live.add(frame.meter)
                if len(live) == meters:
                    _say({"live": True})
        client.publish(down(GATEWAY, Down.ACK), encode(Ack(log=batch.log, seqs=[(batch.seq, batch.seq)])))

    def finish(*_: object) -> None:
        _say({"judged": judged[-1] if judged else 0.0})
        _say({"values": sorted(values.items())})
        client.disconnect()

    signal.signal(signal.SIGTERM, finish)
    client.on_message = on_message
    client.on_subscribe = lambda *_: _say({"ready": True})
    client.connect(LOOPBACK, port)
    client.subscribe([(up(GATEWAY, Up.READINGS), 1), (up(GATEWAY, Up.STATUS), 1)])
    client.loop_forever()


def _warm_up(port: int, meters: int, config: Path, log: IO[bytes]) -> None:
    """Run an agent until the cloud has a day of every meter; ending it keeps the detector's history."""
    cloud = _start_cloud(port, meters)
    try:
        _heard(cloud, "ready")
        agent = _start(["-m", "edge_agent", "run", "-c", str(config)], subprocess.DEVNULL, log)
        try:
            _heard(cloud, "live")
        finally:
            _end(agent)
    finally:
        _end(cloud)


def _measure(port: int, config: Path, log: IO[bytes], duration_s: float, shape: tuple[int, int]) -> dict[str, float]:
    cloud = _start_cloud(port, shape[0])
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
        judged = _heard(cloud, "judged")
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
        "missing": seconds * shape[0] * shape[1] - values,
        "start_cpu_s": round(start_cpu_s, 2),
        "judged": judged,
    }


def _steady(agent: subprocess.Popen[bytes], duration_s: float) -> dict[str, float]:
    """CPU and memory of a running agent, from just after one flush of the meters to another."""
    time.sleep(_SETTLE_S)
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


def _agent_toml(folder: Path, url: str, shape: tuple[int, int], interval: str, *, detector: bool, history: str) -> str:
    meters, quantities = shape
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
history = "{history}"
history_interval = "{interval}"
"""
        for n in range(meters)
    )
    return head + "".join(tables)


def _start_cloud(port: int, meters: int) -> subprocess.Popen[bytes]:
    program = f"from wattline.bench_edge import consume; consume({port}, {meters})"
    return _start(["-c", program], subprocess.PIPE, None)


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
