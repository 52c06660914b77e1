"""A simulated home: people, appliances, walls and weather behind three meters.

Everything is a function of the home's seed and the time: asked again, in another order or at other steps, a home gives
the same values. The registers count from the start of `origin_ms`'s day, so two runs that shall continue
each other use the same origin.
"""

from functools import lru_cache
from typing import Final

import msgspec
import numpy as np

from simulators.appliances import draw_equipment, power_on
from simulators.daily import DailyRate
from simulators.heating import Indoors, draw_fabric, gas_rate_on, humidity_pct, indoors_on
from simulators.randomness import Columns, FloatArray, IntArray, jitter, stream, wander
from simulators.residents import SLOT_MS, Presence, draw_people, presence_on
from simulators.weather import DAY_MS, Climate, Weather

DEFAULT_ORIGIN_MS: Final = 1_767_225_600_000
"""2026-01-01T00:00Z."""
_VOLTAGE_KNOT_MS: Final = 900_000
_DRAFT_KNOT_MS: Final = 1_500_000
_NOMINAL_V: Final = 236.0
_SAG_V_PER_W: Final = 0.0006
"""A supply of 0.14 ohm: what a domestic connection at the end of its cable has."""


class HouseholdOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Which home.

    Attributes:
        seed: Decides everything that differs between homes.
        weather_seed: Homes of one town share it.
        climate: The town's climate.
        ev: Whether an electric car is charged.
        utc_offset_ms: Local mean time minus UTC; there is no daylight saving.
        origin_ms: The registers start at the beginning of this instant's local day.
    """

    seed: int
    weather_seed: int = 0
    climate: Climate = Climate()
    ev: bool = False
    utc_offset_ms: int = 0
    origin_ms: int = DEFAULT_ORIGIN_MS


class Household:
    """One home. Keeps only caches: its answers depend on the options and the times alone. Not thread-safe."""

    def __init__(self, options: HouseholdOptions) -> None:
        seed = options.seed
        self.options = options
        self.weather = Weather(options.weather_seed, options.climate)
        self.people = draw_people(seed)
        self.equipment = draw_equipment(seed, len(self.people), ev=options.ev)
        self.fabric = draw_fabric(seed)
        self._presence = lru_cache(maxsize=4)(self._draw_presence)
        self._indoors = lru_cache(maxsize=4)(self._draw_indoors)
        origin_day = (options.origin_ms + options.utc_offset_ms) // DAY_MS
        self._power = DailyRate(self._draw_power, origin_day)
        self._gas = DailyRate(self._draw_gas, origin_day)
        registers = stream(seed, "registers").uniform(2000, 20_000, 2)
        self._first_kwh, self._first_m3 = float(registers[0]), float(registers[1])

    def electricity(self, t_ms: IntArray) -> Columns:
        """`power_w`, `voltage_v` and `energy_import_kwh` at the given UTC times.

        The register is the exact integral of the power since the origin, plus what it showed then.
        """
        local_ms = self._local(t_ms)
        power, used_wh = self._power.at(local_ms)
        seed = self.options.seed
        grid = 1.8 * wander(seed, "grid", local_ms, _VOLTAGE_KNOT_MS)
        voltage = _NOMINAL_V + grid + 0.25 * jitter(seed, "volts", local_ms // SLOT_MS) - _SAG_V_PER_W * power
        return {
            "power_w": power,
            "voltage_v": voltage,
            "energy_import_kwh": self._first_kwh + used_wh / 1000,
        }

    def gas(self, t_ms: IntArray) -> Columns:
        """`gas_m3`, the register, at the given UTC times."""
        return {"gas_m3": self._first_m3 + self._gas.at(self._local(t_ms))[1]}

    def building(self, t_ms: IntArray) -> Columns:
        """`temperature_c`, `humidity_pct` and `occupancy` (people inside) at the given UTC times."""
        local_ms = self._local(t_ms)
        warmth, home = np.empty(len(t_ms)), np.empty(len(t_ms))
        days = local_ms // DAY_MS
        for day in np.unique(days).tolist():
            here = days == day
            indoors = self._indoors(day)
            warmth[here] = np.interp(local_ms[here], indoors.t_ms, indoors.indoor_c)
            home[here] = self._presence(day).home[(local_ms[here] - day * DAY_MS) // SLOT_MS]
        seed = self.options.seed
        warmth += 0.15 * wander(seed, "draft", local_ms, _DRAFT_KNOT_MS)
        damp = humidity_pct(self.weather, local_ms, warmth, home)
        damp = np.clip(damp + 0.8 * wander(seed, "damp", local_ms, _DRAFT_KNOT_MS), 0, 100)
        return {"temperature_c": warmth, "humidity_pct": damp, "occupancy": home}

    def presence(self, day: int) -> Presence:
        """Who is there on a local day."""
        return self._presence(day)

    def _local(self, t_ms: IntArray) -> IntArray:
        return t_ms + self.options.utc_offset_ms

    def _draw_presence(self, day: int) -> Presence:
        return presence_on(self.options.seed, self.people, day)

    def _draw_indoors(self, day: int) -> Indoors:
        return indoors_on(self.fabric, self.weather, day, self._presence(day - 1), self._presence(day))

    def _draw_power(self, day: int) -> FloatArray:
        return power_on(self.options.seed, self.equipment, self.weather, day, self._presence(day))

    def _draw_gas(self, day: int) -> FloatArray:
        indoors = self._indoors(day)
        return gas_rate_on(self.options.seed, self.fabric, self.weather, indoors, self._presence(day))
