"""How long one reading takes among 20,000 a second: to its row, and to the alert that it gives rise to."""

import http.client
import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Final
from urllib.parse import quote

from wattline.bench_cloud import (
    DATABASE,
    NOTICES,
    IngestBenchError,
    System,
    go,
    prepared_load,
    recent_plan,
)
from wattline.local_servers import LOOPBACK

MESSAGES_PER_S: Final = 40.0
"""Of 500 readings each."""
WARM_UP_S: Final = 2.0
_POLL_S: Final = 0.005
_ALERT_POLL_S: Final = 0.01
_PATIENCE_S: Final = 30.0
PROBES_PER_S: Final = 10.0
_SITES: Final = 64
"""Of the meters that go beyond the limit: more than there are shards, so that all of them are met."""
BEYOND_W: Final = 90_000.0
RULES: Final = """
[[rule]]
name = "connection limit"
quantity = "power_w"
statistic = "peak"
above = 50000
"""
"""Every meter of the load is judged; none of it goes beyond the limit."""


def measure_latency(system: System, seconds: float) -> dict[str, float]:
    """Probe messages among 20,000 readings a second: publish to visible, in ms.

    Args:
        system: A running cloud.
        seconds: How long the load lasts.

    Returns:
        `p50`, `p99`, `max`, the number of `probes`, and the `readings_per_s` that the flow really took meanwhile.

    Raises:
        IngestBenchError: A probe never became visible.
    """
    with closing(Probe(system)) as probe:
        return _under_load(system, seconds, lambda count: [probe.once() for _ in range(count)])


def measure_alert_latency(system: System, seconds: float) -> dict[str, dict[str, float]]:
    """Let a meter go beyond its limit ten times a second among 20,000 readings a second: publish to visible alert.

    Args:
        system: A running cloud with `RULES`.
        seconds: How long the load lasts.

    Returns:
        `alert_latency_ms`, as `measure_latency`; the interval at which windows are judged is included. Where the
        cloud queues notices also `notice_latency_ms`, to the notice that is safe in the queue.

    Raises:
        IngestBenchError: An alert never became visible.
    """
    with closing(AlertProbes(system)) as probes:
        result = {"alert_latency_ms": _under_load(system, seconds, probes.run)}
        told_ms = probes.notices_ms()
    return result | ({"notice_latency_ms": _figures(told_ms)} if told_ms else {})


