"""The notifier's Prometheus metrics, looked up when somebody looks."""

from collections.abc import Iterator, Sequence
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from cloud_stream.keyed_queue import DROPPED, KeyedQueue
from cloud_stream.notify.ledger import Ledger
from wattline.errors import LogError

_COUNTED: Final = {
    "made": "Messages made.",
    "sent": "Messages that have arrived.",
    "failed": "Attempts that failed.",
    "given_up": "Messages given up.",
    "silenced": "Notices that nobody was told because of a silence.",
    "cancelled": "Notices that cancelled out before anybody was told.",
    "expired": "Notices that a channel had waited for too long.",
    "below_min_severity": "Notices recorded only.",
}


class NotifyCollector(Collector):
    """What the notifier has done and what waits; left out while its files cannot be read.

    Args:
        ledger: The notifier's.
        queue: Of notices.
        channels: All names, so that one without anything waiting shows 0.
    """

    def __init__(self, ledger: Ledger, queue: KeyedQueue, channels: Sequence[str]) -> None:
        self._ledger = ledger
        self._queue = queue
        self._channels = channels

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """See `Collector`."""
        try:
            counts, unfinished, queue = self._ledger.counts(), self._ledger.unfinished(), self._queue.counts()
        except LogError:
            return
        for name, text in _COUNTED.items():
            yield CounterMetricFamily(f"wattline_notify_{name}", text, value=counts.get(name, 0))
        dropped = queue.outcomes.get(DROPPED, 0)
        yield CounterMetricFamily("wattline_notify_dropped", "Notices dropped from a full queue.", value=dropped)
        yield GaugeMetricFamily("wattline_notify_queued", "Notices not taken yet.", value=queue.waiting)
        waiting = GaugeMetricFamily("wattline_notify_waiting", "Messages not delivered yet.", labels=["channel"])
        for channel in dict.fromkeys((*self._channels, *unfinished)):
            waiting.add_metric([channel], unfinished.get(channel, 0))
        yield waiting
