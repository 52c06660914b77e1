"""Prometheus metrics of our own, and the page that shows them.

Each process has its own page; a name means the same on every page. Nothing here is global: counters belong to the
registry they were made with.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from wattline.durable_log import DurableLog
from wattline.errors import ConfigError, LogError

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class IngestCounters:
    """What ingest counts.

    Attributes:
        messages: MQTT messages in the journal.
        payload_bytes: Their payloads.
        rejected: Those among them that are dead letters already, by reason.
        commits: Transactions of the journal.
        commit_failures: Attempts that failed, by `full`, `broken` or `registry`; nothing was acknowledged.
        commit_seconds: Time of a transaction.
        acks: End-to-end acknowledgements sent.
        stale_acks: PUBACKs dropped because their connection is gone.
        connections: Sessions that the broker accepted, with all subscriptions.
        connection_failures: Attempts that failed, and sessions that were lost.
        connected: 1 while there is such a session.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, labels: Sequence[str] = ()) -> Counter:
            return Counter(f"wattline_ingest_{name}", text, labels, registry=registry)

        self.messages = counter("messages", "MQTT messages in the journal.")
        self.payload_bytes = counter("payload_bytes", "Bytes of their payloads.")
        self.rejected = counter("rejected", "Messages journaled as dead letters.", ["reason"])
        self.commits = counter("commits", "Transactions of the journal.")
        self.commit_failures = counter("commit_failures", "Failed attempts to commit a group.", ["kind"])
        self.acks = counter("acks", "End-to-end acknowledgements sent.")
        self.stale_acks = counter("stale_acks", "PUBACKs dropped with their connection.")
        self.connections = counter("connections", "Sessions that the broker accepted, with all subscriptions.")
        self.connection_failures = counter("connection_failures", "Failed attempts and lost sessions.")
        self.connected = Gauge("wattline_ingest_connected", "Whether there is a session.", registry=registry)
        self.commit_seconds = Histogram(
            "wattline_ingest_commit_seconds", "Time of a transaction.", buckets=_SECONDS, registry=registry
        )


class FlowCounters:
    """What a process of the flow counts.

    Attributes:
        readings: Readings handed to the store, without duplicates.
        batches: Batches decoded, without duplicates.
        duplicates: Batches that had been seen.
        late_values: Values that were older than the newest of their series: their windows are rebuilt.
        dead_letters: By reason.
        dead_letters_lost: Those that could not be kept.
        step_events: What else the steps count, by step and event.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, labels: Sequence[str] = ()) -> Counter:
            return Counter(f"wattline_{name}", text, labels, registry=registry)

        self._registry = registry
        self.readings = counter("readings", "Readings handed to the store, without duplicates.")
        self.batches = counter("batches", "Batches decoded, without duplicates.")
        self.duplicates = counter("duplicates", "Batches that had been seen.")
        self.late_values = counter("late_values", "Values older than the newest of their series.")
        self.dead_letters = counter("dead_letters", "Messages and rows that could not be used.", ["reason"])
        self.dead_letters_lost = counter("dead_letters_lost", "Dead letters that could not be kept.")
        self.step_events = counter("step_events", "What else the steps of the flow count.", ["step", "event"])
        self._named = {
            "readings": self.readings,
            "batches": self.batches,
            "duplicates": self.duplicates,
            "late_rows": self.late_values,
            "too_many_series": self.dead_letters.labels("too_many_series"),
        }

    def count_step(self, step: str, grown: Mapping[str, int]) -> None:
        """Add what a step has counted since the last call, by the step's own names for it."""
        for event, n in grown.items():
            (self._named.get(event) or self.step_events.labels(step, event)).inc(n)

    def count_dead_letters(self, by_reason: Mapping[str, int]) -> None:
        """Add dead letters."""
        for reason, n in by_reason.items():
            self.dead_letters.labels(reason).inc(n)

    def show(self, collector: Collector) -> None:
        """Show what a collector looks up."""
        self._registry.register(collector)

    def watch_commit_age(self, age_s: Callable[[], float]) -> None:
        """Show how long ago the last commit was.

        Args:
            age_s: Asked at every look at the page, in seconds, from another thread.
        """
        gauge = Gauge("wattline_commit_age_seconds", "Time since the last commit.", registry=self._registry)
        gauge.set_function(age_s)


class JournalCollector(Collector):
    """Rows, bytes and age of each partition, looked up when somebody looks.

    `wattline_journal_lag_rows` are the rows that the flow has not committed: it truncates what it has.

    Args:
        partitions: Open handles, safe to use from the page's thread.
        now_ms: The time, ms UTC.
    """

    def __init__(self, partitions: Sequence[DurableLog], now_ms: Callable[[], int]) -> None:
        self._partitions = partitions
        self._now_ms = now_ms

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """What the page shows; a partition that cannot be read now is left out."""
        rows = GaugeMetricFamily("wattline_journal_lag_rows", "Rows not committed by the flow.", labels=["partition"])
        size = GaugeMetricFamily("wattline_journal_bytes", "Bytes held.", labels=["partition"])
        age = GaugeMetricFamily("wattline_journal_oldest_seconds", "Age of the oldest row.", labels=["partition"])
        for number, log in enumerate(self._partitions):
            try:
                oldest_ms = log.oldest_at_ms()
                values = (lag_rows(log), log.held_bytes(), (self._now_ms() - oldest_ms) / 1000 if oldest_ms else 0.0)
            except LogError:
                continue
            for family, value in zip((rows, size, age), values, strict=True):
                family.add_metric([str(number)], value)
        yield from (rows, size, age)


def lag_rows(log: DurableLog) -> int:
    """The rows that a partition holds, without counting them one by one.

    Raises:
        LogBrokenError: It cannot be read now.
    """
    return log.last_seq() + 1 - log.oldest()


@contextmanager
def serving(registry: CollectorRegistry, bind: str, port: int) -> Iterator[int]:
    """Show the metrics over HTTP for as long as the block runs.

    Args:
        registry: What to show.
        bind: The address to listen on.
        port: The port; 0 shows nothing.

    Yields:
        The port, 0 when nothing is shown.

    Raises:
        ConfigError: The address cannot be used.
    """
    if not port:
        yield 0
        return
    try:
        server, thread = start_http_server(port, bind, registry)
    except OSError as error:
        raise ConfigError("metrics", f"cannot listen on {bind}:{port}: {error.strerror or error}") from None
    try:
        yield port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
