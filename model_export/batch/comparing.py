"""Whether two runs over the same files came to the same results."""

from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import polars as pl

from model_export.batch.results import ANOMALIES, DAILY, FORECAST, ForecastFit, read_summary
from model_export.batch.rules import FEATURES

_SUMS_TOLERANCE: Final = 1e-9
_COEFFICIENTS_TOLERANCE: Final = 1e-6
_INERTIA_TOLERANCE: Final = 0.05
"""Which clusters are found depends on where the search begins, and the engines begin at different places."""
_KEYS: Final = ("home", "day")


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """How far two runs agree.

    Attributes:
        agrees: Counts, days, forecasts and inertia agree within the tolerances.
        counts: The rows of every kind are the same numbers.
        days: The same homes have the same days.
        daily_difference: The largest between two numbers of the daily tables, relative (absolute below 1 kWh).
        coefficients_difference: The largest between two coefficients, in kWh per unit of the feature.
        forecast_difference: The largest between two forecasts, in kWh.
        inertia_ratio: Of the clusters, the second run's by the first's: both only seek the best clusters.
        anomalies_shared: Unusual days of both runs among those of either.
    """

    agrees: bool
    counts: bool
    days: bool
    daily_difference: float
    coefficients_difference: float
    forecast_difference: float
    inertia_ratio: float
    anomalies_shared: float


def compare_runs(one: Path, other: Path) -> Agreement:
    """Compare the results in two folders; what only one of them has makes the difference infinite."""
    first, second = read_summary(one), read_summary(other)
    daily, forecast, kinds = (_joined(one, other, name) for name in (DAILY, FORECAST, ANOMALIES))
    days = not daily["lone"].any()
    daily_difference = _largest(daily, [name for name in daily.columns if name + "_right" in daily.columns])
    coefficients_difference = _between(first.forecast, second.forecast)
    inertia_ratio = second.clusters.inertia / first.clusters.inertia if first.clusters and second.clusters else np.inf
    within = (
        first.counts == second.counts,
        days,
        daily_difference <= _SUMS_TOLERANCE,
        coefficients_difference <= _COEFFICIENTS_TOLERANCE,
        abs(inertia_ratio - 1) <= _INERTIA_TOLERANCE,
    )
    either = kinds.filter(pl.col("anomalous").fill_null(value=False) | pl.col("anomalous_right").fill_null(value=False))
    both = either.filter(pl.col("anomalous") & pl.col("anomalous_right"))
    return Agreement(
        agrees=all(within),
        counts=within[0],
        days=days,
        daily_difference=daily_difference,
        coefficients_difference=coefficients_difference,
        forecast_difference=_largest(forecast, ["forecast_kwh"]),
        inertia_ratio=inertia_ratio,
        anomalies_shared=both.height / either.height if either.height else 1.0,
    )


def _joined(one: Path, other: Path, name: str) -> pl.DataFrame:
    """Both tables side by side; `lone` marks rows that only one has."""
    left, right = (_table(folder / name) for folder in (one, other))
    joined = left.join(right.with_columns(there=True), on=_KEYS, how="full", coalesce=True, nulls_equal=True)
    return joined.with_columns(lone=pl.col("there").is_null() | pl.any_horizontal(pl.col(_here(left)).is_null()))


def _here(table: pl.DataFrame) -> str:
    """A column that is never null in its table."""
    return next(name for name in table.columns if name not in _KEYS)


def _table(file: Path) -> pl.DataFrame:
    """One file, or a folder of parts."""
    return pl.read_parquet(file / "*.parquet" if file.is_dir() else file)


def _largest(joined: pl.DataFrame, names: list[str]) -> float:
    if joined["lone"].any():
        return float("inf")
    pairs = [(joined[name].to_numpy(), joined[f"{name}_right"].to_numpy()) for name in names]
    return max((float(np.max(np.abs(a - b) / np.maximum(1.0, np.abs(a)), initial=0.0)) for a, b in pairs), default=0.0)


def _between(one: ForecastFit | None, other: ForecastFit | None) -> float:
    if one is None or other is None:
        return 0.0 if one is other else float("inf")
    pairs = [(one.coefficients[name], other.coefficients[name]) for name in FEATURES]
    return max(abs(a - b) for a, b in [*pairs, (one.intercept, other.intercept)])
