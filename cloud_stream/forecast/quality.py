"""How good the forecasts of a day ahead were, by UTC day, now that their truth is known.

The scores of a day are made anew from what was said and what was used, so a revision of the truth is no special case.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud_stream.forecast.history import BAND, DAY_MS, ENERGY, History, Key
from cloud_stream.forecast.points import DAY_AHEAD
from cloud_stream.records import Floats, Int64s, Point
from cloud_stream.sharding import shard_of

MEASUREMENT: Final = "forecast_quality"
_WEEK_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over the scored intervals of a day, float64[N] each, a number a series.

    Attributes:
        n: How many were scored.
        error: Forecast less truth. absolute: its size. covered: how many truths lay in the band.
        ours: Absolute errors where the seasonal naive is known. naive: its own.
        shares: Absolute errors relative to truths above zero. shared: how many.
    """

    n: Floats
    error: Floats
    absolute: Floats
    covered: Floats
    ours: Floats
    naive: Floats
    shares: Floats
    shared: Floats

    def together(self) -> "Sums":
        """All series as one."""
        return Sums(*(getattr(self, name).sum(keepdims=True) for name in self.__slots__))

    def fields(self, row: int, *, shares: bool) -> dict[str, float]:
        """The scores of one series.

        Args:
            row: Which.
            shares: Whether it never uses next to nothing, so that relative errors mean something.
        """
        n = float(self.n[row])
        found = {
            "n": n,
            "mae": float(self.absolute[row]) / n,
            "bias": float(self.error[row]) / n,
            "coverage": float(self.covered[row]) / n,
        }
        if self.naive[row] > 0:
            found["skill"] = 1.0 - float(self.ours[row]) / float(self.naive[row])
        if shares and self.shared[row]:
            found["mape"] = float(self.shares[row]) / float(self.shared[row])
        return found


def day_sums(history: History, rows: Int64s, day: int) -> Sums:
    """Score a UTC day, as far as it has come.

    Args:
        history: Of the series.
        rows: int64[N]: its rows.
        day: Number of the day since 1970: the history's present day, or the one before.
    """
    first = day * history.per_day
    last = min(first + history.per_day - 1, history.newest)
    week = _WEEK_DAYS * history.per_day
    truth = history.series.span(ENERGY, rows, first, last).astype(np.float64)
    before = history.series.span(ENERGY, rows, first - week, last - week).astype(np.float64)
    middle, lower, upper = (history.series.span(ring, rows, first, last).astype(np.float64) for ring in BAND)
    error, naive = middle - truth, np.abs(before - truth)
    known, absolute = np.isfinite(error), np.abs(error)
    compared, shared = known & np.isfinite(naive), known & (truth > 0)
    return Sums(
        n=_sum(known, 1.0),
        error=_sum(known, error),
        absolute=_sum(known, absolute),
        covered=_sum(known & (lower <= truth) & (truth <= upper), 1.0),
        ours=_sum(compared, absolute),
        naive=_sum(compared, naive),
        shares=_sum(shared, absolute / np.where(shared, truth, 1.0)),
        shared=_sum(shared, 1.0),
    )


def series_quality(history: History, rows: Int64s) -> Iterator[Point]:
    """The scores of some series, of the history's present day so far and of the day before."""
    for day in _days(history):
        sums = day_sums(history, rows, day)
        for place in np.flatnonzero(sums.n).tolist():
            level, site, meter = history.series.keys[rows[place]]
            fields = sums.fields(place, shares=level != "meter")
            yield _point((level, site, meter), day, fields)


def shard_quality(history: History) -> Iterator[Point]:
    """The scores of all meters of a shard taken together, under level `shard` and the shard's name."""
    meters = [row for row, (level, _, _) in enumerate(history.series.keys) if level == "meter"]
    if not meters:
        return
    shard = shard_of(history.series.keys[meters[0]][1])
    for day in _days(history):
        sums = day_sums(history, np.array(meters, np.int64), day).together()
        if sums.n[0]:
            yield _point(("shard", shard, ""), day, sums.fields(0, shares=False))


def _days(history: History) -> tuple[int, int]:
    today = history.newest // history.per_day
    return today - 1, today


def _point(key: Key, day: int, fields: Mapping[str, float]) -> Point:
    level, site, meter = key
    tags = {"level": level, "site": site, "meter": meter, "lead": DAY_AHEAD}
    return Point(MEASUREMENT, tags, day * DAY_MS, fields)


def _sum(where: npt.NDArray[np.bool_], values: Floats | float) -> Floats:
    return np.asarray(np.where(where, values, 0.0).sum(axis=1))
