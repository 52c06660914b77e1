"""What usage and forecast rows say, into ledgers."""

from dataclasses import replace
from functools import lru_cache
from math import isnan, nan
from typing import Final

from cloud_stream.intents.ledger import Ledger, ShortWindow
from cloud_stream.intents.settings import IntentSettings
from cloud_stream.records import Point
from wattline.config import parse_duration

LATEST: Final = "latest"
"""The tag `lead` of the newest forecast."""


def read_usage(ledger: Ledger, point: Point, settings: IntentSettings, now_ms: int) -> bool:
    """Note a usage row; False when it is too old to be kept. Rows of other windows say nothing.

    A short window that is still to come, by a meter's wrong clock, would crowd out those of now.
    """
    width_ms = _length_ms(point.tags.get("window", ""))
    energy_kwh = _number(point, "energy_kwh")
    if width_ms == settings.short_ms and point.t_ms <= now_ms + settings.short_ms:
        window = _power(point, energy_kwh, settings.short_ms)
        if window is not None:
            ledger.put_short(point.t_ms, window)
    if width_ms == settings.utility_ms and not isnan(energy_kwh):
        return ledger.put(point.t_ms, energy_kwh)
    return True


def forecast_of(point: Point) -> float | None:
    """The newest forecast's energy; None when the row is of another lead."""
    energy_kwh = _number(point, "energy_kwh")
    is_newest = point.tags.get("lead") == LATEST
    return energy_kwh if is_newest and not isnan(energy_kwh) else None


def _power(point: Point, energy_kwh: float, width_ms: int) -> ShortWindow | None:
    """Measured power; where there is none, the mean that the energy makes."""
    mean_w, last_w = _number(point, "power_w_mean"), _number(point, "power_w_last")
    if not isnan(mean_w):
        return ShortWindow(mean_w, last_w)
    return None if isnan(energy_kwh) else ShortWindow(energy_kwh * 3.6e9 / width_ms, nan, is_sum=True)


def _number(point: Point, field: str) -> float:
    value = point.fields.get(field)
    return float(value) if isinstance(value, int | float) else nan


@lru_cache(maxsize=256)
def _length_ms(window: str) -> int:
    try:
        return parse_duration(window)
    except ValueError:
        return 0


def not_ahead(point: Point, now_ms: int) -> Point:
    """A gateway whose clock is ahead must not hide what it says once that is right, nor keep a load off as long."""
    return point if point.t_ms <= now_ms else replace(point, t_ms=now_ms)
