"""Rebuild a shard's windows when the store shows the rows they are made of."""

from collections import Counter
from typing import Any, Final, Protocol

from cloud_stream.errors import StoreUnavailableError
from cloud_stream.ports import Store
from cloud_stream.records import Partial, Point
from cloud_stream.sharding import shard_of
from cloud_stream.windows.rebuild import (
    Marks,
    Read,
    Span,
    Work,
    recompute,
    windows_between,
)
from cloud_stream.windows.rollup import Fields, meter_rows, roll_up, roll_up_site
from cloud_stream.windows.settings import WindowSettings
from cloud_stream.windows.usage_rows import stored_rows, usage_point
from wattline.quantities import quantity

BACKOFF_MS: Final = 2_000
"""How long a store that does not answer is left alone."""
MAX_POINTS: Final = 20_000
"""No further meter is begun in a turn that has made so many rows: one span may be a month of them."""


class Memory(Protocol):
    """What the rebuilder must know of the windows in memory."""

    def owns(self, site: str, width_ms: int, window: int) -> bool:
        """Whether a window's rows come from memory and not from rebuilding."""

    def is_main(self, site: str, meter: str) -> bool:
        """Whether a meter counts towards its site."""


class Rebuilder:
    """Collects what must be rebuilt, and does it generation by generation.

    A generation is marked as a whole; when its mark is visible its meters are
    rebuilt from raw rows, its sites from meters' rows and its shard's sums from
    sites' rows. What that changes is asked for in the next generation.

    Attributes:
        counts: `rebuilt_windows`, `waits` for a store that did not answer.
    """

    def __init__(self, shard: str, settings: WindowSettings, store: Store, memory: Memory) -> None:
        """Nothing to do yet."""
        self.counts: Counter[str] = Counter()
        self._shard = shard
        self._settings = settings
        self._store = store
        self._memory = memory
        self._asked = Work()
        self._marked = Work()
        self._marks = Marks(shard)
        self._quiet_until_ms = 0

    @property
    def busy(self) -> bool:
        """Whether anything waits for rebuilding."""
        return bool(self._asked or self._marked)

    def has_begun(self, site: str, meter: str) -> bool:
        """Whether a meter's rebuilding is marked: it will see the rows before its mark, and perhaps no later ones."""
        return (site, meter) in self._marked.meters

    def ask_meter(self, site: str, meter: str, span: Span) -> None:
        """Have the windows that a meter's readings in `span` touch rebuilt."""
        self._asked.add_meter(site, meter, span)

    def ask_shard(self, width_ms: int, window: int) -> None:
        """Have the shard's sum over one window rebuilt."""
        self._asked.shards.add((width_ms, window * width_ms))

    def step(self, now_ms: int) -> tuple[list[Point], list[Partial]]:
        """Mark what was asked for, or rebuild what is marked and visible."""
        if not self._marked:
            if not self._asked:
                return [], []
            self._marked, self._asked = self._asked, Work()
            return [self._marks.next(now_ms)], []
        points: list[Point] = []
        partials: list[Partial] = []
        if now_ms >= self._quiet_until_ms:
            try:
                if self._marks.reached(self._store.mark(self._shard)):
                    self._run(points, partials)
            except StoreUnavailableError:
                self.counts["waits"] += 1
                self._quiet_until_ms = now_ms + BACKOFF_MS
        return points, partials

    def snapshot(self) -> tuple[Any, ...]:
        """A picklable copy."""
        work = self._asked.copy()
        work.absorb(self._marked)
        return work.meters, work.sites, work.shards

    def restore(self, state: tuple[Any, ...]) -> None:
        """Take a snapshot back; marks of the time before prove nothing now."""
        self._asked.absorb(Work(*state))

    def _run(self, points: list[Point], partials: list[Partial]) -> None:
        """Rebuild as much as one turn may; a failure leaves the rest marked."""
        budget = self._settings.rebuilds_per_timer
        while budget and self._marked.meters and len(points) < MAX_POINTS:
            points += self._rebuild_meter(*self._marked.first_piece())
            self._marked.drop_first_piece()
            budget -= 1
        while budget and self._marked.sites and not self._marked.meters:
            site, windows = next(iter(self._marked.sites.items()))
            points += self._rebuild_site(site, windows)
            del self._marked.sites[site]
            budget -= 1
        if budget and not (self._marked.meters or self._marked.sites):
            partials += self._rebuild_shard(self._marked.shards)
            self._marked.shards = set()

    def _rebuild_meter(self, site: str, meter: str, span: Span) -> list[Point]:
        read: Read = lambda low, high: self._store.readings(site, meter, low, high)  # noqa: E731 (typed, and used once)
        found, names = recompute(read, span, self._settings.widths_ms)
        known = [quantity(name) for name in names]
        points = []
        for width, cells in found.items():
            rows = meter_rows(cells, known, [meter] * len(names))
            for (_, window), fields in rows.items():
                if self._memory.owns(site, width, window):
                    continue
                start_ms = window * width
                points.append(usage_point("meter", site, meter, width, start_ms, fields))
                self._asked.sites.setdefault(site, set()).add((width, start_ms))
        self.counts["rebuilt_windows"] += len(points)
        return points

    def _rebuild_site(self, site: str, windows: set[tuple[int, int]]) -> list[Point]:
        points = []
        for width in self._settings.widths_ms:
            for low, high in windows_between(windows, width):
                tags = {"level": "meter", "site": site}
                stored = stored_rows(self._store, tags, width, low, high)
                rows = {(p.tags["meter"], p.t_ms): fields for p, fields in stored}
                rolled = roll_up_site(site, rows, self._memory.is_main)
                for start_ms, fields in rolled.items():
                    if (width, start_ms) in windows:
                        points.append(usage_point("site", site, "", width, start_ms, fields))
                        self._asked.shards.add((width, start_ms))
        return points

    def _rebuild_shard(self, windows: set[tuple[int, int]]) -> list[Partial]:
        partials = []
        for width in self._settings.widths_ms:
            for low, high in windows_between(windows, width):
                sites: dict[int, list[Fields]] = {}
                for point, fields in stored_rows(self._store, {"level": "site"}, width, low, high):
                    if shard_of(point.tags["site"]) == self._shard:
                        sites.setdefault(point.t_ms, []).append(fields)
                partials += [
                    Partial(self._shard, width, start_ms, roll_up(rows))
                    for start_ms, rows in sites.items()
                    if (width, start_ms) in windows
                ]
        return partials
