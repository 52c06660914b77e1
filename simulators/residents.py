"""Who lives in a home and when they are there and awake.

A day is local and has `SLOTS` slots of ten seconds; day 0 is 1970-01-01, a Thursday.
"""

from typing import Final

import msgspec
import numpy as np

from simulators.randomness import FloatArray, IntArray, happens, stream, uniform
from simulators.weather import DAY_MS

SLOT_MS: Final = 10_000
SLOTS: Final = DAY_MS // SLOT_MS
SLOTS_PER_HOUR: Final = SLOTS // 24
_SATURDAY: Final = 5
_DAYS_TO_MONDAY: Final = 3
_WEEKS_AWAY: Final = 0.05
_LATEST_BEDTIME_H: Final = 23.9


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """One person's habits, in hours of the local day."""

    works: bool
    wake_h: float
    leave_h: float
    back_h: float
    sleep_h: float


class Presence(msgspec.Struct, frozen=True):
    """How many people are at home, and awake there, in every slot of a day."""

    home: FloatArray
    awake: FloatArray


def draw_people(seed: int) -> tuple[Person, ...]:
    """The people of the home with that seed: one to five, two most often."""
    rng = stream(seed, "people")
    count = int(rng.choice(5, p=[0.28, 0.36, 0.17, 0.13, 0.06])) + 1
    return tuple(_draw_person(rng) for _ in range(count))


def is_weekend(day: int) -> bool:
    """Whether that day is a Saturday or a Sunday."""
    return (day + _DAYS_TO_MONDAY) % 7 >= _SATURDAY


def presence_on(seed: int, people: tuple[Person, ...], day: int) -> Presence:
    """Where everybody is on one local day; one week in twenty the home is empty."""
    home, awake = np.zeros(SLOTS), np.zeros(SLOTS)
    week = np.array([(day + _DAYS_TO_MONDAY) // 7], dtype=np.int64)
    if uniform(seed, "holiday", week)[0] < _WEEKS_AWAY:
        return Presence(home, awake)
    rng = stream(seed, "presence", day)
    for person in people:
        up_h, bed_h, away = _plan(person, day, rng)
        home += 1
        awake[slot(up_h) : slot(bed_h)] += 1
        if away is not None:
            out = slice(slot(away[0]), slot(away[1]))
            home[out] -= 1
            awake[out] -= 1
    return Presence(home, awake)


def slot(hour: float) -> int:
    """The slot in which an hour of the day falls, kept inside the day."""
    return min(max(int(hour * SLOTS_PER_HOUR), 0), SLOTS)


def slot_starts_ms(day: int) -> IntArray:
    """The local times at which a day's slots start."""
    return day * DAY_MS + np.arange(SLOTS, dtype=np.int64) * SLOT_MS


def _draw_person(rng: np.random.Generator) -> Person:
    wake_h = float(np.clip(rng.normal(6.9, 0.9), 4.5, 9.5))
    leave_h = wake_h + float(rng.uniform(0.7, 1.4))
    return Person(
        works=happens(rng, 0.5),
        wake_h=wake_h,
        leave_h=leave_h,
        back_h=min(leave_h + float(rng.uniform(5, 10)), 20.0),
        sleep_h=float(np.clip(rng.normal(22.9, 0.8), 20.5, 23.8)),
    )


def _plan(person: Person, day: int, rng: np.random.Generator) -> tuple[float, float, tuple[float, float] | None]:
    """When one gets up, goes to bed, and is out in between."""
    late, early = rng.normal(0, 0.25, 2)
    weekend = is_weekend(day)
    up_h = person.wake_h + late + (1.3 if weekend else 0.0)
    bed_h = min(person.sleep_h + early + (0.4 if weekend else 0.0), _LATEST_BEDTIME_H)
    if person.works and not weekend:
        leave_h = max(person.leave_h + late, up_h + 0.5)
        return up_h, bed_h, (leave_h, max(person.back_h + rng.normal(0, 0.5), leave_h + 2))
    if happens(rng, 0.55):
        leave_h = float(rng.uniform(max(up_h + 1, 9.5), 16.5))
        return up_h, bed_h, (leave_h, min(leave_h + float(rng.uniform(1, 4)), bed_h - 0.5))
    return up_h, bed_h, None
