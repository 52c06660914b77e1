"""The port of weather: outdoor temperature at the places of sites, measured and forecast."""

from typing import Protocol

import numpy as np

from cloud_stream.sites import Site
from wattline.forecasting.port import Floats32


class Weather(Protocol):
    """Tells temperatures by place. Never raises: what is not known is NaN."""

    def place_of(self, site: Site) -> str:
        """The place whose weather a site has, with a name of its own; "" where none is known."""

    def temperature_c(self, place: str, start_ms: int, interval_ms: int, count: int, now_ms: int) -> Floats32:
        """float32[count]: mean temperatures of intervals in a row.

        Args:
            place: From `place_of`.
            start_ms: Start of the first interval, ms UTC.
            interval_ms: Their length.
            count: How many.
            now_ms: The wall clock, by which weather grows stale.
        """


class NoWeather:
    """Nobody has told."""

    def place_of(self, site: Site) -> str:
        """See `Weather`."""
        del site
        return ""

    def temperature_c(self, place: str, start_ms: int, interval_ms: int, count: int, now_ms: int) -> Floats32:
        """See `Weather`."""
        del place, start_ms, interval_ms, now_ms
        return np.full(count, np.nan, np.float32)
