"""What rules call too long and too much: the settings, and what they mean for one meter.

Nothing here needs numpy, so that a configuration file is read at no cost.
"""

import math
from functools import lru_cache
from typing import Annotated, Final, NamedTuple, Self

import msgspec

from wattline.config import DurationMs
from wattline.errors import DecodeError
from wattline.quantities import MAX_KWH_PER_HOUR, MAX_M3_PER_HOUR, Kind, quantity

_HOUR_MS: Final = 3_600_000
_WEEK_MS: Final = 7 * 24 * _HOUR_MS
_PAUSING: Final = ("gas_", "water_", "heat_")
"""What nobody may use for weeks, and what flows evenly for hours."""


class RuleSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the rules call too long, and too much.

    Attributes:
        stuck_after: The same rate, other than zero, for so long.
        zero_after: Exactly zero for so long, at a meter known for a week.
        pausing_stuck_after: `stuck_after` for gas, water and heat.
        pausing_zero_after: `zero_after` for gas, water and heat.
        gap_after: No data for so long, told when they come again.
        multiple: Runs of up to so many times those that the meter has on most days are its nature.
        jump: A rate of so many times what was reached on several of the last days, at a meter known for a week.
    """

    stuck_after: DurationMs = DurationMs(3 * _HOUR_MS)
    zero_after: DurationMs = DurationMs(3 * _HOUR_MS)
    pausing_stuck_after: DurationMs = DurationMs(12 * _HOUR_MS)
    pausing_zero_after: DurationMs = DurationMs(3 * _WEEK_MS)
    gap_after: DurationMs = DurationMs(90 * 60_000)
    multiple: Annotated[float, msgspec.Meta(ge=1, le=1000)] = 3.0
    jump: Annotated[float, msgspec.Meta(gt=1, le=1e9)] = 10.0


class MeterLimits(NamedTuple):
    """The limits of one meter: times in ms, rates in its judged quantity's unit (per hour)."""

    stuck_ms: float
    zero_ms: float
    gap_ms: float
    multiple: float
    jump: float
    least: float
    most: float

    @classmethod
    def of(cls, name: str, settings: RuleSettings) -> Self:
        """The limits of a meter whose judged quantity has this name."""
        pauses = name.startswith(_PAUSING)
        most = largest_rate(name)
        return cls(
            stuck_ms=settings.pausing_stuck_after if pauses else settings.stuck_after,
            zero_ms=settings.pausing_zero_after if pauses else settings.zero_after,
            gap_ms=settings.gap_after,
            multiple=settings.multiple,
            jump=settings.jump,
            least=0.0 if pauses else -most,
            most=most,
        )


NO_LIMITS: Final = MeterLimits(math.inf, math.inf, math.inf, 1.0, math.inf, -math.inf, math.inf)
"""Nothing is ever too long or too much."""


@lru_cache(maxsize=4096)
def largest_rate(name: str) -> float:
    """The largest believable rate of a judged quantity, in its unit (per hour for registers and amounts)."""
    try:
        asked = quantity(name)
    except DecodeError:
        return math.inf
    if asked.max_per_hour:
        return asked.max_per_hour
    if asked.integral_per_hour:
        return MAX_KWH_PER_HOUR / asked.integral_per_hour
    if asked.kind is Kind.AMOUNT:
        return MAX_M3_PER_HOUR if name.endswith("_m3") else MAX_KWH_PER_HOUR
    return math.inf
