"""Made-up homes whose drivers are known."""

from typing import Any

import numpy as np

from cloud_stream.correlation.history import History, Span, span_before
from cloud_stream.records import Floats

HALF_HOUR = 1_800_000
NOW = 1_763_683_200_000
"""2025-11-21T00:00Z."""


def span(days: int = 90, zone: str = "UTC", now_ms: int = NOW, interval_ms: int = HALF_HOUR) -> Span:
    return span_before(zone, now_ms, days, interval_ms)


def random(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def winds(days: int, mean_c: float = 10.0, seed: int = 1) -> Floats:
    """Mean temperatures of days, without a trend."""
    return np.asarray(mean_c + 5 * random(seed).standard_normal(days))


def spread_over(span: Span, daily_kwh: Floats) -> Floats:
    """Half hours that add up to these days, more at 19:00."""
    shape = np.where(span.hour == 19, 3.0, 1.0)
    whole = np.bincount(span.day, shape, minlength=span.days)
    return np.asarray(daily_kwh[span.day] * shape / whole[span.day])


def history(span: Span, energy: Floats, **known: Any) -> History:  # noqa: ANN401 (fields of several types)
    unknown: dict[str, Any] = {
        "occupancy": np.full(len(span.start_ms), np.nan),
        "temperature_c": np.full(span.days, np.nan),
        "temperature_source": "",
    }
    return History(span, energy, **(unknown | known))
