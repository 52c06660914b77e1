"""Forecasters and weather for tests: their answers depend on all that they are given."""

from dataclasses import dataclass

import numpy as np

from cloud_stream.sites import Site
from wattline.forecasting.port import HORIZON_MS, Floats32, Forecast, Scene


class Weighted:
    """A fixed random sum of every number of the scene: any shift, loss or mix-up of its inputs changes the forecast."""

    @property
    def name(self) -> str:
        """See `Forecaster`."""
        return "weighted-1"

    def forecast(self, scene: Scene) -> Forecast:
        """See `Forecaster`."""
        rows, past = scene.energy_kwh.shape
        ahead = HORIZON_MS // scene.interval_ms
        chance = np.random.default_rng(7)
        weights = chance.random((past, ahead)) / past
        told = np.nan_to_num(scene.energy_kwh.astype(np.float64)) @ weights
        calendar = scene.calendar
        when = calendar.minute_of_day + 7.0 * calendar.day_of_week + calendar.day_of_year + 13.0 * calendar.holiday
        warm = np.vstack([scene.temperature_c, np.full((1, past + ahead), np.nan)])[scene.place]
        told += 1e-4 * (np.nan_to_num(warm) @ chance.random((past + ahead, ahead)) + when @ chance.random(past + ahead))
        told += (np.nan_to_num(scene.floor_m2) + 3 * np.nan_to_num(scene.members))[:, None]
        middle = told.astype(np.float32)
        return Forecast(middle, middle - 1, middle + 1, np.ones(rows, np.bool_), middle + 2)


class Silent:
    """Has nothing to say of anybody."""

    @property
    def name(self) -> str:
        """See `Forecaster`."""
        return "silent-1"

    def forecast(self, scene: Scene) -> Forecast:
        """See `Forecaster`."""
        unknown = np.full((len(scene.energy_kwh), HORIZON_MS // scene.interval_ms), np.nan, np.float32)
        return Forecast(unknown, unknown, unknown, np.zeros(len(scene.energy_kwh), np.bool_))


@dataclass(slots=True)
class Sinusoid:
    """Weather at one place for everybody: a wave, until it stops.

    Attributes:
        ends_ms: Nothing is known from here on.
    """

    ends_ms: int = 2**62

    def place_of(self, site: Site) -> str:
        """See `Weather`."""
        del site
        return "everywhere"

    def temperature_c(self, place: str, start_ms: int, interval_ms: int, count: int, now_ms: int) -> Floats32:
        """See `Weather`."""
        del place, now_ms
        t_ms = start_ms + np.arange(count) * interval_ms
        told = (10 + 8 * np.sin(t_ms / 86_400_000)).astype(np.float32)
        told[t_ms >= self.ends_ms] = np.nan
        return told
