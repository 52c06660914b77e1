"""The bench of the way into the store measures what it says, on a run too short to judge the figures by."""

import pytest

from wattline.bench_ingest import run_ingest_bench
from wattline.local_servers import InfluxServer, MosquittoServer


@pytest.mark.timeout(240)
def test_everything_sent_is_seen_in_the_store(mosquitto: MosquittoServer, influxd: InfluxServer) -> None:
    mosquitto.stop()  # only to be sure that both are installed: the bench starts its own
    influxd.stop()
    steps: list[str] = []
    figures = run_ingest_bench(readings=100_000, single_messages=2_000, latency_s=5, progress=steps.append)
    assert steps == [
        "influxd alone",
        "batches of 500 readings",
        "messages of one reading",
        "latency at 20,000 readings/s",
        "latency to an alert at 20,000 readings/s",
    ]
    assert figures["ratio"] == pytest.approx(figures["readings_per_s"] / figures["influxd_alone_per_s"], abs=0.001)
    assert min(figures["readings_per_s"], figures["influxd_alone_per_s"], figures["messages_per_s"]) > 0
    for cost in (figures["cpu_us_per_reading"], figures["cpu_us_per_message"]):
        assert set(cost) == {"ingest", "flow", "mosquitto", "influxd"}
    for name in ("latency_ms", "alert_latency_ms", "notice_latency_ms"):
        latency = figures[name]
        assert 0 < latency["p50"] <= latency["p99"] <= latency["max"]
        assert latency["probes"] == 20
        assert name == "notice_latency_ms" or latency["readings_per_s"] > 0
