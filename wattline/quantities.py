"""What meters measure: one open table of quantities.

A quantity is a *gauge* (a value at an instant), a *counter* (a cumulative
register) or an *amount* (what was used in the interval that starts at the
reading's time). Its unit is the end of its name.
"""

import re
from enum import StrEnum
from functools import lru_cache
from typing import Final

import msgspec

from wattline.errors import DecodeError


class Kind(StrEnum):
    """How a quantity's value relates to time."""

    GAUGE = "gauge"
    COUNTER = "counter"
    AMOUNT = "amount"


class RollUp(StrEnum):
    """How a site's value follows from its meters' values."""

    SUM = "sum"
    MEAN = "mean"
    NONE = "none"


class Quantity(msgspec.Struct, frozen=True):
    """One measurable quantity.

    Attributes:
        name: The name on the wire and in the store, unit last.
        kind: Gauge, counter or amount.
        roll_up: From meter to site, site to fleet.
        usage: The amount that a counter's difference, an amount, or the
            integral of a power counts towards; "" where there is none.
        integral_per_hour: A gauge's contribution to `usage` when it stays at
            1 for an hour (0.001 kWh for one watt); 0 where it has none.
        max_per_hour: The largest believable growth of a counter in an hour;
            a larger step is a swapped meter or a glitch, never consumption.
    """

    name: str
    kind: Kind
    roll_up: RollUp = RollUp.NONE
    usage: str = ""
    integral_per_hour: float = 0.0
    max_per_hour: float = 0.0


MAX_KWH_PER_HOUR: Final = 10_000.0
"""A 10 MW connection: the largest that a low or medium voltage meter sees."""

MAX_M3_PER_HOUR: Final = 650.0
"""A G400 gas meter's maximum flow (EN 1359 and EN 12480 sizes)."""


def _gauge(name: str, roll_up: RollUp) -> Quantity:
    return Quantity(name, Kind.GAUGE, roll_up)


def _counter(name: str, usage: str, max_per_hour: float) -> Quantity:
    return Quantity(name, Kind.COUNTER, RollUp.SUM, usage=usage, max_per_hour=max_per_hour)


def _amount(name: str) -> Quantity:
    return Quantity(name, Kind.AMOUNT, RollUp.SUM, usage=name)


_KNOWN: Final = {
    quantity.name: quantity
    for quantity in (
        Quantity(
            "power_w",
            Kind.GAUGE,
            RollUp.SUM,
            usage="energy_kwh",
            integral_per_hour=0.001,
        ),
        _counter("energy_import_kwh", "energy_kwh", MAX_KWH_PER_HOUR),
        _counter("energy_export_kwh", "exported_kwh", MAX_KWH_PER_HOUR),
        _counter("heat_kwh", "heat_used_kwh", MAX_KWH_PER_HOUR),
        _counter("gas_m3", "gas_used_m3", MAX_M3_PER_HOUR),
        _counter("water_m3", "water_used_m3", MAX_M3_PER_HOUR),
        _amount("energy_kwh"),
        _amount("exported_kwh"),
        _amount("gas_kwh"),
        _amount("heat_used_kwh"),
        _amount("gas_used_m3"),
        _amount("water_used_m3"),
        _gauge("power_l1_w", RollUp.SUM),
        _gauge("power_l2_w", RollUp.SUM),
        _gauge("power_l3_w", RollUp.SUM),
        _gauge("occupancy", RollUp.SUM),
        _gauge("temperature_c", RollUp.MEAN),
        _gauge("humidity_pct", RollUp.MEAN),
        _gauge("frequency_hz", RollUp.MEAN),
        _gauge("power_factor", RollUp.NONE),
    )
}

UNIT_SUFFIXES: Final = (
    "_w", "_kw", "_va", "_var", "_v", "_a", "_hz", "_kwh", "_wh", "_kvarh",
    "_m3", "_l", "_l_h", "_m3_h", "_c", "_k", "_pct", "_pa", "_bar", "_ppm", "_lx", "_s",
)  # fmt: skip
"""Units an unknown quantity may end in; it is then a gauge that does not add up."""

MAX_NAME_LENGTH: Final = 64
_PLAIN: Final = re.compile(r"[a-z][a-z0-9_]*")


@lru_cache(maxsize=4096)
def quantity(name: str) -> Quantity:
    """The quantity of that name.

    Args:
        name: A lower-case letter, then such letters, digits and underscores, unit last.

    Raises:
        DecodeError: `unknown_quantity`, when the name is neither known nor
            ends in a known unit.
    """
    known = _KNOWN.get(name)
    if known is not None:
        return known
    if len(name) <= MAX_NAME_LENGTH and _PLAIN.fullmatch(name) and name.endswith(UNIT_SUFFIXES):
        return Quantity(name, Kind.GAUGE)
    raise DecodeError("unknown_quantity", name[:MAX_NAME_LENGTH])


USAGE_PRECEDENCE: Final = (Kind.COUNTER, Kind.AMOUNT, Kind.GAUGE)
"""Which kind speaks for a usage when a meter sends several: the register first."""
