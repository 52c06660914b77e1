"""Reads what correlations are made of from the store, in bounded pieces."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud_stream.config import CloudConfig
from cloud_stream.correlation.history import DAY_MS, History, Span, day_means, day_means_of_hours, on_grid, span_before
from cloud_stream.measurements import USAGE, width_label
from cloud_stream.ports import Store
from cloud_stream.records import Floats, Point
from cloud_stream.sites import Sites

DAYS: Final = 90
PIECE_POINTS: Final = 5_000
"""So many points of one series are in memory at once."""
MAX_METERS: Final = 50
"""Of one site; those of a larger one are left to the site."""
MAX_SITES: Final = 100_000
WEATHER: Final = "weather"
MEASURED: Final = "measured"
UNLISTED: Final = ""
"""The site under which the weather of every unlisted site is."""
_LOOKS: Final = 8
"""Intervals a day in which a site that is alive is looked for."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read usage: which windows, and what is known of sites.

    Attributes:
        window: Label of the utility interval's windows.
        interval_ms: Its length.
    """

    store: Store
    sites: Sites
    window: str
    interval_ms: int
    days: int = DAYS

    def span(self, site: str, now_ms: int) -> Span:
        """The whole local days of a site that are looked at."""
        return span_before(self.sites.of(site).time_zone, now_ms, self.days, self.interval_ms)

    def live_sites(self, now_ms: int) -> list[str]:
        """The sites with usage in the last two days, by looking at a few of their intervals."""
        found: set[str] = set()
        step_ms = DAY_MS // _LOOKS
        for look in range(1, 2 * _LOOKS + 1):
            start_ms = (now_ms - look * step_ms) // self.interval_ms * self.interval_ms
            tags = {"level": "site", "window": self.window}
            found |= {point.tags["site"] for point in self.store.points(USAGE, tags, start_ms, start_ms + 1)}
        return sorted(found)[:MAX_SITES]

    def site(self, site: str, now_ms: int) -> History:
        """One site's history."""
        span = self.span(site, now_ms)
        tags = {"level": "site", "site": site, "window": self.window}
        columns = _columns(self._pieces(tags, span), ("energy_kwh", "occupancy_mean", "temperature_c_mean"))
        grids = {name: on_grid(span, *column) for name, column in columns.items()}
        energy, people, own = (grids[name] for name in ("energy_kwh", "occupancy_mean", "temperature_c_mean"))
        warmth, source = self._temperature(site, span, own)
        return History(span, energy, people, warmth, source)

    def meters(self, site: str, of_site: History) -> Mapping[str, History]:
        """The histories of a site's meters of energy, where it has more than one; what drives them is the site's."""
        span = of_site.span
        tags = {"level": "meter", "site": site, "window": self.window}
        # The last day's middle: one interval tells who is there.
        middle_ms = int(span.start_ms[len(span.start_ms) - len(span.start_ms) // (2 * span.days)])
        here = self.store.points(USAGE, tags, middle_ms, middle_ms + self.interval_ms)
        names = sorted({point.tags["meter"] for point in here if "energy_kwh" in point.fields})
        if not 1 < len(names) <= MAX_METERS:
            return {}
        return {meter: self.meter(site, meter, of_site) for meter in names}

    def meter(self, site: str, meter: str, of_site: History) -> History:
        """One meter's history; what may drive it is the site's."""
        span = of_site.span
        tags = {"level": "meter", "site": site, "meter": meter, "window": self.window}
        energy = _columns(self._pieces(tags, span), ("energy_kwh",))["energy_kwh"]
        return History(
            span, on_grid(span, *energy), of_site.occupancy, of_site.temperature_c, of_site.temperature_source
        )

    def _temperature(self, site: str, span: Span, own: Floats) -> tuple[Floats, str]:
        """Daily means from the weather service where they are known, from the site's own sensor otherwise."""
        for name in dict.fromkeys((site, UNLISTED)):
            tags = {"site": name, "source": MEASURED}
            hours = [point for piece in self._pieces(tags, span, WEATHER) for point in piece]
            if hours:
                values = [float(point.fields.get("temperature_c", np.nan)) for point in hours]
                return day_means_of_hours(span, [point.t_ms for point in hours], values), "weather service"
        if np.isfinite(own).any():
            return day_means(span, own), "the site's own sensor, which may be indoors"
        return np.full(span.days, np.nan), ""

    def _pieces(self, tags: Mapping[str, str], span: Span, measurement: str = USAGE) -> Iterator[Sequence[Point]]:
        step_ms = PIECE_POINTS * self.interval_ms
        first_ms, end_ms = int(span.day_start_ms[0]), int(span.day_start_ms[-1])
        for start_ms in range(first_ms, end_ms, step_ms):
            yield self.store.points(measurement, tags, start_ms, min(end_ms, start_ms + step_ms))


def reading_of(config: CloudConfig, store: Store, sites: Sites, days: int = DAYS) -> Reading:
    """How to read what a configuration's flow has written."""
    interval_ms = int(config.flow.utility_interval)
    return Reading(store, sites, width_label(interval_ms), interval_ms, days)


def _columns(pieces: Iterator[Sequence[Point]], names: Sequence[str]) -> dict[str, tuple[list[int], list[float]]]:
    """Times and values of some fields."""
    columns: dict[str, tuple[list[int], list[float]]] = {name: ([], []) for name in names}
    for points in pieces:
        for point in points:
            for name, (times, values) in columns.items():
                value = point.fields.get(name)
                if isinstance(value, int | float):
                    times.append(point.t_ms)
                    values.append(value)
    return columns
