"""Temperature and occupancy of the site, as meters of the gateway tell them, put beside the judged intervals."""

from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import numpy as np

from wattline.intervals import Floats, Integers, Intervals, newest_at
from wattline.reading import Reading
from wattline.wire import MAX_AHEAD_MS

_EVERY_MS: Final = 5 * 60_000
_BELIEVED: Final = {"temperature_c": (-90.0, 70.0), "occupancy": (0.0, 1e6)}
"""What a place on earth can have; broken sensors tell -127 or 1e300."""
_KEPT: Final = 1_000
"""Three and a half days: as far as intervals may close behind the conditions."""


class SiteConditions:
    """The last days of the site's conditions; one thread calls it."""

    def __init__(self, temperature_meter: str = "", occupancy_meter: str = "") -> None:
        """Choose whom to believe.

        Args:
            temperature_meter: The meter whose `temperature_c` is the outdoor temperature; "" for none.
            occupancy_meter: The meter whose `occupancy` is that of the site; "" for none.
        """
        self._series = {
            (meter, quantity): _Series(*_BELIEVED[quantity])
            for meter, quantity in ((temperature_meter, "temperature_c"), (occupancy_meter, "occupancy"))
            if meter
        }
        self._temperature = self._series.get((temperature_meter, "temperature_c"))
        self._occupancy = self._series.get((occupancy_meter, "occupancy"))

    def add(self, readings: Iterable[Reading]) -> None:
        """Take readings of any meters in."""
        if not self._series:
            return
        for reading in readings:
            for (meter, quantity), series in self._series.items():
                if reading.meter == meter and quantity in reading.values:
                    series.add(reading.t_ms, reading.values[quantity])

    def clock(self, now_ms: int) -> None:
        """Forget what came with a time that cannot be believed: it would make all that follows late.

        Args:
            now_ms: The wall clock, ms UTC.
        """
        for series in self._series.values():
            series.forget_after(now_ms + MAX_AHEAD_MS)

    def beside(self, intervals: Intervals) -> Intervals:
        """The intervals, with the conditions known at their ends."""
        if not self._series:
            return intervals
        end_ms = intervals.start_ms + intervals.length_ms
        return replace(
            intervals,
            temperature_c=self._temperature.at(end_ms) if self._temperature else None,
            occupancy=self._occupancy.at(end_ms) if self._occupancy else None,
        )


class _Series:
    """One condition in time order, one value in five minutes."""

    def __init__(self, least: float, most: float) -> None:
        self._least, self._most = least, most
        self._t_ms: deque[int] = deque(maxlen=_KEPT)
        self._values: deque[float] = deque(maxlen=_KEPT)

    def add(self, t_ms: int, value: float) -> None:
        """Take a newer value in."""
        if self._least <= value <= self._most and (not self._t_ms or t_ms >= self._t_ms[-1] + _EVERY_MS):
            self._t_ms.append(t_ms)
            self._values.append(value)

    def forget_after(self, t_ms: int) -> None:
        """Drop what is newer."""
        while self._t_ms and self._t_ms[-1] > t_ms:
            self._t_ms.pop()
            self._values.pop()

    def at(self, t_ms: Integers) -> Floats:
        """The newest value at each time, NaN where it is stale."""
        return newest_at(t_ms, np.array(self._t_ms, np.int64), np.array(self._values, np.float64))
