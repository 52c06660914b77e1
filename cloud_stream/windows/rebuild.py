"""Rebuild windows from the store, level by level, once their rows are there.

A window that may not be merged in memory is computed again from the level
below: a meter's from its raw readings (one beyond each border included), a
site's from its meters' rows, a shard's from its sites'. Each step must see what
the step before wrote, whatever lies between (queues, a spool, another host): a
*mark* is written behind it on the same first-in first-out way to the store, and
the step runs when the mark is visible there. A mark carries the incarnation of
its writer, because numbers from before a crash prove nothing.
"""

import uuid
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from cloud_stream.ports import Series
from cloud_stream.records import Point
from cloud_stream.windows.fold import NO_TIME, Cells, Rows, Rules, fold, rule_of
from wattline.quantities import quantity

PIECE_MS: Final = 24 * 3_600_000
"""The most time that is read at once: 86,400 rows of a meter at 1 Hz."""

Span = tuple[int, int]
"""A closed range of times in ms."""
WidthStart = tuple[int, int]
"""A window: its width and its start in ms."""
MERGE_GAP_MS: Final = 3_600_000
"""Spans nearer than this are rebuilt together: one question instead of two."""


class Marks:
    """Numbers the marks of one writer."""

    def __init__(self, shard: str) -> None:
        """Begin a new incarnation."""
        self._shard = shard
        self._incarnation = uuid.uuid4().hex
        self._number = 0

    def next(self, now_ms: int) -> Point:
        """The next mark, to be written behind what it vouches for.

        Marks of one hour have one time, so that they replace each other.
        """
        self._number += 1
        fields: dict[str, str | int] = {
            "incarnation": self._incarnation,
            "number": self._number,
        }
        hour_ms = now_ms - now_ms % 3_600_000
        return Point("flow_mark", {"shard": self._shard}, hour_ms, fields)

    def reached(self, stored: tuple[str, int]) -> bool:
        """Whether the newest mark given out is the stored one."""
        return stored == (self._incarnation, self._number)


class Turn:
    """What one turn may still do: a timer must end soon, however much is to be rebuilt."""

    def __init__(self, pieces: int, rows: int) -> None:
        """So many pieces, and so many rows of `usage` read or made."""
        self._pieces = pieces
        self._rows = rows

    def __bool__(self) -> bool:
        """Whether a further piece may be begun."""
        return self._pieces > 0 and self._rows > 0

    def spend(self, rows: int) -> None:
        """Note a piece that took so many rows."""
        self._pieces -= 1
        self._rows -= rows


@dataclass(slots=True)
class Work:
    """What is to be rebuilt, by level.

    Attributes:
        meters: (site, meter) to spans of time whose readings changed.
        sites: Site to (width, start ms) of windows whose meters' rows changed.
        shards: (width, start ms) of windows whose sites' rows changed.
    """

    meters: dict[tuple[str, str], list[Span]] = field(default_factory=dict)
    sites: dict[str, set[WidthStart]] = field(default_factory=dict)
    shards: set[WidthStart] = field(default_factory=set)

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.meters or self.sites or self.shards)

    def add_meter(self, site: str, meter: str, span: Span) -> None:
        """Add one span of a meter."""
        spans = self.meters.get((site, meter), [])
        self.meters[site, meter] = merged([*spans, span])

    def first_piece(self) -> tuple[str, str, Span]:
        """Site, meter and the first piece of its first span."""
        (site, meter), spans = next(iter(self.meters.items()))
        return site, meter, pieces(spans[0])[0]

    def drop_first_piece(self) -> None:
        """Take `first_piece` away."""
        site, meter, piece = self.first_piece()
        _, high = self.meters[site, meter].pop(0)
        if piece[1] < high:
            self.meters[site, meter].insert(0, (piece[1] + 1, high))
        if not self.meters[site, meter]:
            del self.meters[site, meter]

    def take(self, sites_resting: Container[str], *, sums: bool) -> "Work":
        """Take out what may begin now.

        Args:
            sites_resting: Sites whose meters were rebuilt a moment ago; theirs stay.
            sums: Whether the shard's sums may begin too.
        """
        meters = {key: spans for key, spans in self.meters.items() if key[0] not in sites_resting}
        taken = Work(meters, self.sites, self.shards if sums else set())
        self.meters = {key: spans for key, spans in self.meters.items() if key not in meters}
        self.sites = {}
        self.shards = set() if sums else self.shards
        return taken

    def absorb(self, other: "Work") -> None:
        """Take over all of `other`."""
        for meter, spans in other.meters.items():
            self.meters[meter] = merged(self.meters.get(meter, []) + spans)
        for site, windows in other.sites.items():
            self.sites.setdefault(site, set()).update(windows)
        self.shards |= other.shards

    def copy(self) -> "Work":
        """A copy that later changes do not reach."""
        fresh = Work()
        fresh.absorb(self)
        return fresh


