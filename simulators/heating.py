"""The warmth of a home and the gas it takes.

Without a state that would have to be carried from day to day: the indoor temperature is what the thermostat asks for,
smoothed over the hours that walls need, and the boiler supplies what that temperature loses to the weather.
"""

from typing import Final

import msgspec
import numpy as np

from simulators.randomness import FloatArray, IntArray, stream
from simulators.residents import SLOT_MS, SLOTS, SLOTS_PER_HOUR, Presence, slot_starts_ms
from simulators.weather import DAY_MS, Weather, saturation_pa

_STEP_MS: Final = 300_000
_STEPS: Final = DAY_MS // _STEP_MS
_SLOTS_PER_STEP: Final = SLOTS // _STEPS
_KERNEL_STEPS: Final = 120
_WALLS_H: Final = 1.6
_BOILER_W: Final = 18_000.0
_HOT_WATER_W: Final = 24_000.0
_BOILER_CYCLE_MS: Final = 1_200_000
_BASE_C: Final = 15.5
"""Outdoor temperature from which British degree days count no heating."""
_GAS_WH_PER_M3: Final = 10_970.0 * 0.88
"""UK gas (39.5 MJ/m3) in a boiler of 88 % efficiency."""


class Fabric(msgspec.Struct, frozen=True, kw_only=True):
    """A home's walls and thermostat.

    Attributes:
        loss_w_per_k: Heat lost for each degree between inside and outside.
        store_wh_per_k: Heat needed to warm the home by a degree.
        day_c: The thermostat while somebody is awake at home.
        night_c: The thermostat otherwise.
    """

    loss_w_per_k: float
    store_wh_per_k: float
    day_c: float
    night_c: float


class Indoors(msgspec.Struct, frozen=True):
    """A local day in steps of five minutes: start times and temperatures, float64[288]."""

    t_ms: IntArray
    indoor_c: FloatArray
    rise_c_per_h: FloatArray


def draw_fabric(seed: int) -> Fabric:
    """The walls of the home with that seed."""
    rng = stream(seed, "fabric")
    return Fabric(
        loss_w_per_k=float(rng.uniform(80, 205)),
        store_wh_per_k=float(rng.uniform(900, 2000)),
        day_c=float(rng.normal(20, 0.8)),
        night_c=float(rng.normal(16.5, 0.7)),
    )


def indoors_on(fabric: Fabric, weather: Weather, day: int, yesterday: Presence, today: Presence) -> Indoors:
    """The temperatures inside on one local day, which remember the evening before."""
    awake = np.concatenate([yesterday.awake, today.awake])[::_SLOTS_PER_STEP]
    wanted = np.where(awake > 0, fabric.day_c, fabric.night_c)
    kernel = np.exp(-np.arange(_KERNEL_STEPS) * _STEP_MS / 3_600_000 / _WALLS_H)
    smooth = np.convolve(wanted, kernel / kernel.sum())[_STEPS - 1 : 2 * _STEPS]
    t_ms = day * DAY_MS + np.arange(-1, _STEPS, dtype=np.int64) * _STEP_MS
    # In summer nobody cools: the house follows the weather, damped.
    indoor = np.maximum(smooth, 0.55 * weather.outdoor_c(t_ms) + 0.45 * fabric.day_c + 1.0)
    return Indoors(t_ms[1:], indoor[1:], np.diff(indoor) * (3_600_000 / _STEP_MS))


def gas_rate_on(seed: int, fabric: Fabric, weather: Weather, indoors: Indoors, today: Presence) -> FloatArray:
    """Gas in cubic metres an hour in every slot of a local day: float64[SLOTS]."""
    day = int(indoors.t_ms[0] // DAY_MS)
    outdoor = weather.outdoor_c(indoors.t_ms)
    people_w = 250 + 90 * today.home[::_SLOTS_PER_STEP]
    demand = fabric.loss_w_per_k * (indoors.indoor_c - outdoor) - people_w
    demand += fabric.store_wh_per_k * np.maximum(indoors.rise_c_per_h, 0)
    demand = np.where(outdoor < _BASE_C, np.clip(demand, 0, _BOILER_W), 0)
    duty = np.repeat(demand / _BOILER_W, _SLOTS_PER_STEP)
    phase = slot_starts_ms(day) % _BOILER_CYCLE_MS / _BOILER_CYCLE_MS
    power = np.where(phase < duty, _BOILER_W, 0.0)
    _draw_hot_water(seed, power, day, np.flatnonzero(today.awake > 0))
    return power / _GAS_WH_PER_M3


def humidity_pct(weather: Weather, t_ms: IntArray, indoor_c: FloatArray, home: FloatArray) -> FloatArray:
    """Relative humidity inside: the outdoor air warmed up, and what people add."""
    outdoor = weather.outdoor_humidity_pct(t_ms) / 100 * saturation_pa(weather.outdoor_c(t_ms))
    return np.clip(100 * (outdoor + 120 + 45 * home) / saturation_pa(indoor_c), 15, 90)


def _draw_hot_water(seed: int, power: FloatArray, day: int, awake: np.ndarray) -> None:
    if not len(awake):
        return
    rng = stream(seed, "hot water", day)
    showers = awake[0] + rng.uniform(0, SLOTS_PER_HOUR, rng.poisson(1.3)).astype(np.int64)
    draws = [(int(start), rng.uniform(4, 9)) for start in showers]
    draws += [(int(start), rng.uniform(0.5, 3)) for start in rng.choice(awake, rng.poisson(5))]
    for start, minutes in draws:
        end = start + max(round(minutes * 60_000 / SLOT_MS), 1)
        power[start:end] = np.maximum(power[start:end], _HOT_WATER_W)
