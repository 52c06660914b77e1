"""Series side by side on one grid of time, and the scenes that a forecaster is shown of them."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from model_export.dataset import MeterSeries
from model_export.errors import DataError
from wattline.forecasting.calendar import local_calendar
from wattline.forecasting.port import HISTORY_MS, HORIZON_MS, Calendar, Floats32, Int64s, Scene
from wattline.intervals import HOUR_MS

DAY_MS: Final = 86_400_000
MOST_BYTES: Final = 4 << 30
"""Of the values of all series: far more than a workstation's evaluation needs."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where all series are: the time zone their calendar goes by, and whose public holidays count."""

    zone: str = "UTC"
    country: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """Intervals [begin, end) of a table, counted from 0."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class SeriesTable:
    """N series over T intervals, with a margin of one history before them and one horizon after them.

    Attributes:
        names: Of the series.
        start_ms: Start of the first of the T intervals.
        interval_ms: Their length.
        energy_kwh: float32[N, H + T + K]; NaN is missing, as in both margins.
        temperature_c: float32[P, H + T + K].
        place: int64[N]: row of `temperature_c`; -1 for none.
        floor_m2: float32[N].
        members: float32[N].
        calendar: Of the H + T + K intervals.
    """

    names: tuple[str, ...]
    start_ms: int
    interval_ms: int
    energy_kwh: Floats32
    temperature_c: Floats32
    place: Int64s
    floor_m2: Floats32
    members: Floats32
    calendar: Calendar

    def __len__(self) -> int:
        return len(self.names)

    @property
    def history(self) -> int:
        """H: intervals of the past in a scene."""
        return HISTORY_MS // self.interval_ms

    @property
    def horizon(self) -> int:
        """K: intervals that are forecast."""
        return HORIZON_MS // self.interval_ms

    @property
    def length(self) -> int:
        """T: intervals between the margins."""
        return int(self.energy_kwh.shape[1]) - self.history - self.horizon

    @property
    def per_day(self) -> int:
        """Intervals a day."""
        return DAY_MS // self.interval_ms

    def scene(self, at: int) -> Scene:
        """What was known when interval `at`, counted from 0, began.

        The temperature of the horizon is the measured one: as if it had been forecast without error.
        """
        seen = slice(at, at + self.history)
        whole = slice(at, at + self.history + self.horizon)
        return Scene(
            self.start_ms + at * self.interval_ms,
            self.interval_ms,
            self.energy_kwh[:, seen],
            _cut(self.calendar, whole),
            self.temperature_c[:, whole],
            self.place,
            self.floor_m2,
            self.members,
        )

    def truth(self, at: int) -> Floats32:
        """What was used in the K intervals from `at` on, float32[N, K]; NaN is not known."""
        begin = at + self.history
        return self.energy_kwh[:, begin : begin + self.horizon]

    def a_week_before(self, at: int) -> Floats32:
        """What was used a week before each of the K intervals from `at` on, float32[N, K]."""
        begin = at + self.history - 7 * self.per_day
        return self.energy_kwh[:, begin : begin + self.horizon]

    def of(self, rows: Sequence[int] | Int64s) -> "SeriesTable":
        """Only some series."""
        chosen = np.asarray(rows, np.int64)
        return replace(
            self,
            names=tuple(self.names[row] for row in chosen),
            energy_kwh=self.energy_kwh[chosen],
            place=self.place[chosen],
            floor_m2=self.floor_m2[chosen],
            members=self.members[chosen],
        )

    def without_weather(self) -> "SeriesTable":
        """As if nobody had measured it."""
        return replace(
            self, temperature_c=np.empty((0, self.energy_kwh.shape[1]), np.float32), place=self.place * 0 - 1
        )

    def digest(self) -> str:
        """SHA-256 of the values and times, so that a model names what it was trained on."""
        content = hashlib.sha256(f"{self.start_ms} {self.interval_ms} {len(self)}".encode())
        content.update(np.ascontiguousarray(self.energy_kwh).tobytes())
        return content.hexdigest()


def table_of(series: Sequence[MeterSeries], interval_ms: int, place: Place, quantity: str = "") -> SeriesTable:
    """Series from any source as a table.

    Args:
        series: Of intervals of that length.
        interval_ms: The length.
        place: Where they are.
        quantity: What was measured; rates of `power_w` are watts, all others amounts an hour.

    Raises:
        DataError: There are no series, or so many or so long ones that they do not fit.
    """
    if not series or not any(len(one.intervals) for one in series):
        raise DataError("the data set holds no intervals")
    begin = min(int(one.intervals.start_ms[0]) for one in series if len(one.intervals)) // DAY_MS * DAY_MS
    end = max(int(one.intervals.start_ms[-1]) for one in series if len(one.intervals)) + interval_ms
    shape = Shape(begin, (end - begin) // interval_ms, interval_ms)
    if shape.width * len(series) * 4 > MOST_BYTES:
        raise DataError(
            f"{len(series)} meters over {(end - begin) / DAY_MS:.0f} days are too many; --homes takes fewer"
        )
    hours = interval_ms / HOUR_MS / (1000 if quantity == "power_w" else 1)
    energy = np.full((len(series), shape.width), np.nan, np.float32)
    for row, one in zip(energy, series, strict=True):
        row[shape.columns(one.intervals.start_ms)] = one.intervals.mean * hours
    weather, there = _weather(series, shape)
    floors = [one.building.floor_m2 if one.building else math.nan for one in series]
    return SeriesTable(
        tuple(one.name for one in series),
        begin,
        interval_ms,
        energy,
        weather,
        there,
        np.array(floors, np.float32),
        np.ones(len(series), np.float32),
        shape.calendar(place),
    )


@dataclass(frozen=True, slots=True)
class Shape:
    """A grid of time: where it begins, how many intervals, how long."""

    start_ms: int
    length: int
    interval_ms: int

    @property
    def width(self) -> int:
        """With both margins."""
        return self.length + (HISTORY_MS + HORIZON_MS) // self.interval_ms

    @property
    def first_ms(self) -> int:
        """Where the first margin begins."""
        return self.start_ms - HISTORY_MS

    def columns(self, start_ms: Int64s) -> Int64s:
        """Columns of some intervals."""
        return (start_ms - self.first_ms) // self.interval_ms

    def calendar(self, place: Place) -> Calendar:
        """Of all columns."""
        return local_calendar(place.zone, place.country, self.first_ms + np.arange(self.width) * self.interval_ms)


def _weather(series: Sequence[MeterSeries], shape: Shape) -> tuple[Floats32, Int64s]:
    """The temperature at each named site, of whichever of its meters stands beside it, and each series' row."""
    rows: dict[str, Floats32] = {}
    place = np.full(len(series), -1, np.int64)
    for i, one in enumerate(series):
        told = one.temperature_c if one.temperature_c is not None else one.intervals.temperature_c
        if told is None or not np.isfinite(told).any():
            continue
        site = one.building.site if one.building else ""
        row = rows.setdefault(site, np.full(shape.width, np.nan, np.float32))
        columns = shape.columns(one.intervals.start_ms)
        row[columns] = np.where(np.isfinite(told), told, row[columns])
        place[i] = list(rows).index(site)
    return np.stack(list(rows.values())) if rows else np.empty((0, shape.width), np.float32), place


def _cut(calendar: Calendar, part: slice) -> Calendar:
    return Calendar(
        calendar.minute_of_day[part], calendar.day_of_week[part], calendar.day_of_year[part], calendar.holiday[part]
    )
