"""The electricity of one home on one day, appliance by appliance."""

from typing import Final

import msgspec
import numpy as np

from simulators.randomness import FloatArray, happens, jitter, stream
from simulators.residents import SLOT_MS, SLOTS, SLOTS_PER_HOUR, Presence, is_weekend, slot, slot_starts_ms
from simulators.weather import Weather

_SLOTS_PER_MINUTE: Final = 6
_EV_CHARGER_W: Final = 7200.0
_SHOWER_W: Final = 8500.0


class Equipment(msgspec.Struct, frozen=True, kw_only=True):
    """What a home has plugged in: powers in watts, the rest as named.

    Attributes:
        fridge_period_s: Length of one cooling cycle.
        fridge_duty: The part of a cycle in which the compressor runs.
        dinner_h: When the home eats, as an hour of the day.
        oven_share: The part of the evenings on which it is used; the others likewise.
    """

    base_w: float
    fridge_w: float
    fridge_period_s: float
    fridge_duty: float
    lamps_w: float
    screens_w: float
    kettle_w: float
    dinner_h: float
    oven_share: float
    electric_hob: bool
    wash_share: float
    dryer: bool
    dishwasher_share: float
    electric_shower: bool
    ev: bool


def draw_equipment(seed: int, people: int, *, ev: bool) -> Equipment:
    """The appliances of the home with that seed."""
    rng = stream(seed, "equipment")
    return Equipment(
        base_w=float(rng.lognormal(np.log(75 + 32 * people), 0.55)),
        fridge_w=float(rng.uniform(70, 150)),
        fridge_period_s=float(rng.uniform(1800, 4200)),
        fridge_duty=float(rng.uniform(0.28, 0.45)),
        lamps_w=float(rng.uniform(50, 140) + 25 * people),
        screens_w=float(rng.uniform(70, 200)),
        kettle_w=float(rng.uniform(1900, 3000)),
        dinner_h=float(np.clip(rng.normal(18.4, 1.0), 16.5, 21)),
        oven_share=float(rng.uniform(0.2, 0.5)),
        electric_hob=happens(rng, 0.5),
        wash_share=float(min(0.12 + 0.12 * people, 0.7)),
        dryer=happens(rng, 0.4),
        dishwasher_share=float(rng.choice([0.0, 0.6])),
        electric_shower=happens(rng, 0.3),
        ev=ev,
    )


def power_on(seed: int, equipment: Equipment, weather: Weather, day: int, presence: Presence) -> FloatArray:
    """Power in watts in every slot of a local day: float64[SLOTS].

    Args:
        seed: The home's.
        equipment: What it has.
        weather: Says when it is dark.
        day: Days since 1970-01-01, local.
        presence: Who is there on that day.
    """
    t_ms = slot_starts_ms(day)
    number = t_ms // SLOT_MS
    awake = presence.awake > 0
    # Even an empty home breathes: routers, standby, circulation pumps.
    power = equipment.base_w * (1 + 0.04 * jitter(seed, "base", number // _SLOTS_PER_MINUTE))
    cycle_ms = equipment.fridge_period_s * 1000
    power += np.where(t_ms % cycle_ms < equipment.fridge_duty * cycle_ms, equipment.fridge_w, 1.0)
    rooms = np.minimum(presence.awake, 3) ** 0.5
    power += equipment.lamps_w * weather.darkness(t_ms) * rooms
    evening = np.clip((t_ms % (SLOTS * SLOT_MS) / (SLOTS_PER_HOUR * SLOT_MS) - 14) / 5, 0.4, 1)
    power += equipment.screens_w * evening * rooms
    if awake.any():
        _chores(seed, equipment, power, day, np.flatnonzero(awake))
    return np.asarray(power * (1 + 0.012 * jitter(seed, "flicker", number)))


def _chores(seed: int, equipment: Equipment, power: FloatArray, day: int, awake: np.ndarray) -> None:
    """Add what people do while they are awake at home, at the slots `awake`."""
    rng = stream(seed, "chores", day)
    up, bed = int(awake[0]), int(awake[-1])
    for start in rng.choice(awake, rng.poisson(2 + len(awake) / SLOTS * 4)):
        _run(power, int(start), rng.uniform(1.7, 4), equipment.kettle_w)
    if equipment.electric_shower:
        for _ in range(1 + happens(rng, 0.4)):
            _run(power, up + int(rng.uniform(60, 360)), rng.uniform(4, 8), _SHOWER_W)
    _cook(equipment, power, rng, awake, weekend=is_weekend(day))
    wash = slot(rng.uniform(8, 19))
    if happens(rng, equipment.wash_share):
        start = _near(awake, wash)
        _run(power, start, 18, 2000)
        _run(power, start + 18 * _SLOTS_PER_MINUTE, 55, 160)
        _run(power, start + 73 * _SLOTS_PER_MINUTE, 8, 450)
        if equipment.dryer:
            _cycle(power, start + 90 * _SLOTS_PER_MINUTE, 50, 2300, 0.75)
    if happens(rng, equipment.dishwasher_share):
        start = min(_near(awake, slot(equipment.dinner_h + rng.uniform(0.7, 3.2))), bed)
        _run(power, start, 16, 2000)
        _run(power, start + 16 * _SLOTS_PER_MINUTE, 40, 80)
        _run(power, start + 56 * _SLOTS_PER_MINUTE, 12, 2000)
    if equipment.ev and happens(rng, 0.45):
        _run(power, _near(awake, slot(rng.normal(18.6, 0.7))), rng.uniform(70, 260), _EV_CHARGER_W)


def _cook(
    equipment: Equipment, power: FloatArray, rng: np.random.Generator, awake: np.ndarray, *, weekend: bool
) -> None:
    dinner = _near(awake, slot(equipment.dinner_h + rng.normal(0, 0.6)))
    if happens(rng, equipment.oven_share + 0.15 * weekend):
        _cycle(power, dinner, rng.uniform(30, 70), 2200, 0.5)
    elif equipment.electric_hob and happens(rng, 0.8):
        _cycle(power, dinner, rng.uniform(15, 35), 1700, 0.6)
    for hour in (rng.normal(7.5, 0.5), rng.normal(12.8, 0.6), rng.normal(19, 1)):
        if happens(rng, 0.4):
            _run(power, _near(awake, slot(hour)), rng.uniform(2, 6), 1200)


def _near(awake: np.ndarray, wanted: int) -> int:
    """The first slot from `wanted` on at which somebody is up, or the last one before."""
    return int(awake[min(int(np.searchsorted(awake, wanted)), len(awake) - 1)])


def _run(power: FloatArray, start: int, minutes: float, watts: float) -> None:
    power[start : start + max(round(minutes * _SLOTS_PER_MINUTE), 1)] += watts


def _cycle(power: FloatArray, start: int, minutes: float, watts: float, duty: float) -> None:
    """A heater under a thermostat: on for a part of every three minutes."""
    part = power[start : start + round(minutes * _SLOTS_PER_MINUTE)]
    phase = np.arange(len(part)) % (3 * _SLOTS_PER_MINUTE)
    part[phase < duty * 3 * _SLOTS_PER_MINUTE] += watts
