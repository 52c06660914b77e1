"""Readings for many meters at next to no cost, each a function of meter and time.

Sixteen simulated homes lend one day each; a meter repeats one of them for ever from an hour of its own. Values are
integers (tenths of a watt, watt-hours) until they are written, so that sums are exact.
"""

import zlib
from typing import Final

import msgspec
import numpy as np

from simulators.household import DEFAULT_ORIGIN_MS, Household, HouseholdOptions
from simulators.randomness import IntArray
from simulators.residents import SLOT_MS, SLOTS, slot_starts_ms
from simulators.weather import DAY_MS
from wattline.wire import Frame

QUANTITIES: Final = ("power_w", "energy_import_kwh")
SCALES: Final = (10, 1000)
"""What a quantity's integer is divided by."""
_HOMES: Final = 16
_FIRST_KWH: Final = 5000
_UNITS_PER_WH: Final = 10 * 3_600_000
"""Tenths of a watt times milliseconds in a watt-hour."""


class Profiles(msgspec.Struct, frozen=True):
    """The lent days.

    Attributes:
        power_dw: Tenths of a watt, int64[16, SLOTS].
        used: Energy from midnight to each slot in tenths of a watt times milliseconds, int64[16, SLOTS + 1].
    """

    power_dw: IntArray
    used: IntArray


class MeterTable(msgspec.Struct, frozen=True):
    """The meters of one gateway: which day each repeats, and how far it is shifted in milliseconds."""

    ids: tuple[str, ...]
    homes: IntArray
    shifts_ms: IntArray


def draw_profiles(seed: int) -> Profiles:
    """The days that the meters of a fleet with that seed repeat."""
    t_ms = slot_starts_ms(DEFAULT_ORIGIN_MS // DAY_MS + 5)
    days = [Household(HouseholdOptions(seed=seed * _HOMES + home)).electricity(t_ms) for home in range(_HOMES)]
    power_dw = np.round(np.array([day["power_w"] for day in days]) * 10).astype(np.int64)
    used = np.zeros((_HOMES, SLOTS + 1), dtype=np.int64)
    np.cumsum(power_dw * SLOT_MS, axis=1, out=used[:, 1:])
    return Profiles(power_dw, used)


def meter_table(seed: int, ids: tuple[str, ...]) -> MeterTable:
    """Give each of these meters its home and its shift."""
    words = [zlib.crc32(f"{seed} {meter}".encode()) for meter in ids]
    homes = np.array([word % _HOMES for word in words], dtype=np.int64)
    shifts = np.array([word // _HOMES % DAY_MS for word in words], dtype=np.int64)
    return MeterTable(ids, homes, shifts)


def values_at(profiles: Profiles, meters: MeterTable, t_ms: IntArray) -> tuple[IntArray, IntArray]:
    """Power in tenths of a watt and the register in watt-hours: two int64[meters, times]."""
    shifted = t_ms[None, :] - DEFAULT_ORIGIN_MS + meters.shifts_ms[:, None]
    days, in_day_ms = np.divmod(shifted, DAY_MS)
    slots, rest_ms = np.divmod(in_day_ms, SLOT_MS)
    homes = meters.homes[:, None]
    power_dw = profiles.power_dw[homes, slots]
    used = days * profiles.used[homes, SLOTS] + profiles.used[homes, slots] + power_dw * rest_ms
    return power_dw, used // _UNITS_PER_WH + _FIRST_KWH * 1000


def frames_of(meters: MeterTable, t_ms: IntArray, values: tuple[IntArray, IntArray]) -> list[Frame]:
    """The wire's frames, one a meter."""
    times = t_ms.tolist()
    columns = [(column / scale).tolist() for column, scale in zip(values, SCALES, strict=True)]
    return [
        Frame(meter, times, dict(zip(QUANTITIES, rows, strict=True)))
        for meter, *rows in zip(meters.ids, *columns, strict=True)
    ]