def _under_load(system: System, seconds: float, measure: Callable[[int], list[float]]) -> dict[str, float]:
    plan = recent_plan(int(seconds * MESSAGES_PER_S) // 200 + 2, meters=10, times=50)
    with prepared_load(system, plan, messages_per_s=MESSAGES_PER_S) as load:
        go(load)
        time.sleep(WARM_UP_S)
        before, began = system.handed_to_store(), time.perf_counter()
        figures = _figures(measure(int((seconds - WARM_UP_S - 1) * PROBES_PER_S)))
        rate = (system.handed_to_store() - before) / (time.perf_counter() - began)
    return figures | {"readings_per_s": round(rate)}


def _figures(took_ms: Sequence[float]) -> dict[str, float]:
    places = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    ordered, last = sorted(took_ms), len(took_ms) - 1
    return {name: round(ordered[int(last * place)], 1) for name, place in places.items()} | {"probes": len(ordered)}


class _Publisher:
    """Sends single readings."""

    def __init__(self, system: System, name: str) -> None:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self._client = Client(CallbackAPIVersion.VERSION2, client_id=name)
        self._client.connect(LOOPBACK, system.broker.port)
        self._client.loop_start()

    def send(self, gateway: str, seq: int, meter: str, t_ms: int, power_w: float) -> None:
        """Publish one reading of a gateway that stands on a site of its own."""
        payload = {
            "v": 1,
            "gateway": gateway,
            "site": f"{gateway}-site",
            "log": gateway,
            "seq": seq,
            "frames": [{"meter": meter, "t": [t_ms], "q": {"power_w": [power_w]}}],
        }
        self._client.publish(f"wattline/v1/{gateway}/up/readings", json.dumps(payload), 1)

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()


class Probe:
    """Publishes one reading and looks until it is visible."""

    def __init__(self, system: System) -> None:
        """Connect to the broker and to the store."""
        self._publisher = _Publisher(system, "probe")
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
        began = time.perf_counter()
        self._publisher.send("probe", self._seq, "probe-m", t_ms, 1.0)
        deadline = began + _PATIENCE_S
        while not self._visible(t_ms):
            if time.perf_counter() > deadline:
                raise IngestBenchError("a probe never became visible")
            time.sleep(_POLL_S)
        took_ms = (time.perf_counter() - began) * 1000
        time.sleep(max(0.0, 0.1 - took_ms / 1000) * (0.5 + self._seq % 7 / 7))
        return took_ms

    def _visible(self, t_ms: int) -> bool:
        where = f"meter='probe-m' AND time={t_ms}ms"
        return b"values" in _ask(self._store, f"SELECT power_w FROM reading WHERE {where}")  # noqa: S608 (our own names)

    def close(self) -> None:
        """Disconnect."""
        self._publisher.close()
        self._store.close()


class AlertProbes:
    """Meters that go beyond their limit, one after the other, each once; several are on their way at a time."""

    def __init__(self, system: System) -> None:
        """Connect to the broker and to the store."""
        self._publisher = _Publisher(system, "alert-probes")
        self._queue = system.folder / NOTICES
        self._sent_ms: dict[str, int] = {}
        self._store = http.client.HTTPConnection(LOOPBACK, system.influxd.port, timeout=10)

    def run(self, count: int) -> list[float]:
        """Milliseconds from each publish to the visible alert.

        Raises:
            IngestBenchError: One never appears.
        """
        sent_s: dict[str, float] = {}
        took_ms: list[float] = []
        next_s = time.perf_counter()
        while len(took_ms) < count:
            number = len(took_ms) + len(sent_s)
            if number < count and time.perf_counter() >= next_s:
                meter = f"over-{number:05d}"
                sent_s[meter] = time.perf_counter()
                self._sent_ms[meter] = t_ms = time.time_ns() // 1_000_000
                self._publisher.send(f"over-{number % _SITES:02d}", number // _SITES + 1, meter, t_ms, BEYOND_W)
                # Never in step with the flow's own intervals.
                next_s += (0.5 + number % 7 / 6) / PROBES_PER_S
            seen = self._seen(list(sent_s))
            took_ms += [(time.perf_counter() - sent_s.pop(meter)) * 1000 for meter in seen]
            if sent_s and time.perf_counter() - min(sent_s.values()) > _PATIENCE_S:
                raise IngestBenchError("an alert never became visible")
            time.sleep(_ALERT_POLL_S)
        return took_ms

    def notices_ms(self) -> list[float]:
        """Milliseconds from each publish to the notice in the queue, of those that have one."""
        if not self._queue.exists():
            return []
        with closing(sqlite3.connect(f"file:{self._queue}?mode=ro", uri=True)) as queue:
            rows = queue.execute("SELECT payload, put_ms FROM rows").fetchall()
        put_ms = {json.loads(payload)["meter"]: at_ms for payload, at_ms in rows}
        return [put_ms[meter] - sent for meter, sent in self._sent_ms.items() if meter in put_ms]

    def _seen(self, meters: Sequence[str]) -> list[str]:
        """Which of these meters have an alert that can be seen."""
        if not meters:
            return []
        where = " OR ".join(f"meter='{meter}'" for meter in meters)
        question = f"SELECT last(value) FROM alert WHERE {where} GROUP BY meter"  # noqa: S608 (our own names)
        answer = json.loads(_ask(self._store, question))
        return [series["tags"]["meter"] for series in answer["results"][0].get("series", ())]

    def close(self) -> None:
        """Disconnect."""
        self._publisher.close()
        self._store.close()


def _ask(store: http.client.HTTPConnection, question: str) -> bytes:
    store.request("GET", f"/query?db={DATABASE}&q={quote(question)}")
    return store.getresponse().read()
