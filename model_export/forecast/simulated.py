"""Simulated homes as a table: what the forecasters that come with the program are made of.

The generator is named by string, so that this package does not depend on the simulators.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Final

import numpy as np

from model_export.errors import DataError
from model_export.forecast.table import DAY_MS, Place, SeriesTable, Shape
from wattline.forecasting.port import Floats32, Int64s
from wattline.intervals import HOUR_MS, Floats

START_MS: Final = 1_735_689_600_000
"""2025-01-01T00:00Z."""
HOMES: Final = 120
DAYS: Final = 365
TOWN_HOMES: Final = 8
"""Homes that have the same weather."""
_OFFICE_EVERY: Final = 6
_CLOSED_DAYS: Final = 8
"""A year: public holidays that no calendar tells."""
_HABIT_CHANGES: Final = 3.0
"""A year: from then on a home does everything an hour or two earlier or later."""
_ABSENCES: Final = 4.0
"""A year, of two to fourteen days."""
_STANDBY: Final = 0.15
_MEMORY: Final = 0.85
_WHIM: Final = 0.35
"""Likewise of each eighth of a day."""
_DAY_PARTS: Final = 8
_MOOD: Final = 0.15
"""Of the logarithm of a day's use: in all a spread of 0.28, of which most stays the next day."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is simulated.

    Attributes:
        homes: How many homes.
        days: How long each is watched.
        offices: Whether every sixth is an office instead. They are as small as homes: shape is all that counts. Sums
            are of homes alone, for else the offices would be all that is seen of them.
    """

    homes: int
    days: int
    offices: bool = True


def simulated_table(size: Size, interval_ms: int, seed: int, tick: Callable[[], None]) -> SeriesTable:
    """The electricity of simulated homes, every sixth an office instead, and the weather of their towns.

    Args:
        size: How many, how long, of which kinds.
        interval_ms: Length of the intervals.
        seed: Decides everything; another seed gives other homes.
        tick: Called after each home.

    Raises:
        DataError: The simulators are not installed.
    """
    homes = size.homes
    shape = Shape(START_MS, size.days * DAY_MS // interval_ms, interval_ms)
    household, weather = _module("simulators.household"), _module("simulators.weather")
    towns = [seed * 10_000 + town for town in range(-(-homes // TOWN_HOMES))]
    energy = np.full((homes, shape.width), np.nan, np.float32)
    inside = shape.columns(np.array([START_MS]))[0]
    borders = START_MS + np.arange(shape.length + 1) * interval_ms
    ends = shape.first_ms + (np.arange(shape.width) + 1) * interval_ms
    outdoors: list[Floats32] = [weather.Weather(town).outdoor_c(ends).astype(np.float32) for town in towns]
    for number in range(homes):
        place = slice(inside, inside + shape.length)
        if size.offices and number % _OFFICE_EVERY == _OFFICE_EVERY - 1:
            warmth = outdoors[number // TOWN_HOMES][place]
            energy[number, place] = office(ends[place] - interval_ms, warmth, interval_ms, seed * 100_000 + number)
            tick()
            continue
        options = household.HouseholdOptions(
            seed=seed * 100_000 + number, weather_seed=towns[number // TOWN_HOMES], origin_ms=START_MS
        )
        register = household.Household(options).electricity(borders)["energy_import_kwh"]
        energy[number, place] = restless(np.diff(register), DAY_MS // interval_ms, options.seed)
        tick()
    return SeriesTable(
        tuple(f"home-{number:04d}" for number in range(homes)),
        START_MS,
        interval_ms,
        energy,
        np.stack(outdoors),
        np.arange(homes) // TOWN_HOMES,
        np.full(homes, np.nan, np.float32),
        np.ones(homes, np.float32),
        shape.calendar(Place()),
    )


def office(start_ms: Int64s, outdoor_c: Floats32, interval_ms: int, seed: int) -> Floats:
    """A building that is used by the clock: open on workdays, heated or cooled then, and much alike from week to week.

    Args:
        start_ms: T intervals.
        outdoor_c: float32[T]: the temperature outside.
        interval_ms: Their length.
        seed: The building's.
    """
    rng = np.random.default_rng((seed, 2))
    hour, weekday = start_ms % DAY_MS / HOUR_MS, (start_ms // DAY_MS + 3) % 7
    opens, closes = rng.uniform(6, 9), rng.uniform(16, 21)
    steep = rng.uniform(1, 4)
    inside = 1 / (1 + np.exp(-steep * (hour - opens))) / (1 + np.exp(steep * (hour - closes)))
    days = np.array([1.0] * 5 + [rng.uniform(0, 0.8), rng.uniform(0, 0.3)])
    comfort, heated, cooled = rng.uniform(12, 20), rng.uniform(0, 0.03), rng.uniform(0, 0.04)
    weather = heated * np.maximum(comfort - outdoor_c, 0) + cooled * np.maximum(outdoor_c - comfort, 0)
    standby = rng.uniform(0.2, 1.5)
    used = standby + inside * days[weekday] * (1 + weather)
    drift = np.repeat(np.cumsum(rng.normal(0, 0.012, len(used) * interval_ms // DAY_MS + 1)), DAY_MS // interval_ms)
    noise = rng.normal(0, rng.uniform(0.02, 0.12), len(used))
    closed = np.isin(start_ms // DAY_MS, rng.choice(np.unique(start_ms // DAY_MS), _CLOSED_DAYS))
    used = np.where(closed, standby, used) * np.exp(noise + drift[: len(used)])
    return np.asarray(rng.lognormal(-0.5, 0.7) * used * interval_ms / HOUR_MS)


def restless(energy: Floats, per_day: int, seed: int) -> Floats:
    """A simulated home as real ones are: its habits change, and now and then nobody is there.

    The simulator's people live on for ever as they do now. A forecaster that knew only them would be far too sure.

    Args:
        energy: float64[T], from a midnight on.
        per_day: Intervals a day.
        seed: The home's.
    """
    rng = np.random.default_rng((seed, 1))
    days = -(-len(energy) // per_day)
    changed = energy.copy()
    for day in np.flatnonzero(rng.random(days) < _HABIT_CHANGES / 365).tolist():
        later = int(rng.integers(-2, 3)) * per_day // 24
        changed[day * per_day :] = np.roll(changed[day * per_day :], later)
    mood = np.zeros(days)
    for day in range(1, days):
        mood[day] = _MEMORY * mood[day - 1] + rng.normal(0.0, _MOOD)
    changed *= np.repeat(np.exp(mood), per_day)[: len(energy)]
    whims = rng.normal(0.0, _WHIM, days * _DAY_PARTS)
    changed *= np.repeat(np.exp(whims), per_day // _DAY_PARTS)[: len(energy)]
    standby = np.quantile(energy, _STANDBY)
    for day in np.flatnonzero(rng.random(days) < _ABSENCES / 365).tolist():
        away = slice(day * per_day, (day + int(rng.integers(2, 15))) * per_day)
        changed[away] = np.minimum(changed[away], standby)
    return changed


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise DataError(f"the simulated homes are not installed ({error})") from None
