"""What is known of one meter, site, or the fleet: utility intervals, the newest short windows, the newest forecast."""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from cloud_stream.intents.ports import Past
from cloud_stream.records import Floats, Int64s

DAY_MS: Final = 86_400_000
KEPT_MS: Final = 33 * DAY_MS
"""The longest month, and what may come late at its end."""
MAX_KEPT: Final = 20_000
"""Intervals: with very short ones a month is not known as a whole, and what is said of it is `unknown`."""
IN_SNAPSHOT_MS: Final = 2 * DAY_MS
"""What may be newer than the store, generously; everything else is read from there again."""
_SHORT_KEPT: Final = 8
_MAX_AHEAD_MS: Final = 49 * 3_600_000


class Subject(NamedTuple):
    """Whose consumption: a meter's, a site's (`meter` is ""), or the fleet's (both are "")."""

    level: str
    site: str
    meter: str


@dataclass(frozen=True, slots=True)
class ShortWindow:
    """Power in one short window; NaN is unknown.

    Attributes:
        is_sum: The mean is made of the window's energy: it means something only once the window is over.
    """

    mean_w: float
    last_w: float
    is_sum: bool = False


class Ledger:
    """Consumption of one subject.

    Args:
        interval_ms: Length of the utility intervals.

    Attributes:
        short: Start to value of the newest short windows.
        forecast_kwh: Start to energy of the intervals that are forecast.
        is_whole: Whether the past has been read from the store, as far as it goes.
    """

    def __init__(self, interval_ms: int) -> None:
        self.short: dict[int, ShortWindow] = {}
        self.forecast_kwh: dict[int, float] = {}
        self.is_whole = False
        self._interval_ms = interval_ms
        self._slots = min(KEPT_MS // interval_ms, MAX_KEPT)
        self._kwh = np.full(self._slots, np.nan)
        self._end = 0
        """The number, counted from 1970, of the first interval that is newer than all that are kept."""

    @property
    def newest_ms(self) -> int:
        """The end of the newest interval; 0 when there is none."""
        return self._end * self._interval_ms

    def put(self, start_ms: int, energy_kwh: float) -> bool:
        """Note an interval, anew or corrected; False when it is too old to be kept."""
        number = start_ms // self._interval_ms
        self._reach(number)
        if number < self._end - self._slots:
            return False
        self._kwh[number % self._slots] = energy_kwh
        return True

    def fill(self, past: Past) -> None:
        """Note what the store has where nothing newer is known."""
        if not past.start_ms.size:
            return
        numbers = past.start_ms // self._interval_ms
        self._reach(int(numbers.max()))
        kept = numbers >= self._end - self._slots
        place, energy_kwh = numbers[kept] % self._slots, past.energy_kwh[kept]
        self._kwh[place] = np.where(np.isnan(self._kwh[place]), energy_kwh, self._kwh[place])

    def starts(self, start_ms: int, end_ms: int) -> Int64s:
        """The starts of the intervals that begin in [start, end)."""
        step = self._interval_ms
        return np.arange(-(-start_ms // step), -(-end_ms // step), dtype=np.int64) * step

    def used_kwh(self, start_ms: int, end_ms: int) -> Floats:
        """float64[N]: the intervals of `starts`; NaN is unknown, or too old."""
        numbers = self.starts(start_ms, end_ms) // self._interval_ms
        kept = (numbers < self._end) & (numbers >= self._end - self._slots)
        return np.where(kept, self._kwh[numbers % self._slots], np.nan)

    def ahead_kwh(self, start_ms: int, end_ms: int) -> Floats:
        """float64[N]: the forecast of the intervals of `starts`; NaN where there is none."""
        found = [self.forecast_kwh.get(start, np.nan) for start in self.starts(start_ms, end_ms).tolist()]
        return np.array(found, np.float64)

    def put_short(self, start_ms: int, window: ShortWindow) -> None:
        """Note a short window; only the newest are kept."""
        self.short[start_ms] = window
        while len(self.short) > _SHORT_KEPT:
            del self.short[min(self.short)]

    def put_forecast(self, start_ms: int, energy_kwh: float, now_ms: int) -> None:
        """Note the forecast of an interval, which replaces the one before."""
        if now_ms - DAY_MS < start_ms < now_ms + _MAX_AHEAD_MS:
            self.forecast_kwh[start_ms] = energy_kwh

    def put_forecasts(self, start_ms: Int64s, energy_kwh: Floats, now_ms: int) -> None:
        """Note a whole forecast; NaN is not forecast."""
        for at_ms, value in zip(start_ms.tolist(), energy_kwh.tolist(), strict=True):
            if not np.isnan(value):
                self.put_forecast(at_ms, value, now_ms)

    def drop_forecasts(self, before_ms: int) -> None:
        """Forget forecasts of what is over."""
        self.forecast_kwh = {start: value for start, value in self.forecast_kwh.items() if start >= before_ms}

    def snapshot(self, *, whole: bool) -> tuple[Any, ...]:
        """What is needed to go on; without `whole` only what the store may not have yet."""
        kept = self._slots if whole else min(self._slots, IN_SNAPSHOT_MS // self._interval_ms)
        first = max(0, self._end - kept)
        values = self.used_kwh(first * self._interval_ms, self._end * self._interval_ms)
        short = tuple((start, one.mean_w, one.last_w, one.is_sum) for start, one in self.short.items())
        ahead = (np.array(list(self.forecast_kwh), np.int64), np.array(list(self.forecast_kwh.values()), np.float32))
        return (first, values, short, ahead, self.is_whole and whole)

    def restore(self, state: tuple[Any, ...]) -> None:
        """Take a snapshot back, into an empty ledger."""
        first, values, short, (starts, energies), self.is_whole = state
        self._kwh[np.arange(first, first + len(values)) % self._slots] = values
        self._end = first + len(values)
        self.short = {start: ShortWindow(*values) for start, *values in short}
        self.forecast_kwh = dict(zip(starts.tolist(), (float(one) for one in energies), strict=True))

    def _reach(self, number: int) -> None:
        if number < self._end:
            return
        new = number + 1 - self._end
        if new >= self._slots:
            self._kwh[:] = np.nan
        else:
            self._kwh[np.arange(self._end, number + 1) % self._slots] = np.nan
        self._end = number + 1


def usual_day_kwh(ledger: Ledger, as_of_ms: int, interval_ms: int, days: int = 7) -> Floats:
    """float64[intervals of a UTC day]: the mean of the last days, interval by interval; NaN where there was nothing.

    Intervals that are missing on all days have the mean of the others.
    """
    a_day = DAY_MS // interval_ms
    used = ledger.used_kwh(as_of_ms - days * DAY_MS, as_of_ms)
    phase = (ledger.starts(as_of_ms - days * DAY_MS, as_of_ms) // interval_ms) % a_day
    known = ~np.isnan(used)
    count = np.bincount(phase[known], minlength=a_day)
    total = np.bincount(phase[known], used[known], minlength=a_day)
    if not count.any():
        return np.full(a_day, np.nan)
    mean: Floats = np.where(count > 0, total / np.maximum(count, 1), total.sum() / count.sum())
    return mean
