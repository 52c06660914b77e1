"""So many series a second: all shards of a process forecast in the thread that also takes readings in."""

from math import ceil
from typing import Final
from weakref import WeakKeyDictionary

SERIES_PER_S: Final = 400
"""About 200 ms of a core with the models that come with the program."""
_SECOND_MS: Final = 1000


class Turn:
    """What the steps of one process may still do in this second; they share one object.

    Args:
        series_per_s: Forecasts that all of them together may issue a second.
    """

    def __init__(self, series_per_s: int = SERIES_PER_S) -> None:
        self._series_per_s = series_per_s
        self._second = -1
        self._left = 0
        self._waiting: WeakKeyDictionary[object, int] = WeakKeyDictionary()

    def take(self, who: object, wanted: int, now_ms: int) -> int:
        """How many of the `wanted` series may be forecast now.

        Args:
            who: The step that asks.
            wanted: How many it has still to forecast; 0 when it has none left.
            now_ms: The wall clock, ms UTC.
        """
        if now_ms // _SECOND_MS != self._second:
            self._second, self._left = now_ms // _SECOND_MS, self._series_per_s
        granted = min(wanted, self._left)
        self._left -= granted
        self._waiting.pop(who, None)
        if wanted > granted:
            self._waiting[who] = wanted - granted
        return granted

    def wait_s(self, who: object) -> float:
        """How long it takes until all who asked before have had their turn: asking earlier is in vain."""
        if who not in self._waiting:
            return 0.0
        before = 0
        for other, series in self._waiting.items():
            if other is who:
                break
            before += series
        return float(ceil(max(1, before) / self._series_per_s))
