"""The cells of one window width that a shard holds in memory.

A site's window is in memory whole or not at all. `left` says, per site, the
newest window that has ever left: an absent window that is not newer was here
before, so nothing may be merged into it; it is rebuilt from the store.
"""

from typing import Any

import numpy as np

from cloud_stream.records import Int64s
from cloud_stream.windows.fold import WINDOW_BITS, Cells, merge, no_cells

SiteWindow = tuple[int, int]
"""A site's number and a window number."""


class CellTable:
    """Cells of one width; see the module's text for the rules.

    Attributes:
        cells: All cells in memory.
        left: Site number to the newest window that has left memory.
        dirty: Site windows that changed since they were last taken.
    """

    def __init__(self) -> None:
        """An empty table."""
        self.cells = no_cells()
        self.left: dict[int, int] = {}
        self.dirty: set[SiteWindow] = set()
        self._touched: dict[SiteWindow, int] = {}

    def __len__(self) -> int:
        """How many cells are in memory."""
        return len(self.cells)

    def holds(self, site: int, window: int) -> bool:
        """Whether that site's window is in memory."""
        return (site, window) in self._touched

    def may_merge(self, site: int, window: int) -> bool:
        """Whether new readings of that window may be merged here."""
        return (site, window) in self._touched or window > self.left.get(site, -1)

    def add(self, new: Cells, site_of: Int64s, now_ms: int) -> Cells:
        """Merge what may be merged.

        Args:
            new: What readings add.
            site_of: Site number by series number.
            now_ms: When, for `evictable`.

        Returns:
            The cells whose windows must be rebuilt instead.
        """
        if not len(new):
            return new
        pairs = (site_of[new.series] << WINDOW_BITS) | new.window
        distinct, which = np.unique(pairs, return_inverse=True)
        mergeable = np.fromiter((self._touch(int(pair), now_ms) for pair in distinct), np.bool_)[which]
        self.cells = merge([self.cells, new.where(mergeable)])
        return new.where(~mergeable)

    def _touch(self, pair: int, now_ms: int) -> bool:
        key = (pair >> WINDOW_BITS, pair & ((1 << WINDOW_BITS) - 1))
        if not self.may_merge(*key):
            return False
        self._touched[key] = now_ms
        self.dirty.add(key)
        return True

    def retire(self, site: int, window: int) -> None:
        """Say that a window, and each before it that is not in memory, belongs to the store from now on."""
        self.left[site] = max(window, self.left.get(site, -1))

    def evict(self, gone: set[SiteWindow], site_of: Int64s) -> Cells:
        """Take whole site windows out of memory.

        Returns:
            Their cells.
        """
        if not gone:
            return no_cells()
        for site, window in gone:
            self.retire(site, window)
            self._touched.pop((site, window), None)
        self.dirty -= gone
        pairs = (site_of[self.cells.series] << WINDOW_BITS) | self.cells.window
        codes = np.fromiter(((s << WINDOW_BITS) | w for s, w in gone), np.int64)
        leaving = np.isin(pairs, codes)
        evicted = self.cells.where(leaving)
        self.cells = self.cells.where(~leaving)
        return evicted

    def evictable(self, idle_before_ms: int, max_cells: int) -> set[SiteWindow]:
        """Site windows untouched since then, and the longest untouched above the count."""
        gone = {key for key, at in self._touched.items() if at < idle_before_ms}
        excess = len(self.cells) - max_cells
        if excess > 0:
            share = len(self.cells) / max(1, len(self._touched))
            oldest = sorted(self._touched, key=lambda key: (self._touched[key], key[1]))
            gone.update(oldest[: int(excess / share) + 1])
        return gone

    def reach(self, series: int, low: int, high: int, newest: int) -> tuple[int, int]:
        """The windows that late readings in [low, high] may change.

        Consumption is spread from reading to reading, over windows that hold
        none. Where the next window with a reading of the series is not in
        memory, it may be anywhere on that side.

        Args:
            series: The series.
            low: The first window with a late reading.
            high: The last.
            newest: The window of the newest reading of the series.

        Returns:
            The first and the last such window.
        """
        begin, end = np.searchsorted(self.cells.code, [series << WINDOW_BITS, (series + 1) << WINDOW_BITS])
        read = self.cells.window[begin:end][self.cells.n[begin:end] > 0]
        below, above = read[read < low], read[read > high]
        return (
            int(below[-1]) if len(below) else 0,
            int(above[0]) if len(above) else max(high, newest),
        )

    def held(self, site: int, low: int, high: int) -> set[SiteWindow]:
        """The site's windows in memory within [low, high]."""
        if high - low < len(self._touched):
            span = ((site, window) for window in range(low, high + 1))
            return {key for key in span if key in self._touched}
        return {k for k in self._touched if k[0] == site and low <= k[1] <= high}

    def snapshot(self) -> tuple[Any, ...]:
        """A picklable copy; the arrays are never changed in place."""
        return self.cells, dict(self.left), dict(self._touched)

    def restore(self, state: tuple[Any, ...]) -> None:
        """Take a snapshot back; every window is dirty, an emission may be lost."""
        self.cells, self.left, self._touched = state[0], dict(state[1]), dict(state[2])
        self.dirty = set(self._touched)
