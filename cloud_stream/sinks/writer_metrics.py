"""What the store's writers have done and hold, for the metrics page."""

from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from cloud_stream.sinks.writer import StoreWriter
from wattline.errors import LogError

_COUNTERS: Final = {
    "written_points": ("wattline_store_points", "Points sent and not refused."),
    "rejected_rows": ("wattline_store_rejected_rows", "Rows that the store refused for good."),
    "requests": ("wattline_store_requests", "Calls of the store that succeeded."),
    "retries": ("wattline_store_retries", "Calls of the store that did not."),
    "write_s": ("wattline_store_write_seconds", "Time in successful calls."),
    "spooled_points": ("wattline_spool_points", "Points ever put on disk."),
    "spool_refusals": ("wattline_spool_refusals", "How often the spool was full or broken."),
    "spool_unreadable_rows": ("wattline_spool_unreadable_rows", "Rows of the spool that nobody can read any more."),
    "lost_rejections": ("wattline_store_lost_rejections", "Refused rows that could not be kept as dead letters."),
}
"""By the name in `WriterCounters`."""


class WriterCollector(Collector):
    """Counters, backlog and spool of each writer, looked up when somebody looks.

    Args:
        writers: By partition; may grow meanwhile.
    """

    def __init__(self, writers: Mapping[str, StoreWriter]) -> None:
        self._writers = writers

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """What the page shows."""
        writers = dict(self._writers)
        for name, (metric, text) in _COUNTERS.items():
            counter = CounterMetricFamily(metric, text, labels=["partition"])
            for partition, writer in writers.items():
                counter.add_metric([partition], getattr(writer.counters, name))
            yield counter
        yield from _gauges(writers)


def _gauges(writers: Mapping[str, StoreWriter]) -> Iterator[GaugeMetricFamily]:
    """What waits; a spool that cannot be read now has no size."""
    backlog = GaugeMetricFamily("wattline_store_backlog_points", "Points in memory only.", labels=["partition"])
    rows = GaugeMetricFamily("wattline_spool_rows", "Writes that wait on disk.", labels=["partition"])
    size = GaugeMetricFamily("wattline_spool_bytes", "What they take on disk.", labels=["partition"])
    for partition, writer in writers.items():
        backlog.add_metric([partition], writer.backlog_points)
        rows.add_metric([partition], writer.spool_rows)
        try:
            size.add_metric([partition], writer.spool_bytes())
        except LogError:
            continue
    yield from (backlog, rows, size)
