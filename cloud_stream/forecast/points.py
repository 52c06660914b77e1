"""Forecasts as points of the store."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from cloud_stream.forecast.history import DAY_MS, Key
from cloud_stream.measurements import FORECAST
from cloud_stream.records import Floats, PointColumns
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
) -> list[PointColumns]:
    """The points of N series: each target as `latest`, and the one that begins a day after `issued_ms` as `day_ahead`.

    Args:
        keys: Level, site and meter of the series.
        forecast: Of these.
        models: Which model said so, of each.
        issued_ms: When, ms UTC: the start of the first target.
        interval_ms: Length of the targets.

    Returns:
        `forecast` points; none of a target of which nothing can be said; `mean_kwh` where it is not the middle.
    """
    tables_kwh = (forecast.energy_kwh, forecast.lower, forecast.upper, forecast.mean_kwh)
    numbers: dict[str, Floats] = {
        name: np.asarray(np.round(table.astype(np.float64), _DECIMALS), np.float64)
        for name, table in zip(_FIELDS, tables_kwh, strict=True)
        if table is not None
    }
    t_ms = issued_ms + np.arange(forecast.energy_kwh.shape[1]) * interval_ms
    facts: Mapping[str, Sequence[int | str]] = {"issued_at": [issued_ms] * len(keys), "model": models}
    day = DAY_MS // interval_ms
    a_day_ahead = {name: table[:, day : day + 1] for name, table in numbers.items()}
    return [
        PointColumns(FORECAST, _tags(keys, LATEST), t_ms, numbers, facts),
        PointColumns(FORECAST, _tags(keys, DAY_AHEAD), t_ms[day : day + 1], a_day_ahead, facts),
    ]


def _tags(keys: Sequence[Key], lead: str) -> list[dict[str, str]]:
    return [{"level": level, "site": site, "meter": meter, "lead": lead} for level, site, meter in keys]


def model_names(name: str, by_model: Sequence[bool], weather: Sequence[bool]) -> list[str]:
    """Which model each series was forecast by, for the record; one that had no weather says so."""
    without = name + NO_WEATHER
    return [
        (name if told else without) if modelled else NAIVE for modelled, told in zip(by_model, weather, strict=True)
    ]
