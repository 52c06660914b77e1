"""What anybody would say: as much as at the same time a week before."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from wattline.forecasting.lags import lag_columns
from wattline.forecasting.port import BAND, HORIZON_MS, Bools, Floats32, Forecast, Int64s, Scene

_CHUNK_ROWS: Final = 2_000
"""Series that are worked on together: what is sorted then stays small."""
_LEAST_ERRORS: Final = 20
"""Errors at a time of day from which its own spread is taken."""
_WEEK_DAYS: Final = 7
_TAIL: Final = round((1 - BAND) / 2, 9)


class SeasonalNaive:
    """The same local time a week before; where that is not known one day before, else two.

    The band is that of its own errors in the history at the same time of day, an interval around; with few errors,
    of all its errors; with none, of all values known. No state.
    """

    @property
    def name(self) -> str:
        """Which forecaster this is."""
        return "seasonal-naive-1"

    def forecast(self, scene: Scene) -> Forecast:
        """Forecast every series of the scene; see `Forecaster`."""
        rows = len(scene.energy_kwh)
        horizon = HORIZON_MS // scene.interval_ms
        whole = [np.full((rows, horizon), np.nan, np.float32) for _ in range(3)]
        past = _Past.of(scene)
        for start in range(0, rows, _CHUNK_ROWS):
            chunk = slice(start, start + _CHUNK_ROWS)
            for table, part in zip(whole, past.said(scene.energy_kwh[chunk]), strict=True):
                table[chunk] = part
        middle, lower, upper = whole
        return Forecast(middle, lower, upper, np.zeros(rows, np.bool_))


@dataclass(frozen=True, slots=True)
class _Past:
    """Where to look in the history of H intervals for what follows in K, the same for all series.

    Attributes:
        lags: int64[L, K]: columns to take from, the first known one counts; -1 for none.
        truth: int64[E]: columns of the history that a week before is known for.
        guess: int64[E]: the columns a week before them.
        slots: For each time of day, which of the E errors are at it or next to it.
        slot: int64[K]: row of `slots`.
    """

    lags: Int64s
    truth: Int64s
    guess: Int64s
    slots: tuple[Int64s, ...]
    slot: Int64s

    @classmethod
    def of(cls, scene: Scene) -> "_Past":
        calendar, length_ms = scene.calendar, scene.interval_ms
        known = scene.energy_kwh.shape[1]
        ahead = np.arange(known, known + HORIZON_MS // length_ms)
        lags = np.stack([lag_columns(calendar, ahead, days, length_ms) for days in (_WEEK_DAYS, 1, 2)])
        lags[lags >= known] = -1
        truth = np.arange(known)
        guess = lag_columns(calendar, truth, _WEEK_DAYS, length_ms)
        truth, guess = truth[guess >= 0], guess[guess >= 0]
        minutes, slot = np.unique(calendar.minute_of_day[ahead], return_inverse=True)
        apart = np.abs(calendar.minute_of_day[truth] - minutes[:, None])
        near = np.minimum(apart, 1440 - apart) * 60_000 <= length_ms
        return cls(lags, truth, guess, tuple(np.flatnonzero(row) for row in near), slot)

    def said(self, energy_kwh: Floats32) -> tuple[Floats32, Floats32, Floats32]:
        """Middle, lower and upper of some series, float32[n, K] each."""
        middle = np.full((len(energy_kwh), self.lags.shape[1]), np.nan, np.float32)
        for columns in self.lags:
            told = np.where(columns >= 0, energy_kwh[:, np.maximum(columns, 0)], np.float32(np.nan))
            middle = np.where(np.isnan(middle), told, middle)
        low, high = self._spread(energy_kwh[:, self.truth] - energy_kwh[:, self.guess])
        alone = np.isnan(low)
        values_low, values_high = tails(energy_kwh)
        lower = np.where(alone, np.minimum(values_low[:, None], middle), middle + low)
        upper = np.where(alone, np.maximum(values_high[:, None], middle), middle + high)
        floor = np.minimum(np.nanmin(energy_kwh, axis=1, initial=np.inf), 0.0)[:, None]
        return middle, np.maximum(lower, floor).astype(np.float32), upper.astype(np.float32)

    def _spread(self, errors: Floats32) -> tuple[Floats32, Floats32]:
        """Which errors are exceeded by the upper and lower tenth, at most and at least 0, float32[n, K]."""
        overall = tails(errors)
        sides = [np.repeat(side[:, None], len(self.slots), axis=1) for side in overall]
        for i, columns in enumerate(self.slots):
            near = errors[:, columns]
            enough: Bools = np.isfinite(near).sum(axis=1) >= _LEAST_ERRORS
            for side, own in zip(sides, tails(near), strict=True):
                side[:, i] = np.where(enough, own, side[:, i])
        low, high = sides
        return np.minimum(low, 0)[:, self.slot], np.maximum(high, 0)[:, self.slot]


def tails(values: Floats32) -> tuple[Floats32, Floats32]:
    """The values below and above which a tenth of each row lies, float32[n] each; NaN is skipped, NaN where all is."""
    # NaN sorts to the end: faster by far than numpy's nanquantile.
    ordered = np.sort(values, axis=1)
    count = np.isfinite(ordered).sum(axis=1)
    rows = np.arange(len(values))
    last = np.maximum(count - 1, 0)
    low = ordered[rows, np.floor(_TAIL * last).astype(np.int64)]
    high = ordered[rows, np.ceil((1 - _TAIL) * last).astype(np.int64)]
    return low, high
