"""The writers on the metrics page."""

from dataclasses import fields

from prometheus_client import CollectorRegistry

from cloud_stream.sinks.writer import StoreWriter, WriterCounters
from cloud_stream.sinks.writer_metrics import _COUNTERS, WriterCollector
from tests.cloud_stream.sinks.conftest import Place
from tests.cloud_stream.stores.columns import NOW_MS, readings
from tests.cloud_stream.waiting import wait_until


def page(writers: dict[str, StoreWriter]) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(WriterCollector(writers))
    samples = [sample for family in registry.collect() for sample in family.samples]
    assert all(sample.labels == {"partition": "store-0"} for sample in samples)
    return {sample.name.removeprefix("wattline_"): sample.value for sample in samples}


def test_every_counter_of_a_writer_is_shown() -> None:
    assert list(_COUNTERS) == [field.name for field in fields(WriterCounters)]


def test_without_writers_there_is_nothing_to_show() -> None:
    assert page({}) == {}


def test_what_was_written_is_shown_with_the_time_it_took(place: Place) -> None:
    writer = place.writer()
    writer.write([readings({"power_w": [1.0, 2.0, 3.0]}, [NOW_MS, NOW_MS + 1, NOW_MS + 2])])
    wait_until(lambda: page({"store-0": writer})["store_points_total"] == 3, "written")
    shown = page({"store-0": writer})
    assert shown["store_requests_total"] == 1
    assert shown["store_write_seconds_total"] > 0
    assert (shown["store_backlog_points"], shown["spool_rows"]) == (0, 0)


def test_what_waits_for_the_store_is_shown(place: Place) -> None:
    place.take_away()
    writer = place.writer()
    empty_bytes = page({"store-0": writer})["spool_bytes"]
    writer.write([readings({"power_w": [1.0] * 5000}, list(range(NOW_MS, NOW_MS + 5000)))])
    wait_until(lambda: page({"store-0": writer})["spool_rows"] == 1, "spooled")
    shown = page({"store-0": writer})
    assert shown["spool_points_total"] == 5000
    assert shown["spool_bytes"] > empty_bytes
    assert shown["store_retries_total"] > 0


def test_a_spool_that_cannot_be_read_has_no_size(place: Place) -> None:
    writer = place.writer()
    for file in place.spool_path.parent.glob("spool.db*"):
        file.unlink()
    place.spool_path.mkdir()
    assert "spool_bytes" not in page({"store-0": writer})
