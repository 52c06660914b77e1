"""Tomorrow's use of every home by least squares: one linear model for all."""

from collections.abc import Iterator
from typing import Final

import msgspec
import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from model_export.batch.reading import Flags, Floats, Integers
from model_export.batch.results import ForecastFit
from model_export.batch.rules import DAY_SLOTS, FEATURES, FEWEST_ROWS, LAGS, WEEKDAYS, YEAR_DAYS, split_day

_CHUNK_ROWS: Final = 200_000


class _Rows(msgspec.Struct, frozen=True):
    """Whole days of homes, sorted, and those of them from which a forecast is made.

    Attributes:
        at: Positions of days that end seven whole days in a row.
        actual: The next day's use; NaN where it is not known.
    """

    day: Integers
    kwh: Floats
    max_kwh: Floats
    at: Integers
    actual: Floats


def forecast_days(days: pl.DataFrame) -> tuple[ForecastFit | None, pl.DataFrame]:
    """Learn from the earlier days, judge by the later ones, and forecast the day after every seven whole days.

    Args:
        days: The table of `DayCollector`.

    Returns:
        The fit, None where there is too little to learn from, and columns home, day (the forecast one), forecast_kwh,
        actual_kwh (null where it is not known).
    """
    whole = days.filter(pl.col("n") == DAY_SLOTS)
    rows = _rows(whole)
    known = ~np.isnan(rows.actual)
    target = rows.day[rows.at] + 1
    split = _split(target[known])
    learn, judge = known & (target < split), known & (target >= split)
    if learn.sum() < FEWEST_ROWS or not judge.any():
        return None, _table(whole, rows, np.full(len(rows.at), np.nan)).clear()
    # Its threads wait for each other by spinning: on a busy machine several are slower than one, up to a hundred times.
    with threadpool_limits(1, user_api="blas"):
        weights = _least_squares(rows, learn)
        forecast = np.concatenate([chunk @ weights for _, chunk in _designs(rows)])
    error = np.abs(forecast - rows.actual)[judge]
    naive = np.abs(rows.kwh[rows.at - (LAGS - 1)] - rows.actual)[judge]
    fit = ForecastFit(
        split_day=split,
        trained=int(learn.sum()),
        tested=int(judge.sum()),
        mae_kwh=float(error.mean()),
        week_ago_mae_kwh=float(naive.mean()),
        intercept=float(weights[-1]),
        coefficients=dict(zip(FEATURES, weights.tolist(), strict=False)),
    )
    return fit, _table(whole, rows, forecast)


def _rows(whole: pl.DataFrame) -> _Rows:
    day = whole["day"].to_physical().to_numpy().astype(np.int64)
    home = whole["home"].rle_id().to_numpy().astype(np.int64)
    kwh = whole["kwh"].to_numpy()
    # Homes far apart: then whole days in a row are numbers in a row.
    number = home * (1 << 20) + day
    at = np.arange(LAGS - 1, len(number))
    at = at[number[at] - number[at - (LAGS - 1)] == LAGS - 1]
    after = np.minimum(at + 1, len(number) - 1)
    actual = np.where(number[after] == number[at] + 1, kwh[after], np.nan)
    return _Rows(day, kwh, whole["max_kwh"].to_numpy(), at, actual)


def _split(target: Integers) -> int:
    values, counts = np.unique(target, return_counts=True)
    return split_day(dict(zip(values.tolist(), counts.tolist(), strict=True)))


def _least_squares(rows: _Rows, learn: Flags) -> Floats:
    """The normal equations, added up a chunk at a time."""
    square, moment = np.zeros((len(FEATURES) + 1,) * 2), np.zeros(len(FEATURES) + 1)
    for part, design in _designs(rows):
        use = learn[part]
        square += design[use].T @ design[use]
        moment += design[use].T @ rows.actual[part][use]
    return np.asarray(np.linalg.lstsq(square, moment, rcond=None)[0])


def _designs(rows: _Rows) -> Iterator[tuple[slice, Floats]]:
    """The features and a column of ones, float64[chunk, F + 1], a chunk of rows at a time."""
    for begin in range(0, len(rows.at), _CHUNK_ROWS):
        part = slice(begin, begin + _CHUNK_ROWS)
        at = rows.at[part]
        lags = rows.kwh[at[:, None] - np.arange(LAGS)]
        target = rows.day[at] + 1
        weekdays = (target % len(range(7)))[:, None] == np.arange(1, len(WEEKDAYS) + 1)
        angle = 2 * np.pi * (target % YEAR_DAYS) / YEAR_DAYS
        singles = (lags.std(axis=1), lags.max(axis=1), rows.max_kwh[at])
        yield part, np.column_stack([lags, *singles, weekdays, np.sin(angle), np.cos(angle), np.ones(len(at))])


def _table(whole: pl.DataFrame, rows: _Rows, forecast: Floats) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "home": whole["home"].gather(rows.at),
            "day": pl.Series(rows.day[rows.at] + 1).cast(pl.Int32).cast(pl.Date),
            "forecast_kwh": forecast,
            "actual_kwh": pl.Series(rows.actual).fill_nan(None),
        }
    )
