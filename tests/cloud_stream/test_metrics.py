"""The metrics and their page."""

import urllib.request
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from cloud_stream.metrics import FlowCounters, IngestCounters, JournalCollector, lag_rows, serving
from wattline.durable_log import DurableLog, WhenFull
from wattline.errors import ConfigError
from wattline.local_servers import LOOPBACK, free_port


def _log(tmp_path: Path) -> DurableLog:
    return DurableLog(tmp_path / "part-00.db", max_bytes=1 << 20, when_full=WhenFull.REFUSE)


def test_the_page_shows_what_was_counted() -> None:
    registry = CollectorRegistry()
    flow = FlowCounters(registry)
    flow.count_step("shard", {"readings": 12})
    flow.count_step("fleet", {"waits": 2})
    flow.count_dead_letters({"bad_json": 2, "foreign_site": 1})
    flow.watch_commit_age(lambda: 1.5)
    IngestCounters(registry).messages.inc(3)
    with serving(registry, LOOPBACK, free_port()) as port, urllib.request.urlopen(f"http://{LOOPBACK}:{port}") as page:
        text = page.read().decode()
    for line in (
        "wattline_readings_total 12.0",
        'wattline_dead_letters_total{reason="bad_json"} 2.0',
        "wattline_commit_age_seconds 1.5",
        "wattline_ingest_messages_total 3.0",
        "wattline_batches_total 0.0",
        "wattline_duplicates_total 0.0",
        "wattline_late_values_total 0.0",
        "wattline_dead_letters_lost_total 0.0",
        'wattline_step_events_total{event="waits",step="fleet"} 2.0',
    ):
        assert f"\n{line}\n" in text


def test_the_lag_is_what_the_flow_has_not_truncated(tmp_path: Path) -> None:
    with closing(_log(tmp_path)) as log:
        lags = [lag_rows(log)]
        log.append_many([b"a", b"b", b"c"], 1000)
        lags.append(lag_rows(log))
        log.truncate_through(2)
        lags.append(lag_rows(log))
        log.truncate_through(3)
        lags.append(lag_rows(log))
    assert lags == [0, 3, 1, 0]


def test_each_partition_shows_rows_bytes_and_age(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    with closing(_log(tmp_path)) as log:
        registry.register(JournalCollector([log], lambda: 3500))
        assert registry.get_sample_value("wattline_journal_oldest_seconds", {"partition": "0"}) == 0
        log.append_many([b"a"], 1000)
        assert registry.get_sample_value("wattline_journal_lag_rows", {"partition": "0"}) == 1
        assert registry.get_sample_value("wattline_journal_oldest_seconds", {"partition": "0"}) == 2.5
        assert (registry.get_sample_value("wattline_journal_bytes", {"partition": "0"}) or 0) > 0


def test_port_0_shows_nothing() -> None:
    with serving(CollectorRegistry(), LOOPBACK, 0) as port:
        assert port == 0


def test_an_address_that_cannot_be_used_is_a_configuration_error() -> None:
    port = free_port()
    with (
        serving(CollectorRegistry(), LOOPBACK, port),
        pytest.raises(ConfigError, match="cannot listen"),
        serving(CollectorRegistry(), LOOPBACK, port),
    ):
        pass
