"""The fleet's windows: the sum of the shards' newest words, never an addition.

A shard's partial replaces what that shard said before about the window, so a
repeat after a crash changes nothing. Partials of windows that have left memory
are written to the store, and the fleet's row is rebuilt from there once the
mark behind them is visible.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from cloud_stream.errors import StoreUnavailableError
from cloud_stream.ports import Store
from cloud_stream.records import Partial, Point
from cloud_stream.sharding import FLEET, SHARDS
from cloud_stream.windows.rebuild import Marks, Turn, WidthStart, next_piece, span_between
from cloud_stream.windows.rebuilder import BACKOFF_MS
from cloud_stream.windows.rollup import Fields, roll_up
from cloud_stream.windows.settings import WindowSettings
from cloud_stream.windows.usage_rows import stored_rows, usage_point


class FleetWindows:
    """All windows of the fleet level; call order as `ShardWindows`.

    Attributes:
        counts: `rebuilt_windows`, `waits` for a store that did not answer.
    """

    def __init__(self, settings: WindowSettings, store: Store) -> None:
        """Nothing in memory."""
        self.counts: Counter[str] = Counter()
        self._settings = settings
        self._store = store
        self._windows: dict[WidthStart, dict[str, Fields]] = {}
        self._touched: dict[WidthStart, int] = {}
        self._left: dict[int, int] = {}
        self._dirty: set[WidthStart] = set()
        self._asked: set[WidthStart] = set()
        self._marked: set[WidthStart] = set()
        self._marks = Marks(FLEET)
        self._quiet_until_ms = 0

    def on_batch(self, partials: Sequence[Partial], now_ms: int) -> list[Point]:
        """Take shards' partials; returns their rows for the store."""
        for partial in partials:
            key = (partial.width_ms, partial.start_ms)
            if self._in_memory(key):
                shards = self._windows.pop(key, {})
                shards[partial.shard] = partial.fields
                self._windows[key] = shards
                self._touched[key] = now_ms
                self._dirty.add(key)
            else:
                self._asked.add(key)
        return [usage_point("shard", p.shard, "", p.width_ms, p.start_ms, p.fields) for p in partials]

    def on_timer(self, now_ms: int) -> list[Point]:
        """Emit changed windows, let the longest untouched go, rebuild."""
        points = [_fleet_point(key, self._windows[key].values()) for key in sorted(self._dirty)]
        self._dirty.clear()
        self._let_go(now_ms)
        return points + self._rebuild(now_ms)

    @property
    def settled(self) -> bool:
        """Whether everything that was taken in has been emitted and rebuilt."""
        return not (self._dirty or self._asked or self._marked)

    def snapshot(self) -> tuple[Any, ...]:
        """A picklable copy of the whole state."""
        windows = {key: dict(shards) for key, shards in self._windows.items()}
        asked = self._asked | self._marked
        return windows, dict(self._left), asked, dict(self._touched)

    def restore(self, state: tuple[Any, ...]) -> None:
        """Take a snapshot back; every window in memory is emitted again."""
        self._windows = {key: dict(shards) for key, shards in state[0].items()}
        self._left = dict(state[1])
        self._asked = set(state[2])
        self._touched = dict(state[3])
        self._dirty = set(self._windows)

    def _in_memory(self, key: WidthStart) -> bool:
        return key in self._windows or key[1] > self._left.get(key[0], -1)

    def _let_go(self, now_ms: int) -> None:
        """Dictionaries keep the order of touching: the first is the stalest."""
        bound = self._settings.fleet_windows * len(self._settings.widths_ms)
        idle_before_ms = now_ms - self._settings.idle_ms
        while self._windows:
            key = next(iter(self._windows))
            crowded = len(self._windows) > bound
            if not crowded and self._touched[key] >= idle_before_ms:
                break
            del self._windows[key], self._touched[key]
            self._left[key[0]] = max(key[1], self._left.get(key[0], -1))

    def _rebuild(self, now_ms: int) -> list[Point]:
        if not self._marked:
            if not self._asked:
                return []
            self._marked, self._asked = self._asked, set()
            return [self._marks.next(now_ms)]
        if now_ms < self._quiet_until_ms:
            return []
        points: list[Point] = []
        try:
            if self._marks.reached(self._store.mark(FLEET)):
                self._run(points)
        except StoreUnavailableError:
            self.counts["waits"] += 1
            self._quiet_until_ms = now_ms + BACKOFF_MS
        return points

    def _run(self, points: list[Point]) -> None:
        """Rebuild as much as one turn may; a failure leaves the rest marked."""
        settings = self._settings
        turn = Turn(settings.rebuilds_per_timer, settings.turn_rows)
        while turn and self._marked:
            piece = next_piece(self._marked, SHARDS, settings.piece_rows)
            width, low, high = span_between(piece)
            stored = stored_rows(self._store, {"level": "shard"}, width, low, high)
            rows: dict[WidthStart, list[Fields]] = {}
            for point, fields in stored:
                rows.setdefault((width, point.t_ms), []).append(fields)
            wanted = sorted(piece & rows.keys())
            points += [_fleet_point(key, rows[key]) for key in wanted]
            self.counts["rebuilt_windows"] += len(wanted)
            self._marked -= piece
            turn.spend(len(stored) + len(wanted))


def _fleet_point(key: WidthStart, shards: Iterable[Fields]) -> Point:
    return usage_point(FLEET, "", "", key[0], key[1], roll_up(shards))
