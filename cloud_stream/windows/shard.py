"""One shard of the fleet: deduplication, and its meters' and sites' windows.

A plain step class without an engine or a clock. Readings are collected and
folded once per timer, because a fold costs the same for one message as for a
thousand.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import compress
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cloud_stream.dedup import Dedup
from cloud_stream.ports import Store
from cloud_stream.records import Columns, DeadLetter, Int64s, Message, Origin, Partial, Point, ShardBatch
from cloud_stream.windows.cells import CellTable, SiteWindow
from cloud_stream.windows.fold import WINDOW_BITS, Cells, Rows, coarser, fold
from cloud_stream.windows.rebuild import Span, span_of
from cloud_stream.windows.rebuilder import Rebuilder
from cloud_stream.windows.rollup import Fields, meter_rows, roll_up, roll_up_site
from cloud_stream.windows.series import SeriesTable
from cloud_stream.windows.settings import WindowSettings
from cloud_stream.windows.usage_rows import usage_point

Output = Columns | tuple[Point, ...] | tuple[Partial, ...] | tuple[DeadLetter, ...]
MAIN: Final = "main"
LET_GO_EVERY_MS: Final = 10_000
MAX_SITE_ROLES: Final = 5_000
"""Meters of a site that are told not to be main ones."""
TOO_MANY: Final = "too_many_series"
MAX_DETAIL: Final = 200


class ShardWindows:
    """The windows of one shard.

    Call order: `restore` perhaps, then `on_batch`, `on_timer` and `snapshot` in
    any order; from one thread.

    Attributes:
        shard: Its name.
        counts: `batches`, `duplicates`, `readings`, `late_rows`, and `too_many_series`: dead letters; and those of its
            `Rebuilder`.
    """

    def __init__(self, shard: str, settings: WindowSettings, store: Store) -> None:
        """An empty shard; the store is only read, for rebuilding."""
        self.shard = shard
        self._settings = settings
        self._dedup = Dedup()
        self._series = SeriesTable()
        self._tables = {width: CellTable() for width in settings.widths_ms}
        self._roles: dict[str, dict[str, str]] = {}
        self._site_rows: dict[tuple[int, int], dict[int, Fields]] = {}
        self._unfolded: list[Columns] = []
        self._partials: set[tuple[int, int]] = set()
        self._let_go_ms = 0
        self._rebuilder = Rebuilder(shard, settings, store, self)
        self.counts = self._rebuilder.counts

    def on_batch(self, batches: Sequence[ShardBatch], now_ms: int) -> list[Output]:
        """Take decoded readings.

        Returns:
            What goes to the store at once: the readings that are new, and the
            points that came along. Dead letters for what would be too many series.
        """
        output: list[Output] = []
        for batch in batches:
            refused = self._learn_roles(batch)
            fresh = self._admitted(self._without_duplicates(batch, now_ms), batch.messages, refused)
            self._unfolded.extend(fresh)
            output.extend(fresh)
            if refused:
                self.counts[TOO_MANY] += len(refused)
                output.append(tuple(refused))
            if batch.points:
                output.append(tuple(batch.points))
        if sum(len(c.t_ms) for c in self._unfolded) > self._settings.fold_rows:
            self._fold(now_ms)
        return output

    def on_timer(self, now_ms: int) -> list[Output]:
        """Emit changed windows, let idle ones go, and move rebuilding on."""
        self._fold(now_ms)
        points = self._emit()
        self._let_go(now_ms)
        partials = self._take_partials()
        rebuilt_points, rebuilt_partials = self._rebuilder.step(now_ms)
        outputs = (tuple(points + rebuilt_points), tuple(partials + rebuilt_partials))
        return [output for output in outputs if output]

    @property
    def settled(self) -> bool:
        """Whether everything that was taken in has been emitted and rebuilt."""
        dirty = any(table.dirty for table in self._tables.values())
        return not (self._unfolded or dirty or self._rebuilder.busy)

    def snapshot(self, now_ms: int) -> tuple[Any, ...]:
        """A picklable copy of the whole state."""
        self._fold(now_ms)
        return (
            self._dedup.snapshot(),
            self._series.snapshot(),
            tuple(table.snapshot() for table in self._tables.values()),
            {(site, meter): role for site, roles in self._roles.items() for meter, role in roles.items()},
            self._rebuilder.snapshot(),
            tuple(self._tables),
        )

    def restore(self, state: tuple[Any, ...]) -> None:
        """Take a snapshot back; every window in memory is emitted again.

        Windows of a new length belong to the store up to the newest reading; those that others were in memory for are
        asked for. Windows of lengths that are made no longer are let go.
        """
        dedup, series, tables, roles, rebuilder, *more = state
        widths = more[0] if more else tuple(self._tables)
        self._dedup.restore(dedup)
        self._series.restore(series)
        self._roles = {}
        for (site, meter), role in roles.items():
            self._roles.setdefault(site, {})[meter] = role
        self._rebuilder.restore(rebuilder)
        saved = dict(zip(widths, tables, strict=True))
        for width in saved.keys() & self._tables.keys():
            self._tables[width].restore(saved[width])
        for new in self._tables.keys() - saved.keys():
            self._leave_to_store(new)
            for width, table in saved.items():
                before = CellTable()
                before.restore(table)
                self._ask_cells(width, before.cells)

    # -- what the rebuilder asks of memory

    def owns(self, site: str, width_ms: int, window: int) -> bool:
        """Whether a window's rows come from memory and not from rebuilding."""
        number = self._series.site_number(site)
        return self._tables[width_ms].may_merge(number, window)

    def is_main(self, site: str, meter: str) -> bool:
        """Whether a meter counts towards its site."""
        return self._roles.get(site, {}).get(meter, MAIN) == MAIN

    def sites(self) -> int:
        """How many sites the shard knows."""
        return len(self._series.sites)

    def meters_of(self, site: str) -> int:
        """How many meters a site has."""
        return self._series.meters_of(site)

    # -- taking readings in

    def _learn_roles(self, batch: ShardBatch) -> list[DeadLetter]:
        """Remember who is not a main meter; a letter for each birth that tells of too many."""
        refused: dict[Origin, DeadLetter] = {}
        for told in batch.roles:
            roles = self._roles.setdefault(told.site, {})
            if roles.get(told.meter, MAIN) == told.role:
                continue
            if told.role == MAIN:
                del roles[told.meter]
            elif told.meter in roles or len(roles) < MAX_SITE_ROLES:
                roles[told.meter] = told.role
            else:
                refused.setdefault(told.origin, told.origin.letter(TOO_MANY, f"the role of {told.meter}"))
                continue
            self._site_changed(told.site)
        return list(refused.values())

    def _site_changed(self, site: str) -> None:
        number = self._series.site_number(site)
        for table in self._tables.values():
            table.dirty |= table.held(number, 0, (1 << WINDOW_BITS) - 1)

    def _without_duplicates(self, batch: ShardBatch, now_ms: int) -> list[Columns]:
        new = np.fromiter(
            (self._dedup.add(m.gateway, m.log, m.seq, m.oldest, now_ms) for m in batch.messages),
            np.bool_,
            len(batch.messages),
        )
        self.counts["duplicates"] += int((~new).sum())
        self.counts["batches"] += int(new.sum())
        kept = batch.columns if new.all() else _only(batch.columns, new)
        return [columns for columns in kept if len(columns.t_ms)]

    def _admitted(
        self, blocks: Sequence[Columns], messages: Sequence[Message], refused: list[DeadLetter]
    ) -> list[Columns]:
        """The frames whose series may have numbers; one letter for each message that has others."""
        kept, too_many = [], dict[int, str]()
        for block in blocks:
            fits = self._series.admit(block)
            kept.append(block if fits.all() else _frames_of(block, fits))
            for place in np.flatnonzero(~fits).tolist():
                named = f"{block.meter[place]}: {' '.join(block.quantities)}"
                too_many.setdefault(int(block.message[place]), named[:MAX_DETAIL])
        refused += [messages[number].origin.letter(TOO_MANY, named) for number, named in too_many.items()]
        fresh = [columns for columns in kept if len(columns.t_ms)]
        self.counts["readings"] += sum(len(columns.t_ms) for columns in fresh)
        return fresh

    def _fold(self, now_ms: int) -> None:
        if not self._unfolded:
            return
        fresh, late = self._series.rows(self._unfolded)
        self._unfolded = []
        base = self._settings.widths_ms[0]
        cells = fold(fresh, self._series.rules, base)
        for width, table in self._tables.items():
            added = cells if width == base else coarser(cells, width // base)
            self._ask_cells(width, table.add(added, self._series.site_of, now_ms))
        if len(late.series):
            self._ask_late(late)

    def _ask_cells(self, width: int, cells: Cells) -> None:
        """Ask for the rebuilding of every meter in these cells."""
        for series, window in set(zip(cells.series.tolist(), cells.window.tolist(), strict=True)):
            self._rebuilder.ask_meter(*self._name(series), span_of(window, width))

    def _ask_begun(self, width: int, evicted: Cells) -> None:
        """Ask again for windows that leave while their meter's rebuilding waits or is under way.

        It may write them now that they are the store's, but its mark is older
        than the last rows that memory had taken in.
        """
        begun = [self._rebuilder.has_begun(*self._name(series)) for series in evicted.series.tolist()]
        self._ask_cells(width, evicted.where(np.array(begun, np.bool_)))

    def _name(self, series: int) -> tuple[str, str]:
        """The site and the meter of a series."""
        return self._series.sites[self._series.site_of[series]], self._series.meters[series]

    def _ask_late(self, late: Rows) -> None:
        """Give the windows that late readings reach to the store, and ask."""
        self.counts["late_rows"] += len(late.series)
        first = np.flatnonzero(np.append(True, late.series[1:] != late.series[:-1]))
        last = np.append(first[1:], len(late.series)) - 1
        ends = late.t_ms + np.maximum(late.interval_ms, 1) - 1
        for begin, end in zip(first.tolist(), last.tolist(), strict=True):
            series = int(late.series[begin])
            span = (int(late.t_ms[begin]), int(ends[begin : end + 1].max()))
            self._hand_over(series, span)
            self._rebuilder.ask_meter(*self._name(series), span)

    def _hand_over(self, series: int, span: Span) -> None:
        """Take every window that a late span may reach out of memory."""
        site, newest_ms = int(self._series.site_of[series]), self._series.newest_ms(series)
        for width, table in self._tables.items():
            low, high = span[0] // width, span[1] // width
            held = table.held(site, *table.reach(series, low, high, newest_ms // width))
            self._ask_cells(width, table.evict(held, self._series.site_of))
            self._forget_rows(width, held)
            table.retire(site, high)

    # -- emitting

    def _emit(self) -> list[Point]:
        points: list[Point] = []
        for width, table in self._tables.items():
            dirty, table.dirty = table.dirty, set()
            if dirty:
                points += self._emit_width(width, table, dirty)
        return points

    def _emit_width(self, width: int, table: CellTable, dirty: set[SiteWindow]) -> list[Point]:
        points: list[Point] = []
        for number, cells in _by_site(table.cells, self._series.site_of, dirty):
            site = self._series.sites[number]
            rows = meter_rows(cells, self._series.quantities, self._series.meters)
            for (meter, window), fields in rows.items():
                points.append(usage_point("meter", site, meter, width, window * width, fields))
            for window, fields in roll_up_site(site, rows, self.is_main).items():
                points.append(usage_point("site", site, "", width, window * width, fields))
                self._site_emitted(width, window, number, fields)
        return points

    def _site_emitted(self, width: int, window: int, site: int, fields: Fields) -> None:
        """Keep a site's row for the shard's sum, or have the sum rebuilt."""
        if self._whole(width, window):
            self._site_rows.setdefault((width, window), {})[site] = fields
            self._partials.add((width, window))
        else:
            self._rebuilder.ask_shard(width, window)

    def _whole(self, width: int, window: int) -> bool:
        """Whether every site's row of a window is in memory."""
        table = self._tables[width]
        return window > max(table.left.values(), default=-1)

    def _take_partials(self) -> list[Partial]:
        taken, self._partials = self._partials, set()
        partials = []
        for width, window in taken:
            rows = self._site_rows.get((width, window))
            if rows and self._whole(width, window):
                fields = roll_up(rows.values())
                partials.append(Partial(self.shard, width, window * width, fields))
            else:
                self._rebuilder.ask_shard(width, window)
        return partials

    def _let_go(self, now_ms: int) -> None:
        settings = self._settings
        max_cells = max(settings.max_cells, settings.min_windows * len(self._series))
        crowded = any(len(t) > max_cells for t in self._tables.values())
        if now_ms < self._let_go_ms and not crowded:
            return
        self._let_go_ms = now_ms + LET_GO_EVERY_MS
        self._dedup.forget_idle(now_ms)
        for width, table in self._tables.items():
            gone = table.evictable(now_ms - settings.idle_ms, max_cells)
            self._ask_begun(width, table.evict(gone, self._series.site_of))
            self._forget_rows(width, gone)

    def _leave_to_store(self, width: int) -> None:
        """Say of every window up to each site's newest reading that it is not in memory."""
        for number, site in enumerate(self._series.site_of.tolist()):
            newest_ms = self._series.newest_ms(number)
            if newest_ms > 0:
                self._tables[width].retire(site, newest_ms // width)

    def _forget_rows(self, width: int, gone: Iterable[SiteWindow]) -> None:
        for _, window in gone:
            if (width, window) in self._partials:
                self._partials.discard((width, window))
                self._rebuilder.ask_shard(width, window)
            self._site_rows.pop((width, window), None)


def _only(columns: Sequence[Columns], new: npt.NDArray[np.bool_]) -> list[Columns]:
    """The columns without the frames of messages that are not new."""
    return [_frames_of(block, new[block.message]) for block in columns]


def _frames_of(block: Columns, frames: npt.NDArray[np.bool_]) -> Columns:
    """Some of the frames."""
    rows = np.repeat(frames, block.length)
    chosen = frames.tolist()
    return Columns(
        block.quantities,
        block.interval_ms,
        block.message[frames],
        list(compress(block.site, chosen)),
        list(compress(block.gateway, chosen)),
        list(compress(block.meter, chosen)),
        block.length[frames],
        block.t_ms[rows],
        block.values[:, rows],
    )


def _by_site(cells: Cells, site_of: Int64s, wanted: set[SiteWindow]) -> Iterator[tuple[int, Cells]]:
    """The cells of the wanted site windows, site by site."""
    sites = site_of[cells.series]
    codes = np.fromiter(((s << WINDOW_BITS) | w for s, w in wanted), np.int64)
    chosen = np.isin((sites << WINDOW_BITS) | cells.window, codes)
    cells, sites = cells.where(chosen), sites[chosen]
    order = np.argsort(sites, kind="stable")
    borders = np.flatnonzero(np.diff(sites[order])) + 1
    for group in np.split(order, borders):
        if len(group):
            yield int(sites[group[0]]), cells.take(group)