def merged(spans: Iterable[Span], gap_ms: int = MERGE_GAP_MS) -> list[Span]:
    """Spans in order, those that touch or nearly touch joined."""
    result: list[Span] = []
    for low, high in sorted(spans):
        if result and low <= result[-1][1] + gap_ms:
            result[-1] = (result[-1][0], max(result[-1][1], high))
        else:
            result.append((low, high))
    return result


Read = Callable[[int, int], Mapping[str, Series]]
"""Reads a meter's rows in [start, end) ms with one beyond each border."""


def recompute(read: Read, span: Span, widths_ms: Sequence[int]) -> tuple[dict[int, Cells], tuple[str, ...]]:
    """All windows of a meter that a change of its readings within `span` touches.

    Those are the windows from the last reading before the span to the first
    after it: consumption between neighbours is spread over the time between
    them.

    Returns:
        Cells by width, and the quantities that their series numbers stand for.
    """
    inside = read(span[0], span[1] + 1)
    low, high = _reach(inside, span)
    first = min(low - low % width for width in widths_ms)
    last = max(high - high % width + width for width in widths_ms)
    whole = read(first - _longest(inside), last)
    names = tuple(name for name, series in whole.items() if len(series.t_ms))
    if not names:
        return {}, ()
    rows, rules = _rows(whole, names), _rules(names)
    cells = {}
    for width in widths_ms:
        folded = fold(rows, rules, width)
        touched = (folded.window >= low // width) & (folded.window <= high // width)
        cells[width] = folded.where(touched)
    return cells, names


def _reach(series: Mapping[str, Series], span: Span) -> Span:
    """From the reading before a span to the one behind it: between them consumption is spread anew."""
    held = [one for one in series.values() if len(one.t_ms)]
    low = min((int(one.t_ms[0]) for one in held), default=span[0])
    high = max((int(one.t_ms[-1]) for one in held), default=span[1])
    return min(low, span[0]), max(high, span[1])


def _longest(series: Mapping[str, Series]) -> int:
    """The longest interval of amounts: one may reach over the next, so the one before a border is not enough."""
    return max((one.interval_ms for one in series.values()), default=0)


def _rows(series: Mapping[str, Series], names: Sequence[str]) -> Rows:
    present = [(n, series[name]) for n, name in enumerate(names)]
    numbers = [np.full(len(one.t_ms), n) for n, one in present]
    times = [one.t_ms for _, one in present]
    values = [one.values for _, one in present]
    intervals = [np.full(len(one.t_ms), one.interval_ms) for _, one in present]
    before_ms = [np.append(NO_TIME, t)[: len(t)] for t in times]
    before = [np.append(0.0, v)[: len(v)] for v in values]
    return Rows(
        np.concatenate(numbers).astype(np.int64),
        np.concatenate(times),
        np.concatenate(values),
        np.concatenate(intervals).astype(np.int64),
        np.concatenate(before_ms).astype(np.int64),
        np.concatenate(before),
    )


def _rules(names: Sequence[str]) -> Rules:
    known = [quantity(name) for name in names]
    return Rules(
        np.array([rule_of(q) for q in known], np.int8),
        np.array([q.integral_per_hour for q in known], np.float64),
        np.array([q.max_per_hour for q in known], np.float64),
    )


def pieces(span: Span, longest_ms: int = PIECE_MS) -> list[Span]:
    """A span cut into pieces that fit in memory."""
    low, high = span
    starts = range(low, high + 1, longest_ms)
    return [(start, min(start + longest_ms - 1, high)) for start in starts]


def span_of(window: int, width_ms: int) -> Span:
    """The closed span of times in a window."""
    return window * width_ms, (window + 1) * width_ms - 1


def next_piece(windows: AbstractSet[WidthStart], rows_per_window: int, max_rows: int) -> set[WidthStart]:
    """The first of these windows, of one width, that are read at once.

    Args:
        windows: At least one.
        rows_per_window: How many rows of the level below a window may have.
        max_rows: How many shall be read at once; one window is never cut.

    Returns:
        Windows that span no more rows and at most `PIECE_MS`; always at least one.
    """
    width, low = min(windows)
    count = max(1, max_rows // max(1, rows_per_window))
    end = low + min(count * width, max(PIECE_MS, width))
    return {window for window in windows if window[0] == width and window[1] < end}


def span_between(piece: AbstractSet[WidthStart]) -> tuple[int, int, int]:
    """Of windows of one width: the width, the first start and the last."""
    width, low = min(piece)
    return width, low, max(piece)[1]
