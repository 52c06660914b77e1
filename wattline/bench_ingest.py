"""Measures the way from MQTT into the store: throughput, single readings, latency to the row and to the alert."""

import http.client
import time
from typing import Any, Final

from wattline.bench_cloud import (
    ALONE,
    DEADLINE_S,
    IngestBenchError,
    Progress,
    System,
    go,
    prepared_load,
    recent_plan,
    running_system,
)
from wattline.bench_latency import RULES, measure_alert_latency, measure_latency
from wattline.local_servers import LOOPBACK

_BODY_POINTS: Final = 20_000


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
        max from a publish to the visible row, `alert_latency_ms` the same to the
        visible alert, `notice_latency_ms` to the notice in its queue, and
        `cpu_us_per_reading` by process.

    Raises:
        IngestBenchError: Something ended or never arrived.
    """
    result: dict[str, Any] = {}
    with running_system() as system:
        progress("influxd alone")
        result["influxd_alone_per_s"] = round(_influxd_alone(system, readings // 2))
    with running_system() as system:
        progress("batches of 500 readings")
        rate, cpu = _throughput(system, recent_plan(readings // 500 // 200, meters=10, times=50))
        result["readings_per_s"] = round(rate)
        result["cpu_us_per_reading"] = cpu
        result["ratio"] = round(rate / result["influxd_alone_per_s"], 3)
    with running_system() as system:
        progress("messages of one reading")
        rate, cpu = _throughput(system, recent_plan(single_messages // 200, meters=1, times=1))
        result["messages_per_s"] = round(rate)
        result["cpu_us_per_message"] = cpu
    with running_system() as system:
        progress("latency at 20,000 readings/s")
        result["latency_ms"] = measure_latency(system, latency_s)
    with running_system(RULES) as system:
        progress("latency to an alert at 20,000 readings/s")
        result |= measure_alert_latency(system, latency_s)
    return result


def _throughput(system: System, plan: dict[str, int]) -> tuple[float, dict[str, float]]:
    """Rows per second from the first publish to the last visible row, and CPU in us per row."""
    sent = plan["gateways"] * plan["meters"] * plan["times"] * plan["messages"]
    with prepared_load(system, plan) as load:
        before = system.cpu_s()
        began = time.monotonic()
        go(load)
        deadline = began + DEADLINE_S
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
