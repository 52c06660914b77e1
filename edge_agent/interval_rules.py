"""Rules on closed intervals, as events: `wattline.rules` with each meter's own limits."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import numpy.typing as npt

from wattline.features import WARM_UP_MS, FeatureRows
from wattline.intervals import Intervals
from wattline.rule_settings import MeterLimits
from wattline.rules import Limits, Rule, RuleState, reason
from wattline.wire import Event

_LONGEST_MS: Final = 366 * 24 * 3_600_000
"""The longest interval that the wire carries."""

LimitsFor = Callable[[str, str], MeterLimits]
"""The limits of a meter, by its id and its judged quantity."""


class IntervalRules:
    """Turns intervals that break a rule into events; one thread calls it."""

    def __init__(self, limits_for: LimitsFor, *, warm_up_ms: int = WARM_UP_MS) -> None:
        """Know no meters yet.

        Args:
            limits_for: Gives a meter's limits.
            warm_up_ms: How long a meter is only watched at first.
        """
        self._limits_for = limits_for
        self._warm_up_ms = warm_up_ms
        self._names: list[str] = []
        self._quantities: list[str] = []
        self._limits = Limits(())
        self._state = RuleState()
        self._away_ms = (0, 0)

    def know(self, names: Iterable[str], quantities: Iterable[str]) -> None:
        """The meters by the row that intervals speak of, and what is judged of each."""
        self._names, self._quantities = list(names), list(quantities)
        self._limits = Limits(map(self._limits_for, self._names, self._quantities))

    def away(self, from_ms: int, to_ms: int) -> None:
        """The agent itself did not run from then to then: no meter dropped out for that."""
        self._away_ms = (from_ms, to_ms)

    def events(self, intervals: Intervals, rows: FeatureRows) -> list[Event]:
        """One event of kind `anomaly` for each episode that begins within these intervals.

        Args:
            intervals: Of meters that are known.
            rows: What the features observed of them.
        """
        broken = self._state.advance(intervals, rows, self._limits, warm_up_ms=self._warm_up_ms)
        found = (self._event(intervals, *entry) for entry in zip(*(column.tolist() for column in broken), strict=True))
        return [event for event in found if event is not None]

    def _event(self, intervals: Intervals, row: int, number: int, figure: float, limit: float) -> Event | None:
        rule, meter = Rule(number), int(intervals.meter[row])
        t_ms, length_ms = int(intervals.start_ms[row]), int(intervals.length_ms[row])
        if rule is Rule.DROP_OUT:  # what is judged is the time without data, and it is over
            t_ms, length_ms = t_ms - int(figure), min(int(figure), _LONGEST_MS)
            if figure - self._away_within(t_ms, int(intervals.start_ms[row])) <= limit:
                return None
        name = self._quantities[meter]
        return Event(
            kind="anomaly",
            meter=self._names[meter],
            t=t_ms,
            interval_ms=length_ms,
            detector=rule.detector,
            score=1.0,
            threshold=1.0,
            reason=reason(rule, name, float(intervals.mean[row]), figure, limit),
        )

    def _away_within(self, from_ms: int, to_ms: int) -> int:
        return max(min(to_ms, self._away_ms[1]) - max(from_ms, self._away_ms[0]), 0)

    def export(self) -> dict[str, npt.NDArray[Any]]:
        """The memory as arrays, for `restore` after a restart; rows stay."""
        return self._state.export()

    def restore(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from what `export` gave.

        Raises:
            ValueError: The arrays are not such a memory.
        """
        self._state = RuleState.restore(arrays)
