"""Outdoor weather as a function of a seed and the time.

A season, a day, and smooth noise of hours and of days. Times are local mean time in milliseconds:
UTC plus the place's offset, without daylight saving.
"""

from typing import Final

import msgspec
import numpy as np

from simulators.randomness import FloatArray, IntArray, wander

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
_YEAR_MS: Final = 365.2425 * DAY_MS
_COLDEST_DAY: Final = 20.0
_COLDEST_HOUR: Final = 3.5
_WINTER_SOLSTICE_DAY: Final = -10.0
_OBLIQUITY_RAD: Final = float(np.radians(23.44))
_FRONT_KNOT_MS: Final = 40 * HOUR_MS
_CLOUD_KNOT_MS: Final = 5 * HOUR_MS
_LIGHT_ENOUGH: Final = 0.14
"""Sine of the sun's elevation (8 degrees) above which nobody needs a lamp."""


class Climate(msgspec.Struct, frozen=True, kw_only=True):
    """What a place's weather varies around; the default is southern England.

    Attributes:
        mean_c: The year's mean temperature.
        season_c: Half the difference of the warmest and the coldest week.
        day_c: Half the difference of afternoon and night.
        noise_c: Standard deviation of fronts passing through.
        latitude_deg: North is positive.
    """

    mean_c: float = 11.0
    season_c: float = 6.5
    day_c: float = 3.0
    noise_c: float = 2.5
    latitude_deg: float = 51.5


class Weather(msgspec.Struct, frozen=True):
    """The weather of one place."""

    seed: int
    climate: Climate = Climate()

    def outdoor_c(self, t_ms: IntArray) -> FloatArray:
        """Air temperature in degrees Celsius."""
        season = -np.cos(_year_angle(t_ms, _COLDEST_DAY))
        day = -np.cos(2 * np.pi * (t_ms % DAY_MS / HOUR_MS - _COLDEST_HOUR) / 24)
        fronts = wander(self.seed, "fronts", t_ms, _FRONT_KNOT_MS)
        clouds = wander(self.seed, "clouds", t_ms, _CLOUD_KNOT_MS)
        climate = self.climate
        # Summer days swing more than winter days: the sun is what warms them.
        swing = climate.day_c * (1 + 0.35 * season) * (1 - 0.25 * np.tanh(clouds))
        noise = climate.noise_c * (fronts + 0.3 * clouds)
        return np.asarray(climate.mean_c + climate.season_c * season + swing * day + noise)

    def outdoor_humidity_pct(self, t_ms: IntArray) -> FloatArray:
        """Relative humidity: high at night and under clouds."""
        night = np.cos(2 * np.pi * (t_ms % DAY_MS / HOUR_MS - _COLDEST_HOUR) / 24)
        clouds = wander(self.seed, "clouds", t_ms, _CLOUD_KNOT_MS)
        return np.clip(78 + 9 * night + 6 * clouds, 30, 100)

    def darkness(self, t_ms: IntArray) -> FloatArray:
        """How much lamps are needed: 0 by day, 1 at night, between them at dawn and dusk."""
        latitude = np.radians(self.climate.latitude_deg)
        declination = -_OBLIQUITY_RAD * np.cos(_year_angle(t_ms, _WINTER_SOLSTICE_DAY))
        hour_angle = 2 * np.pi * (t_ms % DAY_MS / DAY_MS - 0.5)
        sine = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(hour_angle)
        return np.asarray(np.clip((_LIGHT_ENOUGH - sine) / _LIGHT_ENOUGH, 0, 1), dtype=np.float64)


def saturation_pa(temperature_c: FloatArray) -> FloatArray:
    """Vapour pressure of saturated air in pascal (Magnus formula, WMO-No. 8)."""
    exponent: FloatArray = 17.62 * temperature_c / (243.12 + temperature_c)
    return np.asarray(611.2 * np.exp(exponent))


def _year_angle(t_ms: IntArray, zero_day: float) -> FloatArray:
    return np.asarray(2 * np.pi * (t_ms - zero_day * DAY_MS) / _YEAR_MS, dtype=np.float64)
