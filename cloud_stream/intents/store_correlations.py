"""What consumption goes along with, as the daily job has left it in the store."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from math import nan
from typing import Final

from cloud_stream.errors import StoreError
from cloud_stream.intents.ports import Correlation
from cloud_stream.ports import Store
from cloud_stream.records import Point

_log: Final = logging.getLogger("cloud_stream.intents")
KEPT_MS: Final = 8 * 86_400_000
"""Older results are not used: the job has missed a week."""
FRESH_MS: Final = 3_600_000
MAX_SITES: Final = 1000


class StoreCorrelations:
    """`Correlations` from a store; a site is looked up at most once an hour.

    Args:
        store: Prepared; used from the caller's thread.
        clock_ms: The wall clock.
    """

    def __init__(self, store: Store, clock_ms: Callable[[], int]) -> None:
        self._store = store
        self._clock_ms = clock_ms
        self._found: OrderedDict[str, tuple[int, Sequence[Correlation]]] = OrderedDict()

    def __call__(self, site: str) -> Sequence[Correlation]:
        """The newest results of a site; never raises: a store that is away has none."""
        now_ms = self._clock_ms()
        looked_ms, found = self._found.get(site, (0, ()))
        if now_ms - looked_ms < FRESH_MS:
            return found
        self._found[site] = (now_ms, fresh := self._look(site, now_ms))
        self._found.move_to_end(site)
        if len(self._found) > MAX_SITES:
            self._found.popitem(last=False)
        return fresh

    def _look(self, site: str, now_ms: int) -> Sequence[Correlation]:
        try:
            points = self._store.points("correlation", {"level": "site", "site": site}, now_ms - KEPT_MS, now_ms)
        except StoreError as error:
            _log.warning("correlations_unknown site=%s error=%s", site, error)
            return ()
        newest = {point.tags.get("driver", ""): _read(point) for point in points}
        return tuple(newest.values())


def _read(point: Point) -> Correlation:
    def number(name: str) -> float:
        value = point.fields.get(name)
        return float(value) if isinstance(value, int | float) else nan

    numbers = {name: number(name) for name in Correlation._fields if name not in {"driver", "n"}}
    count = number("n")
    return Correlation(point.tags.get("driver", ""), **numbers, n=0 if count != count else int(count))  # noqa: PLR0124 (NaN)
