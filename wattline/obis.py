"""The one table from OBIS codes to Wattline's quantities.

Codes are written as P1 writes them, "A-B:C.D.E" (IEC 62056-61, DSMR 5.0.2
P1 companion chapter 6, e-MUCS P1 1.7). A decoder hands over what it measured
and gets quantities back; it knows no quantity itself.
"""

from collections.abc import Iterable
from math import isnan, nan
from typing import Final

import msgspec


class Register(msgspec.Struct, frozen=True):
    """What a register of the electricity meter measures.

    Attributes:
        quantity: The quantity it belongs to.
        unit: The quantity's unit: "W", "kWh", "V", "A", "Hz" or "" (a ratio).
        sign: 0 for the quantity itself; +1 or -1 for a part that is added to
            or subtracted from it: a tariff, or a direction of the power.
    """

    quantity: str
    unit: str
    sign: int = 0


def _phase(number: int, first: int) -> dict[str, Register]:
    """The registers of one phase; in OBIS the three phases lie 20 codes apart."""
    return {
        f"1-0:{first}.7.0": Register(f"power_l{number}_w", "W", +1),
        f"1-0:{first + 1}.7.0": Register(f"power_l{number}_w", "W", -1),
        f"1-0:{first + 15}.7.0": Register(f"power_l{number}_w", "W"),
        f"1-0:{first + 10}.7.0": Register(f"current_l{number}_a", "A"),
        f"1-0:{first + 11}.7.0": Register(f"voltage_l{number}_v", "V"),
    }


MAX_TARIFFS: Final = 9

REGISTERS: Final[dict[str, Register]] = {
    "1-0:1.8.0": Register("energy_import_kwh", "kWh"),
    **{f"1-0:1.8.{tariff}": Register("energy_import_kwh", "kWh", +1) for tariff in range(1, MAX_TARIFFS + 1)},
    "1-0:2.8.0": Register("energy_export_kwh", "kWh"),
    **{f"1-0:2.8.{tariff}": Register("energy_export_kwh", "kWh", +1) for tariff in range(1, MAX_TARIFFS + 1)},
    "1-0:1.7.0": Register("power_w", "W", +1),
    "1-0:2.7.0": Register("power_w", "W", -1),
    "1-0:16.7.0": Register("power_w", "W"),
    "1-0:11.7.0": Register("current_a", "A"),
    "1-0:12.7.0": Register("voltage_v", "V"),
    "1-0:13.7.0": Register("power_factor", ""),
    "1-0:14.7.0": Register("frequency_hz", "Hz"),
    **_phase(1, first=21),
    **_phase(2, first=41),
    **_phase(3, first=61),
}
"""OBIS code to register. Export (2.x) counts up; power is positive on import."""

MBUS_TYPE: Final = "24.1.0"
MBUS_IDS: Final = ("96.1.0", "96.1.1")
"""Equipment id of an M-Bus device: Netherlands, Belgium."""

MBUS_READINGS: Final = ("24.2.1", "24.2.3", "24.3.0")
"""C.D.E of "0-n:C.D.E": volume or heat; Belgian gas without temperature
correction; the two-line form of DSMR 2.2 and 3."""

MBUS_KINDS: Final = {
    2: "electricity",
    3: "gas",
    4: "heat",
    6: "water",
    7: "water",
    10: "cooling",
    11: "cooling",
    12: "heat",
}
"""M-Bus device type (EN 13757-3) to kind of meter; any other is "other"."""

MBUS_QUANTITIES: Final = {"gas": ("gas_m3", "m3"), "water": ("water_m3", "m3"), "heat": ("heat_kwh", "kWh")}
"""Kind of M-Bus device to quantity and its unit."""

_FACTORS: Final = {
    "W": {"w": 1.0, "kw": 1e3, "mw": 1e6},
    "kWh": {"kwh": 1.0, "wh": 1e-3, "mwh": 1e3, "gj": 1 / 0.0036, "mj": 1 / 3.6},
    "V": {"v": 1.0, "": 1.0},
    "A": {"a": 1.0, "ma": 1e-3, "": 1.0},
    "Hz": {"hz": 1.0, "": 1.0},
    "m3": {"m3": 1.0, "dm3": 1e-3, "l": 1e-3, "": 1.0},
    "": {"": 1.0},
}
"""Meters write units in any case and may leave out the only usual one. Power and
energy have two usual ones, so without a unit they mean nothing."""

_DECIMALS: Final = 9
"""Below any register's resolution; takes away what binary scaling and adding leave."""


def convert(value: float, unit: str, into: str) -> float:
    """Scale a value into a quantity's unit.

    Args:
        value: As the meter wrote it; NaN stays NaN.
        unit: As the meter wrote it, in any case; "" when it wrote none.
        into: A unit of `Register.unit` or `MBUS_QUANTITIES`.

    Returns:
        The value in that unit; NaN when the meter's unit does not fit.
    """
    factor = _FACTORS[into].get(unit) or _FACTORS[into].get(unit.lower(), nan)
    return value if factor == 1.0 else round(value * factor, _DECIMALS)


def quantities(measured: Iterable[tuple[str, float, str]]) -> dict[str, float]:
    """Turn registers into quantities.

    A quantity's own register wins; without one its parts add up: import is
    the sum of its tariffs, power is import minus export. A part that could
    not be read takes the sum with it: half a sum would look like a step back.

    Args:
        measured: (OBIS code, value, unit) with NaN for an unreadable value;
            codes that are not in `REGISTERS` are passed over.

    Returns:
        Quantity to value; without the unreadable ones.
    """
    whole: dict[str, float] = {}
    sums: dict[str, float] = {}
    for code, value, unit in measured:
        register = REGISTERS.get(code)
        if register is None:
            continue
        scaled = convert(value, unit, register.unit)
        if register.sign == 0:
            whole[register.quantity] = scaled
        else:
            sums[register.quantity] = sums.get(register.quantity, 0.0) + register.sign * scaled
    rounded = {quantity: round(total, _DECIMALS) for quantity, total in sums.items()}
    return {quantity: value for quantity, value in (rounded | whole).items() if not isnan(value)}
