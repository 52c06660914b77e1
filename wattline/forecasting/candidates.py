"""Simple forecasts from the same time of other days, and which of them a series has lately kept to.

A home does tomorrow what it does on most days, an office what it did a week ago, a sum of many what it did in the last
days. Each series is asked: the last week is forecast from what was known two days before, by every candidate, and the
better one was, the more it counts.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from wattline.forecasting.arrays import NAN, at_columns, mean, ordered, rooted_mean_square, weighted
from wattline.forecasting.lags import lag_columns
from wattline.forecasting.port import BAND, Bools, Calendar, Floats32, Int64s

_SATURDAY: Final = 5
_OTHER_KIND: Final = 0.15
"""What a workday counts for a weekend, and the other way round."""
_SHORT_DAYS: Final = 5
_LONG_DAYS: Final = 14
_TAIL: Final = round((1 - BAND) / 2, 9)
_SHARPNESS: Final = 3
"""Doublings: weights are errors to the power of -8; less mixes good with bad, more flips between equals."""
_SMALL: Final = np.float32(0.02)
"""Of the level: errors below are as good as none."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """Where to look for the same time of D days before each of C intervals; the same for all series.

    Attributes:
        lags: int64[C, D]: column of the history; -1 for none.
        same_kind: bool[C, D]: whether that day is of the same kind: workday, or weekend and holiday.
        short: float32[C, D]: weights of the days, newer ones and those of the same kind being larger. long: less so.
        weekly: Which of the D are whole weeks before.
    """

    lags: Int64s
    same_kind: Bools
    short: Floats32
    long: Floats32
    weekly: Int64s

    @classmethod
    def of(cls, calendar: Calendar, columns: Int64s, days: range, known: int, interval_ms: int) -> "Lookup":
        """The lookup of some columns of a calendar.

        Args:
            calendar: Local time of all intervals.
            columns: int64[C].
            days: How many days before.
            known: Columns from this on are not known.
            interval_ms: Length of the intervals.
        """
        lags = np.stack([lag_columns(calendar, columns, day, interval_ms) for day in days], axis=1)
        lags[lags >= known] = -1
        off = days_off(calendar)
        same_kind = (off[lags] == off[columns, None]) & (lags >= 0)
        kind = np.where(same_kind, 1.0, _OTHER_KIND) * (lags >= 0)
        ago = np.asarray(days) - days[0]
        return cls(
            lags,
            same_kind,
            (kind * np.exp(-ago / _SHORT_DAYS)).astype(np.float32),
            (kind * np.exp(-ago / _LONG_DAYS)).astype(np.float32),
            np.flatnonzero(np.asarray(days) % 7 == 0),
        )


def days_off(calendar: Calendar) -> Bools:
    """Which intervals are on a weekend or a public holiday."""
    return (calendar.day_of_week >= _SATURDAY) | calendar.holiday


class Candidates(NamedTuple):
    """Simple forecasts of C intervals of n series; NaN where there is none.

    Attributes:
        middles: float32[5, n, C]: median of all days, of days of the same kind, weighted mean of the last days, the
            same weekday's mean, a week before.
        means: float32[4, n, C]: weighted means of the last days and weeks, the same weekday's mean, a week before.
        orders: float32[5, n, C]: below which 10, 25, 50, 75 and 90 % of all days lie.
    """

    middles: tuple[Floats32, ...]
    means: tuple[Floats32, ...]
    orders: tuple[Floats32, ...]


ORDERS: Final = (_TAIL, 0.25, 0.5, 0.75, 1 - _TAIL)


def candidates(relative: Floats32, lookup: Lookup) -> Candidates:
    """The candidates for the intervals of a lookup, from float32[n, H]."""
    cube = at_columns(relative, lookup.lags)
    orders = tuple(ordered(cube, ORDERS))
    [kind] = ordered(np.where(lookup.same_kind, cube, NAN), (0.5,))
    weeks = cube[:, :, lookup.weekly]
    short, long, weekday, week = weighted(cube, lookup.short), weighted(cube, lookup.long), mean(weeks), weeks[:, :, 0]
    return Candidates((orders[2], kind, short, weekday, week), (short, long, weekday, week), orders)


class Blend(NamedTuple):
    """What the candidates say together, and how good they lately were.

    Attributes:
        low: float32[n, C]. middle: float32[n, C]. high: float32[n, C]. mean: float32[n, C].
        error: float32[n]: mean absolute error of the blended middle in the last week.
        errors: float32[5, n]: those of the candidates for the middle.
    """

    low: Floats32
    middle: Floats32
    high: Floats32
    mean: Floats32
    error: Floats32
    errors: tuple[Floats32, ...]


def blend(tried: Candidates, truth: Floats32, ahead: Candidates) -> Blend:
    """Weigh the candidates by what they made of the last week.

    Args:
        tried: Of the last week, from what was known before.
        truth: What then came, float32[n, W].
        ahead: Of the intervals that are forecast.
    """
    errors = tuple(mean(np.abs(truth - said)) for said in tried.middles)
    squares = tuple(rooted_mean_square(truth - said) for said in tried.means)
    middle = _mixed(ahead.middles, errors)
    residual = truth - _mixed(tried.middles, errors)
    below, above = ordered(residual, (_TAIL, 1 - _TAIL))
    low = _border(ahead.orders[0], middle + below[:, None], truth - tried.orders[0], residual - below[:, None], _TAIL)
    high = _border(
        ahead.orders[-1], middle + above[:, None], truth - tried.orders[-1], residual - above[:, None], 1 - _TAIL
    )
    return Blend(low, middle, high, _mixed(ahead.means, squares), mean(np.abs(residual)), errors)


def _border(of_days: Floats32, of_errors: Floats32, *tried: Floats32 | float) -> Floats32:
    """A border of the band: of what other days show, and of the errors of the middle."""
    first, second, share = tried
    losses = tuple(mean(_pinball(np.asarray(apart), float(share))) for apart in (first, second))
    return _mixed((of_days, of_errors), losses)


def _pinball(apart: Floats32, share: float) -> Floats32:
    loss: Floats32 = np.maximum(np.float32(share) * apart, np.float32(share - 1) * apart)
    return loss


def _mixed(said: tuple[Floats32, ...], errors: tuple[Floats32, ...]) -> Floats32:
    """Mean of what is said, by the errors; NaN where nobody says anything."""
    total, weights = np.zeros_like(said[0]), np.zeros_like(said[0])
    least = np.fmin.reduce(errors)
    for values, error in zip(said, errors, strict=True):
        weight = (least + _SMALL) / (error + _SMALL)
        for _ in range(_SHARPNESS):
            weight = weight * weight
        here = np.where(np.isfinite(values) & np.isfinite(weight)[:, None], weight[:, None], np.float32(0))
        total += np.where(here > 0, values, np.float32(0)) * here
        weights += here
    return np.where(weights > 0, total / np.maximum(weights, np.float32(1e-30)), NAN)
