"""Forecasts as points of the store."""

from collections.abc import Iterator, Sequence
from itertools import compress
from typing import Final

import numpy as np

from cloud_stream.forecast.history import Key
from cloud_stream.measurements import FORECAST, FieldValue
from cloud_stream.records import Point
from wattline.forecasting.port import Forecast

LATEST: Final = "latest"
DAY_AHEAD: Final = "day_ahead"
NAIVE: Final = "seasonal-naive"
NO_WEATHER: Final = " no-weather"
_FIELDS: Final = ("energy_kwh", "lower", "upper", "mean_kwh")
_DECIMALS: Final = 6
"""Milliwatt hours: more digits are the noise of 32-bit numbers, and cost room in the store."""


def forecast_points(
    keys: Sequence[Key], forecast: Forecast, models: Sequence[str], issued_ms: int, interval_ms: int
) -> Iterator[Point]:
    """The points of N series: each target as `latest`, and the one that begins a day after `issued_ms` as `day_ahead`.

    Args:
        keys: Level, site and meter of the series.
        forecast: Of these.
        models: Which model said so, of each.
        issued_ms: When, ms UTC: the start of the first target.
        interval_ms: Length of the targets.

    Yields:
        `forecast` points; none of a target of which nothing can be said; `mean_kwh` where it is not the middle.
    """
    tables_kwh = [forecast.energy_kwh, forecast.lower, forecast.upper, forecast.mean_kwh]
    told = {name: table for name, table in zip(_FIELDS, tables_kwh, strict=True) if table is not None}
    values = np.stack(list(told.values()), axis=2).astype(np.float64)
    tables: list[list[list[float]]] = np.round(values, _DECIMALS).tolist()
    known: list[list[bool]] = np.asarray(np.isfinite(values).all(axis=2)).tolist()
    times = range(issued_ms, issued_ms + values.shape[1] * interval_ms, interval_ms)
    day = 86_400_000 // interval_ms
    for (level, site, meter), model, table, said in zip(keys, models, tables, known, strict=True):
        tags = {"level": level, "site": site, "meter": meter, "lead": LATEST}
        common: dict[str, FieldValue] = {"issued_at": issued_ms, "model": model}
        for t_ms, band in compress(zip(times, table, strict=True), said):
            yield Point(FORECAST, tags, t_ms, dict(zip(told, band, strict=True)) | common)
        if said[day]:
            fields = dict(zip(told, table[day], strict=True)) | common
            yield Point(FORECAST, tags | {"lead": DAY_AHEAD}, times[day], fields)


def model_names(name: str, by_model: Sequence[bool], weather: Sequence[bool]) -> list[str]:
    """Which model each series was forecast by, for the record; one that had no weather says so."""
    without = name + NO_WEATHER
    return [
        (name if told else without) if modelled else NAIVE for modelled, told in zip(by_model, weather, strict=True)
    ]
