"""From the past of many series to what a forecaster is given: series of one place in time go together."""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from cloud_stream.forecast.history import MEMBERS, History
from cloud_stream.forecast.weather import Weather
from cloud_stream.records import Int64s
from cloud_stream.sites import Site, Sites
from wattline.forecasting.calendar import calendar_of
from wattline.forecasting.port import HORIZON_MS, Bools, Floats32, Scene

_MAX_SITES: Final = 50_000
_ENOUGH_WEATHER: Final = 0.5
"""Of the horizon must be known for a forecast to count as made with the weather."""


class Group(NamedTuple):
    """What series must share to be forecast together.

    Attributes:
        model: The level whose model is asked: a site with one meter is forecast as that meter is.
    """

    model: str
    time_zone: str
    country: str


@dataclass(frozen=True, slots=True)
class Staged:
    """One scene and whose it is.

    Attributes:
        model: The level whose model is asked.
        rows: int64[N]: rows of the history, in the order of the scene.
        weather: bool[N]: whether the weather of most of the horizon is known.
    """

    model: str
    rows: Int64s
    scene: Scene
    weather: Bools


class Stage:
    """Makes scenes of a history.

    Args:
        sites: What is known of sites.
        weather: The weather at their places.
        interval_ms: Length of the intervals.
    """

    def __init__(self, sites: Sites, weather: Weather, interval_ms: int) -> None:
        self._sites = sites
        self._weather = weather
        self._interval_ms = interval_ms
        self._known: dict[str, Site] = {}

    def scenes(self, history: History, rows: Int64s, now_ms: int) -> Iterator[Staged]:
        """The scenes of some series at the history's present.

        Args:
            history: Weather that becomes known is remembered in it.
            rows: int64[R]: its rows, any.
            now_ms: The wall clock, ms UTC.
        """
        groups: dict[Group, list[tuple[int, Site]]] = {}
        alone = (history.series[MEMBERS][rows] == 1).tolist()
        for row, single in zip(rows.tolist(), alone, strict=True):
            level, site_id, _ = history.series.keys[row]
            site = self._site(site_id)
            group = Group("meter" if single else level, site.time_zone, site.country)
            groups.setdefault(group, []).append((row, site))
        for group, members in groups.items():
            some, sites = zip(*members, strict=True)
            yield self._staged(history, group, np.array(some, np.int64), sites, now_ms)

    def _staged(self, history: History, group: Group, rows: Int64s, sites: Sequence[Site], now_ms: int) -> Staged:
        reported = [self._weather.place_of(site) for site in sites]
        places = [place or history.own_place(site.id) for place, site in zip(reported, sites, strict=True)]
        names = list(dict.fromkeys(filter(None, places)))
        temperature_c = self._temperature(history, names, set(reported), now_ms)
        numbers = {name: number for number, name in enumerate(names)}
        place = np.array([numbers.get(name, -1) for name in places], np.int64)
        issued_ms = (history.newest + 1) * self._interval_ms
        scene = Scene(
            issued_ms=issued_ms,
            interval_ms=self._interval_ms,
            energy_kwh=history.scene_energy(rows),
            calendar=calendar_of(group.time_zone, group.country, issued_ms, self._interval_ms),
            temperature_c=temperature_c,
            place=place,
            floor_m2=np.array([site.floor_m2 or np.nan for site in sites], np.float32),
            members=history.series[MEMBERS][rows],
        )
        # The last one is for place -1: none.
        known = np.isfinite(temperature_c[:, history.width :]).mean(axis=1) >= _ENOUGH_WEATHER
        weather = np.append(known, False)[place]
        return Staged(group.model, rows, scene, weather)

    def _temperature(
        self, history: History, places: Sequence[str], reported: AbstractSet[str], now_ms: int
    ) -> Floats32:
        """float32[P, H + K]."""
        count = history.width + HORIZON_MS // self._interval_ms
        start_ms = (history.newest + 1 - history.width) * self._interval_ms
        table = np.full((len(places), count), np.nan, np.float32)
        for line, place in zip(table, places, strict=True):
            if place in reported:
                line[:] = self._weather.temperature_c(place, start_ms, self._interval_ms, count, now_ms)
                history.remember_temperature(place, line[: history.width])
            line[: history.width] = history.scene_temperature(place)
        return table

    def _site(self, site_id: str) -> Site:
        found = self._known.get(site_id)
        if found is None:
            if len(self._known) >= _MAX_SITES:
                self._known.clear()
            found = self._known[site_id] = self._sites.of(site_id)
        return found
