"""What is known of many series: four weeks of consumption, and the forecasts of a day ahead that wait for their truth.

Times are numbers of intervals since 1970. All series share one present: the newest interval that any of them has.
A series takes 7.2 kB at half hours: 100,000 take 720 MB, spread over the shards.
"""

from collections import Counter
from typing import Any, Final

import numpy as np

from cloud_stream.forecast.rows import Column, Rows
from cloud_stream.records import ClosedUsage, Int64s
from wattline.forecasting.port import HISTORY_MS, Bools, Floats32

Key = tuple[str, str, str]
"""Level, site, meter."""
DAY_MS: Final = 86_400_000
ENERGY: Final = "energy"
BAND: Final = ("middle", "lower", "upper")
ISSUED: Final = "issued"
MEMBERS: Final = "members"
_NEWEST: Final = "newest"
_TEMPERATURE: Final = "temperature"
_NEVER: Final = -(2**62)
_SCORED_DAYS: Final = 3
"""Yesterday, today, and tomorrow, for which forecasts of a day ahead are made now."""


class History:
    """The past of the series of one shard, or of the fleet.

    Args:
        interval_ms: Length of the intervals.
        max_series: Further ones are refused until others have been silent for four weeks.

    Attributes:
        newest: The newest interval that any series has; far in the past when there is none.
        series: A row each: the ring `energy` of the last `width` intervals; the rings `middle`, `lower` and `upper` of
            what was said of an interval a day before it; `members`, newest known; `issued`, for which newest interval
            it was forecast last.
        width: Intervals of the past that are kept.
        per_day: Intervals a day.
        counts: `old_rows`: older than the past that is kept. `refused_rows`: of series beyond the bound.
            `forgotten_series`: silent for four weeks.
    """

    def __init__(self, interval_ms: int, max_series: int) -> None:
        self.newest = _NEVER
        self.width = HISTORY_MS // interval_ms
        self.per_day = DAY_MS // interval_ms
        self.counts: Counter[str] = Counter()
        self._interval_ms = interval_ms
        waiting = Column(_SCORED_DAYS * self.per_day + 1, np.nan, np.float32)
        columns = {ENERGY: Column(self.width, np.nan, np.float32), MEMBERS: Column(0, np.nan, np.float32)}
        numbers = {name: Column(0, _NEVER, np.int64) for name in (ISSUED, _NEWEST)}
        self.series: Rows[Key] = Rows(columns | dict.fromkeys(BAND, waiting) | numbers, max_series)
        self._places: Rows[str] = Rows({_TEMPERATURE: columns[ENERGY]}, max_series)

    def learn(self, closed: ClosedUsage) -> bool:
        """Take consumption in; whether the present has moved on."""
        numbers = closed.start_ms // self._interval_ms
        known = np.isfinite(closed.energy_kwh)
        before = self.newest
        if known.any():
            self._advance(int(numbers[known].max()))
        recent = numbers > self.newest - self.width
        self.counts["old_rows"] += int((~recent).sum())
        self._learn_energy(closed, numbers, known & recent)
        self._learn_temperature(closed, numbers, np.isfinite(closed.temperature_c) & recent & (numbers <= self.newest))
        return self.newest > before

    def scene_energy(self, rows: Int64s) -> Floats32:
        """float32[R, width]: the past of some series, oldest first."""
        return self.series.span(ENERGY, rows, self.newest - self.width + 1, self.newest)

    def scene_temperature(self, place: str) -> Floats32:
        """float32[width]: what is known of a place's past, oldest first."""
        row = self._places.number(place)
        if row < 0:
            return np.full(self.width, np.nan, np.float32)
        first = self.newest - self.width + 1
        found: Floats32 = self._places.span(_TEMPERATURE, np.array([row]), first, self.newest)[0]
        return found

    def own_place(self, site: str) -> str:
        """The place of a site that measures its temperature itself; "" where it does not."""
        place = _own_place(site)
        return place if self._places.number(place) >= 0 else ""

    def remember_temperature(self, place: str, past_c: Floats32) -> None:
        """Keep what a weather report says of a place's past, float32[width], where it says anything."""
        row = self._places.add(place)
        told = np.flatnonzero(np.isfinite(past_c))
        if row >= 0 and len(told):
            self._places.put(_TEMPERATURE, row, self.newest - self.width + 1 + told, past_c[told])

    def snapshot(self) -> Any:  # noqa: ANN401 (only `restore` looks into it)
        """A picklable copy."""
        return self._interval_ms, self.newest, self.series.snapshot(), self._places.snapshot()

    def restore(self, state: Any) -> None:  # noqa: ANN401 (see `snapshot`)
        """Take a copy back; one of other intervals is of no use, and everything begins anew."""
        interval_ms, newest, series, places = state
        if interval_ms == self._interval_ms and self.series.restore(series) and self._places.restore(places):
            self.newest = newest

    def _advance(self, newest: int) -> None:
        if newest <= self.newest:
            return
        first, days = self.newest + 1, newest // self.per_day - self.newest // self.per_day
        self.newest = newest
        self.series.forget(ENERGY, first, newest)
        self._places.forget(_TEMPERATURE, first, newest)
        for ring in BAND:
            self.series.forget(ring, first + self.per_day + 1, newest + self.per_day + 1)
        if days:
            self._let_go()

    def _let_go(self) -> None:
        """Once a day: series and places of which nothing is left."""
        heard: Bools = self.series[_NEWEST] > self.newest - self.width
        if not heard.all():
            self.counts["forgotten_series"] += int((~heard).sum())
            self.series.keep(heard)
        known: Bools = np.asarray(np.isfinite(self._places[_TEMPERATURE]).any(axis=1))
        if not known.all():
            self._places.keep(known)

    def _learn_energy(self, closed: ClosedUsage, numbers: Int64s, taken: Bools) -> None:
        places = np.flatnonzero(taken)
        level, site, meter = closed.level, closed.site, closed.meter
        rows = np.array([self.series.add((level[i], site[i], meter[i])) for i in places.tolist()], np.int64)
        self.counts["refused_rows"] += int((rows < 0).sum())
        places, rows = places[rows >= 0], rows[rows >= 0]
        self.series.put(ENERGY, rows, numbers[places], closed.energy_kwh[places])
        np.maximum.at(self.series[_NEWEST], rows, numbers[places])
        counted = np.isfinite(closed.members[places])
        self.series[MEMBERS][rows[counted]] = closed.members[places][counted]

    def _learn_temperature(self, closed: ClosedUsage, numbers: Int64s, taken: Bools) -> None:
        for i in np.flatnonzero(taken).tolist():
            row = self._places.add(_own_place(closed.site[i]))
            if row >= 0:
                self._places.put(_TEMPERATURE, row, numbers[i], closed.temperature_c[i])


def _own_place(site: str) -> str:
    """No weather has a place of such a name."""
    return f"site:{site}"
