"""The daily run over all sites: read, find, store."""

import logging
from collections import Counter
from collections.abc import Iterator
from typing import Final

from cloud_stream.correlation.drivers import findings
from cloud_stream.correlation.reading import Reading
from cloud_stream.correlation.stored import correlation_points
from cloud_stream.ports import Store
from cloud_stream.records import Point

_log: Final = logging.getLogger("cloud_stream.correlation")
POINTS_AT_ONCE: Final = 2_000


def correlate_all(reading: Reading, store: Store, now_ms: int) -> Counter[str]:
    """Find and store what drives every site that is alive, and its meters.

    Running it again on the same day writes the same points.

    Args:
        reading: Where from.
        store: Where to.
        now_ms: The wall clock.

    Returns:
        `sites`, `points`, `refused` points.

    Raises:
        StoreUnavailableError: It does not answer now; what was stored stays.
    """
    counts: Counter[str] = Counter()
    waiting: list[Point] = []
    for site in reading.live_sites(now_ms):
        waiting += points_of(reading, site, now_ms)
        counts["sites"] += 1
        if len(waiting) >= POINTS_AT_ONCE:
            _flush(store, waiting, counts)
            waiting = []
    _flush(store, waiting, counts)
    _log.info("correlations_found sites=%d points=%d", counts["sites"], counts["points"])
    return counts


def points_of(reading: Reading, site: str, now_ms: int) -> Iterator[Point]:
    """The points of one site and its meters."""
    history = reading.site(site, now_ms)
    day_ms = int(history.span.day_start_ms[-2])
    yield from correlation_points(site, "", day_ms, findings(history))
    for meter, of_meter in reading.meters(site, history).items():
        yield from correlation_points(site, meter, day_ms, findings(of_meter))


def _flush(store: Store, points: list[Point], counts: Counter[str]) -> None:
    if points:
        refused = store.write((), points)
        counts["points"] += len(points) - len(refused)
        counts["refused"] += len(refused)
