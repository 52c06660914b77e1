"""What the homes of the London files used, and what their meters got wrong."""

from typing import Final

import msgspec
import numpy as np

from simulators.half_hours import HALF_HOUR_MS
from simulators.household import Household, HouseholdOptions
from simulators.randomness import IntArray, stream

DAY: Final = 48
"""Half hours of a day. All times below count half hours since 1970 on the clock of the original: no summer time."""
FIRST_DAY: Final = 15_301
"""2011-11-23, when the original begins."""
END_DAY: Final = 16_129
"""The day after 2014-02-27; the original ends with its first half hour."""
NULL, NEGATIVE, IMPOSSIBLE = 10_000, 10_001, 10_002
"""Beyond the watt-hours 0 to 9999: what is no value."""
_FEWEST_DAYS: Final = 428
"""Homes have 428 to 828 days, 30,144 half hours on average; the original's 5,566 have 30,166."""
_YEAR_DAYS: Final = 364
"""Whole weeks: a repeated year keeps its weekdays."""
_TIME_OF_USE_SHARE: Final = 0.2
_NULL_CHANCE: Final = 1e-5
_ODD_VALUE_CHANCE: Final = 2e-6
_OFF_GRID_CHANCE: Final = 5e-6
_TWICE_CHANCE: Final = 3e-5
_DAY_TWICE_CHANCE: Final = 0.1
_HOLES: Final = 1.5
_LONGEST_HOLE: Final = 3 * DAY
_HALF_HOUR_S: Final = 1800
_SIZE_SPREAD: Final = 0.35
_NOISE: Final = 0.2


class Stay(msgspec.Struct, frozen=True):
    """Where a home is in the files.

    Attributes:
        number: Which home, from 0.
        first_row: Rows of all homes before it.
        rows: How many it has.
    """

    number: int
    first_row: int
    rows: int


class Home(msgspec.Struct, frozen=True):
    """Rows of one home, in the order of the files.

    Attributes:
        name: Such as MAC000002.
        tariff: Std or ToU.
        slot: Half hours since 1970.
        odd_s: Seconds past the half hour, 0 for rows on the grid.
        wh: Watt-hours, or `NULL`, `NEGATIVE`, `IMPOSSIBLE`.
    """

    name: str
    tariff: str
    slot: IntArray
    odd_s: IntArray
    wh: IntArray

    def part(self, begin: int, end: int) -> "Home":
        """The rows from `begin` to `end`, as far as there are such."""
        cut = slice(max(begin, 0), max(end, 0))
        return Home(self.name, self.tariff, self.slot[cut], self.odd_s[cut], self.wh[cut])


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of each kind. A row is of the first kind that fits, in this order; what fits none is a value.

    Attributes:
        rows: All.
        null: Without a value.
        off_grid: Not on the half hour.
        negative: Below 0.
        impossible: More than a domestic connection can carry.
        duplicate: Values of a half hour for which the home has one already.
    """

    rows: int = 0
    null: int = 0
    off_grid: int = 0
    negative: int = 0
    impossible: int = 0
    duplicate: int = 0

    def __add__(self, other: "Truth") -> "Truth":
        """Rows of both."""
        return Truth(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})


def year_wh(seed: int, number: int) -> IntArray:
    """Watt-hours of every half hour of a year in a simulated home, int64[364 * 48]."""
    origin_ms = FIRST_DAY * DAY * HALF_HOUR_MS
    borders = origin_ms + np.arange(_YEAR_DAYS * DAY + 1, dtype=np.int64) * HALF_HOUR_MS
    home = Household(HouseholdOptions(seed=seed * 100_000 + number, weather_seed=seed, origin_ms=origin_ms))
    return np.round(np.diff(home.electricity(borders)["energy_import_kwh"]) * 1000).astype(np.int64)


def stays_in(seed: int, rows: int) -> list[Stay]:
    """The homes that fill so many rows; the last one may have more than is left for it."""
    stays: list[Stay] = []
    first_row = 0
    while first_row < rows:
        slots = _slots(seed, len(stays))
        stays.append(Stay(len(stays), first_row, len(slots)))
        first_row += len(slots)
    return stays


def home_at(seed: int, stay: Stay, years: IntArray) -> Home:
    """All rows of a home.

    Args:
        seed: As for `stays_in`.
        stay: Which home.
        years: Watt-hours of simulated homes, int64[homes, 364 * 48].
    """
    slot = _slots(seed, stay.number)
    rng = stream(seed, "london-home", stay.number)
    tariff = "ToU" if rng.random() < _TIME_OF_USE_SHARE else "Std"
    wh, odd_s = _used(rng, slot, years[stay.number % len(years)]), np.zeros(len(slot), np.int64)
    nulls, off_grid = _some(rng, len(slot), _NULL_CHANCE), _some(rng, len(slot), _OFF_GRID_CHANCE)
    wh[_some(rng, len(slot), _ODD_VALUE_CHANCE)] = NEGATIVE
    wh[_some(rng, len(slot), _ODD_VALUE_CHANCE)] = IMPOSSIBLE
    wh[nulls] = NULL
    for odd in (nulls, off_grid):
        odd_s[odd] = rng.integers(1, _HALF_HOUR_S, len(odd))
    return Home(f"MAC{stay.number + 2:06d}", tariff, slot, odd_s, wh)


def count_kinds(home: Home) -> Truth:
    """Rows of each kind among those of one home."""
    left = np.ones(len(home.slot), np.bool_)
    counts = {"rows": len(left)}
    kinds = {
        "null": home.wh == NULL,
        "off_grid": home.odd_s > 0,
        "negative": home.wh == NEGATIVE,
        "impossible": home.wh == IMPOSSIBLE,
    }
    for name, kind in kinds.items():
        counts[name] = int((left & kind).sum())
        left &= ~kind
    return Truth(**counts, duplicate=int(left.sum()) - len(np.unique(home.slot[left])))


def _slots(seed: int, number: int) -> IntArray:
    """The half hours of a home's rows: with holes, and some twice."""
    rng = stream(seed, "london-times", number)
    first = int(rng.integers(FIRST_DAY, END_DAY - _FEWEST_DAYS + 1)) * DAY
    slots = np.arange(first, END_DAY * DAY, dtype=np.int64)
    for _ in range(int(rng.poisson(_HOLES))):
        begin = int(rng.integers(0, len(slots)))
        slots = np.delete(slots, slice(begin, begin + int(rng.integers(1, _LONGEST_HOLE))))
    twice = _some(rng, len(slots), _TWICE_CHANCE)
    slots = np.insert(slots, twice, slots[twice])
    if rng.random() < _DAY_TWICE_CHANCE:
        begin = int(rng.integers(0, len(slots) - DAY))
        slots = np.append(slots, slots[begin : begin + DAY])
    return slots


def _used(rng: np.random.Generator, slot: IntArray, year: IntArray) -> IntArray:
    """The simulated year, again and again, in another size, some weeks away, never twice alike."""
    size, weeks = rng.lognormal(0.0, _SIZE_SPREAD), int(rng.integers(-2, 3))
    first, last = int(slot.min()), int(slot.max())
    index = np.arange(first, last + 1) - (FIRST_DAY - weeks * 7) * DAY
    factor = size * (1 - _NOISE / 2 + _NOISE * rng.random(len(index)))
    wh = np.minimum(np.rint(year[index % len(year)] * factor), NULL - 1).astype(np.int64)
    return wh[slot - first]


def _some(rng: np.random.Generator, count: int, chance: float) -> IntArray:
    return rng.integers(0, count, rng.binomial(count, chance))
