"""What a meter does by nature: its longest runs and its highest rates of the last weeks, day by day.

A shop's flat nights, a solar inverter's zeros, a reader that sends once a day:
what happens on most days is a meter's nature; what happened on a few of them was a
fault, and must not make the next one look ordinary.
"""

import math
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from wattline.intervals import HOUR_MS

DAY_MS: Final = 24 * HOUR_MS
DAYS: Final = 28
"""So many are kept."""
_FORTNIGHT: Final = 14
_NATURE: Final = 6
"""So many days of a fortnight must have had a run as long, for it to be usual."""
_PEAKS: Final = 3
"""So many days must have had a rate as high: longer than holidays are, and more than glitches."""


class Kind(IntEnum):
    """What is remembered."""

    FLAT = 0
    ZERO = 1
    GAP = 2
    PEAK = 3


class DayMemory:
    """The largest of each kind and day, for M meters: 224 numbers a meter."""

    def __init__(self, meters: int = 0) -> None:
        """Start without memory."""
        self._largest = np.zeros((len(Kind), meters, DAYS))
        self._day = np.full((len(Kind), meters, DAYS), -DAYS, np.int64)

    @property
    def meters(self) -> int:
        """How many rows there are."""
        return self._largest.shape[1]

    def grow(self, meters: int) -> None:
        """Have at least `meters` rows; old ones stay where they are."""
        missing = ((0, 0), (0, max(meters - self.meters, 0)), (0, 0))
        self._largest = np.pad(self._largest, missing)
        self._day = np.pad(self._day, missing, constant_values=-DAYS)

    def book_run(self, kind: Kind, meter: int, start_ms: float, end_ms: float) -> None:
        """Take in a run that is over.

        A run of more than a day counts on each day that it touched, a shorter one on
        its last: where nobody works from Saturday to Monday, six days of a fortnight
        say so.

        Args:
            kind: What went on.
            meter: The meter's row.
            start_ms: When it began, ms UTC.
            end_ms: When it ended.
        """
        last = int((end_ms - 1) // DAY_MS)
        first = int(start_ms // DAY_MS) if end_ms - start_ms > DAY_MS else last
        self._book(kind, meter, np.arange(max(first, last - DAYS + 1), last + 1), end_ms - start_ms)

    def book_peak(self, meter: int, day: int, rate: float) -> None:
        """Take in the size of a rate of some day (days since 1970)."""
        self._book(Kind.PEAK, meter, np.array([day]), rate)

    def _book(self, kind: Kind, meter: int, day: npt.NDArray[np.int64], value: float) -> None:
        slot = day % DAYS
        here, when = self._largest[kind, meter], self._day[kind, meter]
        here[slot] = np.maximum(np.where(when[slot] == day, here[slot], 0.0), value)
        when[slot] = day

    def usual_ms(self, kind: Kind, meter: int, at_ms: float, known_ms: float) -> float:
        """How long such runs of the meter last on most days before some instant.

        Args:
            kind: What goes on.
            meter: The meter's row.
            at_ms: The instant, ms UTC.
            known_ms: For how long the meter was known then; where that is less than
                a fortnight, proportionally fewer days make a nature.
        """
        needed = min(max(math.ceil(_NATURE * known_ms / (_FORTNIGHT * DAY_MS)), 1), _NATURE)
        return self._reached(kind, meter, int(at_ms // DAY_MS), _FORTNIGHT, needed)

    def usual_peak(self, meter: int, day: int) -> float:
        """The rate that the meter reached on several of the days before this one; 0 for none."""
        return self._reached(Kind.PEAK, meter, day - 1, DAYS, _PEAKS)

    def _reached(self, kind: Kind, meter: int, last_day: int, days: int, times: int) -> float:
        """What was reached on so many of the days up to `last_day`."""
        day = self._day[kind, meter]
        recent = self._largest[kind, meter][(day > last_day - days) & (day <= last_day)]
        return float(np.sort(recent)[-times]) if len(recent) >= times else 0.0

    def export(self) -> dict[str, npt.NDArray[Any]]:
        """A copy of the memory, for `restore` after a restart."""
        return {"days_largest": self._largest.copy(), "days_day": self._day.copy()}

    @classmethod
    def restore(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """The memory that `export` gave.

        Raises:
            ValueError: The arrays are not such a memory.
        """
        memory = cls()
        largest, day = arrays["days_largest"].astype(np.float64), arrays["days_day"]
        if largest.shape != day.shape or largest.ndim != memory._largest.ndim or day.dtype != memory._day.dtype:
            raise ValueError("no memory of days")
        if largest.shape[::2] != memory._largest.shape[::2] or not np.isfinite(largest).all():
            raise ValueError("a memory of days of another shape, or with values that are no numbers")
        memory._largest, memory._day = largest, day
        return memory
