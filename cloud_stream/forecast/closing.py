"""Tells which utility intervals have closed: the newest word of each, once the wall clock is past its end.

Usage rows come many times while their window is open; forecasts want each once. What comes for a window that has
closed is a revision: it is held until the next interval closes, or for `REVISE_EVERY_MS`, because each revision wakes
the forecasts, whose whole state is then saved. A window newer than all that was told - the end of a backlog - waits
for `NEWS_EVERY_MS` at most.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from math import isclose, isnan, nan
from typing import Any, Final

import numpy as np

from cloud_stream.measurements import USAGE
from cloud_stream.records import ClosedUsage, Point

GRACE_MS: Final = 10_000
REVISE_EVERY_MS: Final = 300_000
NEWS_EVERY_MS: Final = 5_000
MAX_ROWS: Final = 200_000
LEVELS: Final = frozenset({"meter", "site", "fleet"})
_ENERGY: Final = "energy_kwh"
_TEMPERATURE: Final = "temperature_c_mean"
_TINY: Final = 1e-6

Key = tuple[str, str, str]
"""Level, site, meter."""
Row = tuple[float, float]
"""Energy and the site's own temperature; NaN is unknown."""


class ClosingStep:
    """Collects the open utility intervals of one shard or the fleet; a step of the engine, see `engine.Step`.

    Args:
        interval_ms: Length of the utility intervals.
        window: How the store writes that length: the `window` tag of the rows to look at.
        grace_ms: How long after its end a window still counts as open.
        revise_every_ms: How long revisions of closed windows wait at most.
        max_rows: Rows held; with more, closed ones go at once, and further open ones are refused.

    Attributes:
        counts: `closed_rows`, `revised_rows`, and `refused_rows`: open ones beyond the bound.
    """

    def __init__(
        self,
        interval_ms: int,
        window: str,
        *,
        grace_ms: int = GRACE_MS,
        revise_every_ms: int = REVISE_EVERY_MS,
        max_rows: int = MAX_ROWS,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._interval_ms = interval_ms
        self._window = window
        self._grace_ms = grace_ms
        self._revise_every_ms = revise_every_ms
        self._max_rows = max_rows
        self._held: dict[int, dict[Key, Row]] = {}
        self._rows = 0
        self._closed_to_ms = 0
        self._revised_ms = 0
        self._told_to_ms = -(2**62)

    @property
    def settled(self) -> bool:
        """Whether no window is waited for."""
        return not self._held

    def on_batch(self, batch: Sequence[Sequence[Point]], now_ms: int) -> list[ClosedUsage]:
        """Take usage rows; whatever else is among them is passed over.

        Returns:
            Nothing, unless the bound is reached: then what has closed.
        """
        window = self._window
        for points in batch:
            for point in points:
                if point.tags.get("window") == window and point.measurement == USAGE:
                    self._hold(point, now_ms)
        return self._take(now_ms) if self._rows >= self._max_rows else []

    def on_timer(self, now_ms: int) -> list[ClosedUsage]:
        """What has closed since the last call, and revisions when their time has come."""
        self._follow_clock(now_ms)
        waited_ms = now_ms - self._revised_ms
        due = self._boundary_ms(now_ms) > self._closed_to_ms or waited_ms >= self._revise_every_ms
        return self._take(now_ms) if due or (waited_ms >= NEWS_EVERY_MS and self._has_news()) else []

    def snapshot(self, now_ms: int) -> Any:  # noqa: ANN401 (see `Step`)
        """See `Step`; small, because a step that is woken every second is saved every second."""
        del now_ms
        held = [(start_ms, *_packed(rows)) for start_ms, rows in self._held.items()]
        return self._interval_ms, self._closed_to_ms, self._revised_ms, self._told_to_ms, held

    def restore(self, state: Any) -> None:  # noqa: ANN401 (see `Step`)
        """See `Step`; a state of other intervals is of no use."""
        interval_ms, closed_to_ms, revised_ms, told_to_ms, held = state
        if interval_ms != self._interval_ms:
            return
        self._closed_to_ms, self._revised_ms, self._told_to_ms = closed_to_ms, revised_ms, told_to_ms
        self._held = {start_ms: _unpacked(keys, values) for start_ms, keys, values in held}
        self._rows = sum(map(len, self._held.values()))

    def _hold(self, point: Point, now_ms: int) -> None:
        level = point.tags["level"]
        if level not in LEVELS:
            return
        energy_kwh = _number(point, _ENERGY)
        temperature_c = _number(point, _TEMPERATURE) if level == "site" else nan
        if isnan(energy_kwh) and isnan(temperature_c):
            return
        key = (level, point.tags.get("site", ""), point.tags.get("meter", ""))
        rows = self._held.get(point.t_ms, {})
        if key not in rows:
            if self._rows >= self._max_rows and point.t_ms >= self._boundary_ms(now_ms):
                self.counts["refused_rows"] += 1
                return
            self._rows += 1
        rows[key] = (energy_kwh, temperature_c)
        self._held[point.t_ms] = rows

    def _follow_clock(self, now_ms: int) -> None:
        """A clock that was ahead and was set right must not keep anything waiting until it is there again."""
        self._revised_ms = min(self._revised_ms, now_ms)
        boundary_ms = self._boundary_ms(now_ms)
        if self._closed_to_ms > boundary_ms + self._interval_ms:  # a little is what every clock is corrected by
            self._closed_to_ms = boundary_ms

    def _has_news(self) -> bool:
        """Whether a closed window is held that is newer than all that were told."""
        return any(self._told_to_ms < start_ms < self._closed_to_ms for start_ms in self._held)

    def _boundary_ms(self, now_ms: int) -> int:
        """Windows that begin before this have closed."""
        over_ms = now_ms - self._grace_ms
        return over_ms - over_ms % self._interval_ms

    def _take(self, now_ms: int) -> list[ClosedUsage]:
        before = self._closed_to_ms
        self._closed_to_ms = max(self._closed_to_ms, self._boundary_ms(now_ms))
        self._revised_ms = now_ms
        closed = {
            start_ms: self._held.pop(start_ms) for start_ms in sorted(self._held) if start_ms < self._closed_to_ms
        }
        rows = sum(map(len, closed.values()))
        if not rows:
            return []
        self._told_to_ms = max(self._told_to_ms, *closed)
        self._rows -= rows
        self.counts["closed_rows"] += rows
        self.counts["revised_rows"] += sum(len(some) for start_ms, some in closed.items() if start_ms < before)
        return [_columns(self._interval_ms, closed)]


def _number(point: Point, field: str) -> float:
    value = point.fields.get(field)
    return float(value) if isinstance(value, float | int) else nan


def _columns(interval_ms: int, closed: Mapping[int, Mapping[Key, Row]]) -> ClosedUsage:
    keys = [key for rows in closed.values() for key in rows]
    values = np.array([row for rows in closed.values() for row in rows.values()], np.float64)
    level, site, meter = zip(*keys, strict=True)
    return ClosedUsage(
        interval_ms=interval_ms,
        start_ms=np.repeat(np.array(list(closed), np.int64), [len(rows) for rows in closed.values()]),
        level=level,
        site=site,
        meter=meter,
        energy_kwh=values[:, 0],
        temperature_c=values[:, 1],
        members=np.array([one for rows in closed.values() for one in _members(rows)], np.float64),
    )


def _members(rows: Mapping[Key, Row]) -> Iterator[float]:
    """How many meters each row of one window adds up: a site's are known where its meters' rows add up to its own."""
    count: Counter[str] = Counter()
    total: defaultdict[str, float] = defaultdict(float)
    for (level, site, _), (energy_kwh, _) in rows.items():
        if level == "meter":
            count[site] += 1
            total[site] += energy_kwh
    for (level, site, _), (energy_kwh, _) in rows.items():
        if level == "meter":
            yield 1.0
        else:
            whole = level == "site" and count[site] and isclose(total[site], energy_kwh, rel_tol=_TINY, abs_tol=_TINY)
            yield float(count[site]) if whole else nan


def _packed(rows: Mapping[Key, Row]) -> tuple[str, bytes]:
    """Rows as one text and one array: pickled a hundred times faster than tuples of texts."""
    return "\n".join(map("\t".join, rows)), np.array(list(rows.values()), np.float64).tobytes()


def _unpacked(keys: str, values: bytes) -> dict[Key, Row]:
    found = np.frombuffer(values, np.float64).reshape(-1, 2).tolist()
    texts = (line.split("\t") for line in keys.split("\n"))
    return {
        (level, site, meter): (energy, own) for (level, site, meter), (energy, own) in zip(texts, found, strict=True)
    }
