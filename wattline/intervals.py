"""What one meter did in one interval, and how intervals follow from readings.

Every meter has one judged series, a *rate*: its power where it reports power,
else the growth of its register per hour, else its amount per hour. Rates keep
the unit of their quantity (W, kWh/h, m3/h): features are free of scale.

`aggregate` cuts a whole series at once, for training; the edge's accumulator
gives the same numbers reading by reading, bit for bit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from wattline.errors import DecodeError
from wattline.quantities import Kind, quantity

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

HOUR_MS: Final = 3_600_000
STALE_MS: Final = 3 * HOUR_MS
"""A condition of the site that was observed longer before an interval's end is unknown there."""
_FIRST_CHOICES: Final = ("power_w", "energy_import_kwh", "gas_m3", "heat_kwh", "water_m3", "energy_kwh", "gas_kwh")


@dataclass(frozen=True, slots=True)
class Intervals:
    """N intervals as columns of N.

    Attributes:
        meter: The meter's row in the state that the columns go to.
        start_ms: Start, ms UTC; the interval is [start, start + length).
        length_ms: Its length.
        mean: Mean rate.
        low: Lowest rate sampled; the mean where only the mean is known.
        high: Highest rate sampled.
        spread: Standard deviation of the rates sampled.
        count: Samples.
        temperature_c: Outdoor temperature at the site; NaN or None where unknown.
        occupancy: People at the site, or their share; NaN or None where unknown.
    """

    meter: Integers
    start_ms: Integers
    length_ms: Integers
    mean: Floats
    low: Floats
    high: Floats
    spread: Floats
    count: Integers
    temperature_c: Floats | None = None
    occupancy: Floats | None = None

    def __len__(self) -> int:
        return len(self.meter)

    def take(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> "Intervals":
        """The intervals at `rows`, in their order."""
        columns: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        columns |= {name: column[rows] for name, column in columns.items() if column is not None}
        return Intervals(**columns)


def concatenate(parts: Iterable[Intervals]) -> Intervals:
    """All intervals of `parts`, in their order; at least one part."""
    parts = list(parts)
    columns: dict[str, Any] = {field.name: _joined(parts, field.name) for field in fields(Intervals)}
    return Intervals(**columns)


def _joined(parts: Sequence[Intervals], name: str) -> npt.NDArray[Any] | None:
    columns = [getattr(part, name) for part in parts]
    if all(column is None for column in columns):
        return None
    known = [
        np.full(len(part), np.nan) if column is None else column for part, column in zip(parts, columns, strict=True)
    ]
    return np.concatenate(known)


def newest_at(end_ms: Integers, t_ms: Integers, values: Floats) -> Floats:
    """The newest of some observations at each of N times; NaN before all and where it is older than `STALE_MS`.

    Args:
        end_ms: The times, ends of intervals.
        t_ms: Times of the observations, ascending.
        values: What was observed.
    """
    if len(t_ms) == 0:
        return np.full(len(end_ms), np.nan)
    place = np.searchsorted(t_ms, end_ms, side="right") - 1
    fresh = (place >= 0) & (end_ms - t_ms[place] <= STALE_MS)
    return np.where(fresh, values[place], np.nan)


def judged_quantity(names: Iterable[str]) -> str:
    """The quantity whose rate speaks for a meter.

    Power before registers before amounts: power is there every second, a
    register is exact but coarse, an amount comes once in an interval. Other
    gauges (temperature, voltage) are not judged by level: "".
    """
    ranked = sorted((_rank(name), name) for name in names)
    return ranked[0][1] if ranked and ranked[0][0] < _UNJUDGED else ""


_UNJUDGED: Final = 3 * len(_FIRST_CHOICES)


def _rank(name: str) -> int:
    if name in _FIRST_CHOICES:
        return _FIRST_CHOICES.index(name)
    try:
        kind = quantity(name).kind
    except DecodeError:
        return _UNJUDGED
    return {Kind.COUNTER: 1, Kind.AMOUNT: 2, Kind.GAUGE: 3}[kind] * len(_FIRST_CHOICES)


def aggregate(meter: int, t_ms: Integers, rate: Floats, interval_ms: int) -> Intervals:
    """Cut sampled rates (a power) into epoch-aligned intervals.

    Args:
        meter: The row that the intervals go to.
        t_ms: Times of N samples, ascending, ms UTC.
        rate: N rates, finite.
        interval_ms: Length of an interval.

    Returns:
        One row per interval that holds a sample, in time order.
    """
    if len(t_ms) == 0:
        return _rows(meter, t_ms, interval_ms, rate, rate, rate, rate, t_ms)
    bucket = t_ms // interval_ms
    first = np.flatnonzero(np.r_[True, bucket[1:] != bucket[:-1]])
    group = np.repeat(np.arange(len(first)), np.diff(np.r_[first, len(t_ms)]))
    count = np.bincount(group)
    # bincount adds in order, one after the other, as the edge does; add.reduceat would not.
    offset = rate - rate[first][group]
    mean_offset = np.bincount(group, weights=offset) / count
    square = np.bincount(group, weights=offset * offset) / count
    spread = np.sqrt(np.maximum(square - mean_offset * mean_offset, 0.0))
    mean = rate[first] + mean_offset
    low, high = np.minimum.reduceat(rate, first), np.maximum.reduceat(rate, first)
    return _rows(meter, bucket[first] * interval_ms, interval_ms, mean, low, high, spread, count)


def from_amounts(meter: int, t_ms: Integers, amount: Floats, interval_ms: int) -> Intervals:
    """Take amounts per interval as they are; the rate is the amount per hour.

    Args:
        meter: The row that the intervals go to.
        t_ms: Starts of N intervals, ascending, ms UTC.
        amount: What was used in each, finite.
        interval_ms: Length of an interval.
    """
    rate = amount * (HOUR_MS / interval_ms)
    return _rows(meter, t_ms, interval_ms, rate, rate, rate, np.zeros(len(rate)), np.ones(len(rate), np.int64))


def _rows(  # noqa: PLR0913, PLR0917 - one argument per column
    meter: int, start: Integers, length: int, mean: Floats, low: Floats, high: Floats, spread: Floats, count: Integers
) -> Intervals:
    n = len(start)
    return Intervals(np.full(n, meter, np.int64), start, np.full(n, length, np.int64), mean, low, high, spread, count)
