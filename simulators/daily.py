"""A rate that is drawn day by day, and its exact integral: what makes a register."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import numpy as np

from simulators.randomness import FloatArray, IntArray
from simulators.residents import SLOT_MS, SLOTS
from simulators.weather import DAY_MS

_DAYS_KEPT: Final = 4
_SLOT_H: Final = SLOT_MS / 3_600_000


class DailyRate:
    """A quantity per hour, constant in every slot, and its integral from a fixed day on.

    Deterministic: the days may be asked in any order. Keeps the slots of the last few days, and one total for every
    day between the origin and the farthest day that was asked.

    Args:
        draw: Gives the rates of a day's slots, float64[SLOTS], as a pure function of the day.
        origin_day: The day at whose start the integral is 0; before it, the integral is negative.
    """

    def __init__(self, draw: Callable[[int], FloatArray], origin_day: int) -> None:
        self._draw = draw
        self._origin_day = origin_day
        self._days: OrderedDict[int, tuple[FloatArray, FloatArray]] = OrderedDict()
        self._after = [0.0]
        self._before = [0.0]

    def at(self, t_ms: IntArray) -> tuple[FloatArray, FloatArray]:
        """The rates at the given times, and the integrals from the origin to them."""
        rate, integral = np.empty(len(t_ms)), np.empty(len(t_ms))
        days = t_ms // DAY_MS
        for day in np.unique(days).tolist():
            here = days == day
            in_day_ms = t_ms[here] - day * DAY_MS
            index = in_day_ms // SLOT_MS
            rates, sums = self._day(day)
            rate[here] = rates[index]
            part_h = (in_day_ms - index * SLOT_MS) / 3_600_000
            integral[here] = self._until(day) + sums[index] + rates[index] * part_h
        return rate, integral

    def _day(self, day: int) -> tuple[FloatArray, FloatArray]:
        """The day's rates and the integral from midnight to the start of every slot."""
        kept = self._days.get(day)
        if kept is None:
            rates = self._draw(day)
            sums = np.zeros(SLOTS + 1)
            np.cumsum(rates * _SLOT_H, out=sums[1:])
            kept = self._days[day] = (rates, sums)
            if len(self._days) > _DAYS_KEPT:
                self._days.popitem(last=False)
        self._days.move_to_end(day)
        return kept

    def _until(self, day: int) -> float:
        """The integral from the origin to the start of `day`."""
        steps = day - self._origin_day
        while len(self._after) <= steps:
            self._after.append(self._after[-1] + self._total(self._origin_day + len(self._after) - 1))
        while len(self._before) <= -steps:
            self._before.append(self._before[-1] - self._total(self._origin_day - len(self._before)))
        return self._after[steps] if steps >= 0 else self._before[-steps]

    def _total(self, day: int) -> float:
        return float(self._day(day)[1][-1])
