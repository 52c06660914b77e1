"""What the run decides by, the same for every engine."""

from collections.abc import Mapping
from typing import Final

DAY_MS: Final = 86_400_000
HALF_HOUR_MS: Final = 1_800_000
DAY_SLOTS: Final = 48
FIRST_MS: Final = 946_684_800_000
"""2000-01-01; a time before it, or after 2099, is a broken clock."""
END_MS: Final = 4_102_444_800_000
MOST_KWH: Final = 50.0
"""In half an hour: 100 kW, more than a house connection carries."""
NO_VALUES: Final = ("", "null", "nan")
"""Texts, in lower case, that say that there is no value."""
PARTS: Final = ("night_kwh", "morning_kwh", "afternoon_kwh", "evening_kwh")
"""Six hours each, from midnight."""
PART_SLOTS: Final = DAY_SLOTS // len(PARTS)

LAGS: Final = 7
TRAINED_SHARE: Final = 0.8
"""The model learns from the earlier days and is judged by the later ones."""
YEAR_DAYS: Final = 365.25
WEEKDAYS: Final = ("friday", "saturday", "sunday", "monday", "tuesday", "wednesday")
"""Day 0 is 1970-01-01, a Thursday; Thursdays are what the others differ from."""
FEATURES: Final = (
    *(f"lag_{lag}" for lag in range(1, LAGS + 1)),
    "spread_7",
    "peak_7",
    "max_kwh",
    *WEEKDAYS,
    "year_sin",
    "year_cos",
)
"""Of the forecast of a day: the use of the days before it, their standard deviation and maximum, the largest half hour
of the day before; weekday and time of the year. A mean of the seven days would say what the lags say already."""
FEWEST_ROWS: Final = 10 * len(FEATURES)
"""Fewer do not make a forecast."""

SHAPE: Final = (*PARTS, "max_kwh")
"""What tells one kind of day from another; logarithms (of 1 + kWh) of it are compared."""
CLUSTERS: Final = 4
SIGMAS: Final = 3.0
"""A day farther from its cluster's centre than the mean distance and so many standard deviations is unusual."""
MOST_ROUNDS: Final = 20
TOLERANCE: Final = 1e-4
SEED: Final = 1


def split_day(days: Mapping[int, int]) -> int:
    """The first day that is not learnt from: the days before it hold 80 % of all, or just less.

    Args:
        days: How many homes have each day.
    """
    wanted, before = TRAINED_SHARE * sum(days.values()), 0
    for day in sorted(days):
        before += days[day]
        if before > wanted:
            return day
    return max(days, default=0) + 1
