"""How long the same runs of a meter last by nature: the long ones of a fortnight, day by day.

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

DAYS: Final = 14
_NATURE: Final = 6
"""So many of the days must have had a run as long, for it to be usual."""
_DAY_MS: Final = 24 * HOUR_MS


class Run(IntEnum):
    """What goes on and on."""

    FLAT = 0
    ZERO = 1
    GAP = 2


class RunMemory:
    """The longest run of each kind and day, for M meters: 84 numbers a meter."""

    def __init__(self, meters: int = 0) -> None:
        """Start without runs."""
        self._ms = np.zeros((len(Run), meters, DAYS))
        self._day = np.full((len(Run), meters, DAYS), -DAYS, np.int64)

    @property
    def meters(self) -> int:
        """How many rows there are."""
        return self._ms.shape[1]

    def grow(self, meters: int) -> None:
        """Have at least `meters` rows; old ones stay where they are."""
        missing = ((0, 0), (0, max(meters - self.meters, 0)), (0, 0))
        self._ms = np.pad(self._ms, missing)
        self._day = np.pad(self._day, missing, constant_values=-DAYS)

    def book(self, kind: Run, meter: int, start_ms: float, end_ms: float) -> None:
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
        last = int((end_ms - 1) // _DAY_MS)
        first = int(start_ms // _DAY_MS) if end_ms - start_ms > _DAY_MS else last
        day = np.arange(max(first, last - DAYS + 1), last + 1)
        slot = day % DAYS
        here, when = self._ms[kind, meter], self._day[kind, meter]
        here[slot] = np.maximum(np.where(when[slot] == day, here[slot], 0.0), end_ms - start_ms)
        when[slot] = day

    def usual_ms(self, kind: Run, meter: int, at_ms: float, known_ms: float) -> float:
        """How long such runs of the meter last on most days before some instant.

        Args:
            kind: What goes on.
            meter: The meter's row.
            at_ms: The instant, ms UTC.
            known_ms: For how long the meter was known then; where that is less than
                a fortnight, proportionally fewer days make a nature.
        """
        day = int(at_ms // _DAY_MS)
        recent = self._ms[kind, meter][self._day[kind, meter] > day - DAYS]
        needed = min(max(math.ceil(_NATURE * known_ms / (DAYS * _DAY_MS)), 1), _NATURE)
        return float(np.sort(recent)[-needed]) if len(recent) >= needed else 0.0

    def export(self) -> dict[str, npt.NDArray[Any]]:
        """A copy of the memory, for `restore` after a restart."""
        return {"runs_ms": self._ms.copy(), "runs_day": self._day.copy()}

    @classmethod
    def restore(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """The memory that `export` gave.

        Raises:
            ValueError: The arrays are not such a memory.
        """
        memory = cls()
        longest, day = arrays["runs_ms"].astype(np.float64), arrays["runs_day"]
        if longest.shape != day.shape or longest.ndim != memory._ms.ndim or day.dtype != memory._day.dtype:
            raise ValueError("no memory of runs")
        if longest.shape[::2] != memory._ms.shape[::2] or not np.isfinite(longest).all():
            raise ValueError("a memory of runs of another shape, or with values that are no numbers")
        memory._ms, memory._day = longest, day
        return memory
