"""The numbering of a shard's sites, meters and series, and their newest values."""

from collections import Counter, defaultdict
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from cloud_stream.records import Columns, Floats, Int64s
from cloud_stream.windows.fold import HOUR_MS, NO_TIME, Rows, Rule, Rules, joined, rule_of
from wattline.quantities import Quantity, quantity

MAX_REACH_MS: Final = 26 * HOUR_MS
"""Consumption over a longer time than a daily register's is left to rebuilding, which does it piece by piece."""
CROWD_MS: Final = 100_000_000_000
"""Where the reaches of all rows add up to more, only those up to an hour are merged: bounds a fold's memory."""
MAX_SERIES: Final = 250_000
"""Series a shard numbers freely; beyond, a site still gets `ASSURED_SERIES`: none can take all from the others."""
MAX_SITE_SERIES: Final = 20_000
ASSURED_SERIES: Final = 100
MAX_SITE_QUANTITIES: Final = 100
"""Different names of quantities on a site: each may be a new column in the store."""
FRAMES_PER_SERIES: Final = 4
"""Remembered combinations of quantities, of which a frame may hold any: a cache, emptied when there are more."""
TIME_BITS: Final = 42
"""Holds ms UTC from 1970 to 2109; times outside are dead letters."""


class SeriesTable:
    """Numbers sites and series as they appear, and remembers each newest reading.

    A series is never forgotten: without its newest reading the next would be
    taken for a first one. Therefore their number is bounded, by `admit`.

    Attributes:
        sites: Site by number. meters, quantities: by the number of the series.
    """

    def __init__(self) -> None:
        """An empty table."""
        self.sites: list[str] = []
        self.meters: list[str] = []
        self.quantities: list[Quantity] = []
        self._site_number: dict[str, int] = {}
        self._frames: dict[tuple[str, str, tuple[str, ...]], list[int]] = {}
        self._numbers: dict[tuple[str, str, str], int] = {}
        self._owners: list[int] = []
        self._site_series: Counter[str] = Counter()
        self._site_quantities: defaultdict[str, set[str]] = defaultdict(set)
        self._newest_ms: Int64s = np.empty(0, np.int64)
        self._newest: Floats = np.empty(0, np.float64)
        self._site_of: Int64s = np.empty(0, np.int64)
        self._rules = Rules(np.empty(0, np.int8), np.empty(0, np.float64), np.empty(0, np.float64))
        self._names = b""

    def __len__(self) -> int:
        """How many series there are."""
        return len(self.meters)

    @property
    def site_of(self) -> Int64s:
        """Site number by the number of the series."""
        return self._site_of

    @property
    def rules(self) -> Rules:
        """The rules by the number of the series."""
        return self._rules

    def site_number(self, site: str) -> int:
        """The number of a site; a new one gets the next."""
        number = self._site_number.setdefault(site, len(self.sites))
        if number == len(self.sites):
            self.sites.append(site)
        return number

    def meters_of(self, site: str) -> int:
        """How many meters of a site have series."""
        of_site = np.flatnonzero(self._site_of == self._site_number.get(site, -1))
        return len({self.meters[number] for number in of_site.tolist()})

    def newest_ms(self, series: int) -> int:
        """The time of the newest reading of a series, or `NO_TIME`."""
        return int(self._newest_ms[series])

    def admit(self, block: Columns) -> npt.NDArray[np.bool_]:
        """Number the series of frames, as far as the bounds allow.

        Returns:
            bool[frames]: whether all series of a frame have numbers now; only such frames are for `rows`.
        """
        names, known = block.quantities, self._frames
        frames = zip(block.site, block.meter, strict=True)
        fits = [(site, meter, names) in known or self._fits(site, meter, names) for site, meter in frames]
        return np.array(fits, np.bool_)

    def _fits(self, site: str, meter: str, names: tuple[str, ...]) -> bool:
        new = [name for name in names if (site, meter, name) not in self._numbers]
        if new and not self._has_room(site, new):
            return False
        self._register(site, meter, names)
        return True

    def _has_room(self, site: str, new: list[str]) -> bool:
        of_site = self._site_series[site] + len(new)
        crowded = len(self) + len(new) > MAX_SERIES
        names = len(self._site_quantities[site].union(new))
        return of_site <= (ASSURED_SERIES if crowded else MAX_SITE_SERIES) and names <= MAX_SITE_QUANTITIES

    def rows(self, columns: list[Columns]) -> tuple[Rows, Rows]:
        """Number, sort and split readings.

        Args:
            columns: Admitted readings in the order of their arrival.

        Returns:
            Those newer than anything their series had, with their
            predecessors; and those that only the store can place: late ones,
            and ones whose consumption reaches too far.
            Of readings with the same series and time the one that arrived last
            is kept. The newest values are moved on.
        """
        series, t_ms, value, interval_ms = self._flat(columns)
        instant = (series << TIME_BITS) | t_ms
        order = np.argsort(instant, kind="stable")  # one key of long runs: five times faster than two keys
        series, t_ms, instant = series[order], t_ms[order], instant[order]
        value, interval_ms = value[order], interval_ms[order]
        keep = np.append(instant[1:] != instant[:-1], True)[: len(series)]
        late = keep & (t_ms <= self._newest_ms[series])
        self._correct(series[late], t_ms[late], value[late])
        fresh = keep & ~late
        following = self._succeed(series[fresh], t_ms[fresh], value[fresh], interval_ms[fresh])
        near, far = self._by_reach(following)
        late_rows = _without_predecessor(series[late], t_ms[late], value[late], interval_ms[late])
        return near, joined(late_rows, far) if len(far.series) else late_rows

    def _correct(self, series: Int64s, t_ms: Int64s, value: Floats) -> None:
        """Believe the last word on the instant of a newest reading, as the store does."""
        again = t_ms == self._newest_ms[series]
        if again.any():
            self._newest = self._newest.copy()
            self._newest[series[again]] = value[again]

    def _by_reach(self, rows: Rows) -> tuple[Rows, Rows]:
        """Rows whose consumption touches few windows, and the others."""
        known = rows.before_ms != NO_TIME
        counted = known & (self._rules.rule[rows.series] == Rule.COUNTER)
        reach_ms = np.where(counted, rows.t_ms - rows.before_ms, rows.interval_ms)
        far = reach_ms > (MAX_REACH_MS if reach_ms.sum() <= CROWD_MS else HOUR_MS)
        return (rows.where(~far), rows.where(far)) if far.any() else (rows, rows.where(far))

    def _succeed(self, series: Int64s, t_ms: Int64s, value: Floats, interval_ms: Int64s) -> Rows:
        """Give each row its predecessor, and move the newest values on."""
        if not len(series):
            return Rows(series, t_ms, value, interval_ms, t_ms, value)
        first = np.append(True, series[1:] != series[:-1])
        before_ms = np.where(first, self._newest_ms[series], np.roll(t_ms, 1))
        before = np.where(first, self._newest[series], np.roll(value, 1))
        last = np.append(first[1:], True)
        self._newest_ms = self._newest_ms.copy()
        self._newest = self._newest.copy()
        self._newest_ms[series[last]] = t_ms[last]
        self._newest[series[last]] = value[last]
        return Rows(series, t_ms, value, interval_ms, before_ms, before)

    def _flat(self, columns: list[Columns]) -> tuple[Int64s, Int64s, Floats, Int64s]:
        numbers = [self._frame_numbers(block) for block in columns]
        self._grow()
        series, times, values, intervals = [], [], [], []
        for block, ids in zip(columns, numbers, strict=True):
            for place in range(len(block.quantities)):
                number = np.repeat(ids[:, place], block.length)
                known = ~np.isnan(block.values[place])
                if not known.all():
                    number = number[known]
                series.append(number)
                times.append(block.t_ms if known.all() else block.t_ms[known])
                column = block.values[place]
                values.append(column if known.all() else column[known])
                intervals.append(np.full(len(number), block.interval_ms))
        if not series:
            whole = np.empty(0, np.int64)
            return whole, whole, np.empty(0, np.float64), whole
        return (
            np.concatenate(series),
            np.concatenate(times),
            np.concatenate(values),
            np.concatenate(intervals),
        )

    def _frame_numbers(self, block: Columns) -> Int64s:
        """int64[frames, quantities]: the series of each frame's columns."""
        frames = self._frames
        names = block.quantities
        numbers = [
            frames.get((site, meter, names)) or self._register(site, meter, names)
            for site, meter in zip(block.site, block.meter, strict=True)
        ]
        return np.array(numbers, np.int64).reshape(len(numbers), len(names))

    def _register(self, site: str, meter: str, names: tuple[str, ...]) -> list[int]:
        numbers = [self._number(site, meter, name) for name in names]
        if len(self._frames) > FRAMES_PER_SERIES * (len(self) + 1):
            self._frames.clear()
        self._frames[site, meter, names] = numbers
        return numbers

    def _number(self, site: str, meter: str, name: str) -> int:
        number = self._numbers.setdefault((site, meter, name), len(self.meters))
        if number == len(self.meters):
            self._owners.append(self.site_number(site))
            self.meters.append(meter)
            self.quantities.append(quantity(name))
            self._site_series[site] += 1
            self._site_quantities[site].add(name)
            self._names = b""
        return number

    def _grow(self) -> None:
        """Let the arrays follow the lists."""
        missing = len(self.meters) - len(self._newest_ms)
        if missing:
            self._newest_ms = np.append(self._newest_ms, np.full(missing, NO_TIME))
            self._newest = np.append(self._newest, np.zeros(missing))
            self._index()

    def _index(self) -> None:
        """Let owners and rules follow the lists; only what is new costs."""
        begin, rules = len(self._site_of), self._rules
        new = self.quantities[begin:]
        self._site_of = np.append(self._site_of, np.array(self._owners[begin:], np.int64))
        self._rules = Rules(
            np.append(rules.rule, np.array([rule_of(q) for q in new], np.int8)),
            np.append(rules.integral_per_hour, np.array([q.integral_per_hour for q in new], np.float64)),
            np.append(rules.max_per_hour, np.array([q.max_per_hour for q in new], np.float64)),
        )

    def snapshot(self) -> tuple[Any, ...]:
        """A picklable copy; names are packed once and kept until one is added."""
        self._grow()
        if not self._names:
            self._names = msgspec.msgpack.encode((self.sites, list(self._numbers)))
        return self._names, self._newest_ms, self._newest

    def restore(self, state: tuple[Any, ...]) -> None:
        """Take a snapshot back."""
        names: tuple[list[str], list[tuple[str, str, str]]]
        names = msgspec.msgpack.decode(state[0], type=tuple[list[str], list[tuple[str, str, str]]])
        for site in names[0]:
            self.site_number(site)
        for site, meter, name in names[1]:
            self._number(site, meter, name)
        self._newest_ms, self._newest = state[1], state[2]
        self._index()


def _without_predecessor(series: Int64s, t_ms: Int64s, value: Floats, interval_ms: Int64s) -> Rows:
    none = np.full(len(series), NO_TIME)
    return Rows(series, t_ms, value, interval_ms, none, none.astype(np.float64))
