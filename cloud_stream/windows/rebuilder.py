"""Rebuild a shard's windows when the store shows the rows they are made of."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, Protocol

from cloud_stream.errors import StoreUnavailableError
from cloud_stream.ports import Series, Store
from cloud_stream.records import Partial, Point
from cloud_stream.sharding import SHARDS, shard_of
from cloud_stream.windows.rebuild import (
    Marks,
    Span,
    Turn,
    WidthStart,
    Work,
    next_piece,
    recompute,
    span_between,
)
from cloud_stream.windows.rollup import Fields, meter_rows, roll_up, roll_up_site
from cloud_stream.windows.settings import WindowSettings
from cloud_stream.windows.usage_rows import stored_rows, usage_point
from wattline.quantities import quantity

BACKOFF_MS: Final = 2_000
"""How long a store that does not answer is left alone."""
RAW_ROWS_PER_ROW: Final = 8
"""So many raw rows, which are read by the column, cost as much as one row of `usage`."""
SUMS: Final = ""
"""Stands for the shard's sums among the sites; no site has an empty name."""


class Memory(Protocol):
    """What the rebuilder must know of the windows in memory."""

    def owns(self, site: str, width_ms: int, window: int) -> bool:
        """Whether a window's rows come from memory and not from rebuilding."""

    def is_main(self, site: str, meter: str) -> bool:
        """Whether a meter counts towards its site."""

    def sites(self) -> int:
        """How many sites the shard knows."""

    def meters_of(self, site: str) -> int:
        """How many meters a site has."""


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
        self._began_ms: dict[str, int] = {}

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
            self._marked = self._begin(now_ms)
            return ([self._marks.next(now_ms)] if self._marked else []), []
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

    def _begin(self, now_ms: int) -> Work:
        """What was asked for, but for sites and sums that were rebuilt a moment ago."""
        began = {site: at_ms for site, at_ms in self._began_ms.items() if 0 <= now_ms - at_ms < self._settings.rest_ms}
        work = self._asked.take(began, sums=SUMS not in began)
        began.update(dict.fromkeys((site for site, _ in work.meters), now_ms))
        if work.shards:
            began[SUMS] = now_ms
        self._began_ms = began
        return work

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
        settings, marked = self._settings, self._marked
        turn = Turn(settings.rebuilds_per_timer, settings.turn_rows)
        while turn and marked.meters:
            points += self._rebuild_meter(*marked.first_piece(), turn)
            marked.drop_first_piece()
        while turn and marked.sites and not marked.meters:
            site, windows = next(iter(marked.sites.items()))
            points += self._rebuild_site(site, windows, turn)
            if not windows:
                del marked.sites[site]
        while turn and marked.shards and not (marked.meters or marked.sites):
            partials += self._rebuild_shard(marked.shards, turn)

    def _rebuild_meter(self, site: str, meter: str, span: Span, turn: Turn) -> list[Point]:
        raw_rows = 0

        def read(low_ms: int, high_ms: int) -> Mapping[str, Series]:
            nonlocal raw_rows
            series = self._store.readings(site, meter, low_ms, high_ms)
            raw_rows += max((len(one.t_ms) for one in series.values()), default=0)
            return series

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
        turn.spend(len(points) + raw_rows // RAW_ROWS_PER_ROW)
        return points

    def _rebuild_site(self, site: str, windows: set[WidthStart], turn: Turn) -> list[Point]:
        """Rebuild the first piece of a site's windows, and take it away."""
        piece = next_piece(windows, self._memory.meters_of(site), self._settings.piece_rows)
        width, low, high = span_between(piece)
        stored = stored_rows(self._store, {"level": "meter", "site": site}, width, low, high)
        rows = {(p.tags["meter"], p.t_ms): fields for p, fields in stored if (width, p.t_ms) in piece}
        rolled = roll_up_site(site, rows, self._memory.is_main)
        self._asked.shards |= {(width, start_ms) for start_ms in rolled}
        windows -= piece
        turn.spend(len(stored) + len(rolled))
        return [usage_point("site", site, "", width, start_ms, fields) for start_ms, fields in rolled.items()]

    def _rebuild_shard(self, windows: set[WidthStart], turn: Turn) -> list[Partial]:
        """Rebuild the first piece of the shard's sums, and take it away; the rows of all shards' sites are read."""
        piece = next_piece(windows, self._memory.sites() * SHARDS, self._settings.piece_rows)
        width, low, high = span_between(piece)
        stored = stored_rows(self._store, {"level": "site"}, width, low, high)
        sites: dict[int, list[Fields]] = {}
        for point, fields in stored:
            if (width, point.t_ms) in piece and shard_of(point.tags["site"]) == self._shard:
                sites.setdefault(point.t_ms, []).append(fields)
        windows -= piece
        turn.spend(len(stored) + len(sites))
        return [Partial(self._shard, width, start_ms, roll_up(rows)) for start_ms, rows in sites.items()]
