"""The v2 write API against VictoriaMetrics: a real server, for the numbers it takes.

It keeps both values of a repeated point and answers no InfluxQL, so this is the
part of the `Store` port that it can show.
"""

import json
from collections.abc import Iterator

import pytest

from cloud_stream.records import Point
from cloud_stream.stores.influx import InfluxStore
from cloud_stream.stores.influx_v2 import InfluxV2
from tests.cloud_stream.stores.columns import NAN, NOW_MS, readings
from tests.cloud_stream.stores.conftest import RETENTION_MS
from tests.cloud_stream.stores.scripted_server import scripted_server
from tests.services.victoria_metrics import VictoriaMetricsServer


@pytest.fixture
def store(victoria_metrics: VictoriaMetricsServer) -> Iterator[InfluxStore]:
    made = InfluxStore(InfluxV2(victoria_metrics.url, "wattline", "wattline", "token", RETENTION_MS), RETENTION_MS)
    made.prepare()
    yield made
    made.close()


@pytest.mark.parametrize("there", [True, False], ids=["there", "missing"])
def test_a_missing_bucket_is_made_with_its_retention(there: bool) -> None:  # noqa: FBT001 - a parameter of the table
    """None of the tests' servers has buckets: this holds what is sent to the reference of the API."""
    bucket = {"id": "b1", "name": "wattline", "retentionRules": []}
    organisation = {"id": "00000000000000aa", "name": "wattline"}
    with scripted_server() as server:
        server.status, server.headers = 200, {"Content-Type": "application/json"}
        server.body = json.dumps({"buckets": [bucket] * there, "orgs": [organisation], **bucket}).encode()
        store = InfluxStore(InfluxV2(server.url, "wattline", "wattline", "token", RETENTION_MS), RETENTION_MS)
        store.prepare()
        store.close()
        made = [json.loads(body) for body in server.received if body]
    rule = {"type": "expire", "everySeconds": RETENTION_MS // 1000}
    wanted = {"name": "wattline", "orgID": "00000000000000aa", "retentionRules": [rule], "rp": "0"}
    assert made == ([] if there else [wanted])


def exported(server: VictoriaMetricsServer, name: str) -> list[tuple[dict[str, str], list[int], list[float]]]:
    server.flush()
    series = [json.loads(line) for line in server.export(f'{{__name__="{name}"}}').splitlines()]
    return [({**found["metric"]}, found["timestamps"], found["values"]) for found in series]


def test_readings_arrive_exactly(victoria_metrics: VictoriaMetricsServer, store: InfluxStore) -> None:
    t_ms = [NOW_MS, NOW_MS + 1000, NOW_MS + 2001]
    values = {"power_w": [0.375, NAN, -512.0], "energy_import_kwh": [1034.512, 1034.513, NAN]}
    assert store.write([readings(values, t_ms, site="house 1", meter='m,1="x"')], []) == []
    ((labels, times, stored),) = exported(victoria_metrics, "reading_power_w")
    assert (times, stored) == ([t_ms[0], t_ms[2]], [0.375, -512.0])
    assert {name: labels[name] for name in ("site", "gateway", "meter")} == {
        "site": "house 1",
        "gateway": "gw-1",
        "meter": 'm,1="x"',
    }
    ((_, times, stored),) = exported(victoria_metrics, "reading_energy_import_kwh")
    assert (times, stored) == (t_ms[:2], [1034.512, 1034.513])


def test_points_arrive_without_their_empty_tags(victoria_metrics: VictoriaMetricsServer, store: InfluxStore) -> None:
    point = Point("usage", {"level": "site", "site": "s", "meter": "", "window": "5m"}, NOW_MS, {"energy_kwh": 1.25})
    assert store.write([], [point]) == []
    ((labels, times, stored),) = exported(victoria_metrics, "usage_energy_kwh")
    assert (times, stored, "meter" in labels) == ([NOW_MS], [1.25], False)


def test_what_no_store_can_keep_is_not_sent(victoria_metrics: VictoriaMetricsServer, store: InfluxStore) -> None:
    old = readings({"power_w": [1.0]}, [NOW_MS - RETENTION_MS - 86_400_000])
    assert [found.reason for found in store.write([old], [])] == ["outside_retention"]
    assert exported(victoria_metrics, "reading_power_w") == []
