"""The past of consumption from the store."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from cloud_stream.intents.ports import Past
from cloud_stream.measurements import USAGE
from cloud_stream.ports import Store
from cloud_stream.records import Floats, Int64s, Point

HOLDS_MS: Final = 3 * 3_600_000
"""How long a value of the weather holds when no newer one comes."""
UNLISTED: Final = ""
"""The site under which the weather of every unlisted site is kept."""


class StoreHistory:
    """`History` from the `usage` of a store.

    Args:
        store: Prepared; used from the caller's thread.
        window: The utility interval as the store writes it, "30m".
    """

    def __init__(self, store: Store, window: str) -> None:
        self._store = store
        self._window = window

    def past(self, level: str, site: str, meter: str, start_ms: int, end_ms: int) -> Past:
        """See `History`; a meter has the temperature of its site."""
        rows = self._rows(level, site, meter, start_ms, end_ms)
        used = {row.t_ms: _number(row, "energy_kwh") for row in rows}
        starts = np.array(sorted(t_ms for t_ms, value in used.items() if not np.isnan(value)), np.int64)
        energy = np.array([used[t_ms] for t_ms in starts.tolist()], np.float64)
        outdoors = self._rows("site", site, "", start_ms, end_ms) if level == "meter" else rows
        return Past(starts, energy, self._temperature(site, starts, outdoors))

    def _temperature(self, site: str, starts: Int64s, rows: Sequence[Point]) -> Floats:
        """What the site measures itself; where it measures nothing, the weather of its place."""
        own = {row.t_ms: _number(row, "temperature_c_mean") for row in rows}
        found = np.array([own.get(t_ms, np.nan) for t_ms in starts.tolist()], np.float64)
        if not starts.size or not np.isnan(found).all():
            return found
        for place in dict.fromkeys((site, UNLISTED)):
            weather = self._weather(place, int(starts[0]) - HOLDS_MS, int(starts[-1]) + 1)
            if weather:
                return _held(starts, weather)
        return found

    def _weather(self, site: str, start_ms: int, end_ms: int) -> dict[int, float]:
        points = self._store.points("weather", {"site": site, "source": "measured"}, start_ms, end_ms)
        return {point.t_ms: _number(point, "temperature_c") for point in points}

    def _rows(self, level: str, site: str, meter: str, start_ms: int, end_ms: int) -> Sequence[Point]:
        tags = {"level": level, "site": site, "meter": meter, "window": self._window}
        return self._store.points(USAGE, tags, start_ms, end_ms)


def _held(starts: Int64s, weather: Mapping[int, float]) -> Floats:
    """Each value until the next one, but not for ever."""
    known = np.array(sorted(t_ms for t_ms, value in weather.items() if not np.isnan(value)), np.int64)
    if not known.size:
        return np.full(starts.size, np.nan)
    place = np.searchsorted(known, starts, side="right") - 1
    values = np.array([weather[t_ms] for t_ms in known.tolist()])
    return np.where((place >= 0) & (starts - known[place] < HOLDS_MS), values[place], np.nan)


def _number(row: Point, field: str) -> float:
    value = row.fields.get(field)
    return float(value) if isinstance(value, int | float) else float("nan")
