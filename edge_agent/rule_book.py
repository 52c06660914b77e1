"""All rules of a gateway: on readings as they come, and on the intervals that they make."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from edge_agent.interval_rules import IntervalRules
from edge_agent.live_rules import LiveRules
from wattline.features import FeatureRows
from wattline.intervals import Intervals
from wattline.reading import Reading
from wattline.rule_settings import MeterLimits
from wattline.wire import Event

Arrays = dict[str, npt.NDArray[Any]]


class MeterRules(Protocol):
    """What the configuration says of each meter's rules."""

    def limits_of(self, meter: str, quantity: str) -> MeterLimits:
        """The limits of a meter whose judged quantity is this."""

    def silent_after_ms(self, meter: str) -> float:
        """The least silence of a meter that is told."""


class JudgedMeters(Protocol):
    """Who is judged.

    Attributes:
        choices: A number that changes whenever the rest does.
    """

    choices: int

    @property
    def names(self) -> Sequence[str]:
        """Meter ids by row."""

    @property
    def quantities(self) -> Sequence[str]:
        """What is judged of each."""


class RuleBook:
    """Rules of both kinds, and the memory that they share with the judge."""

    def __init__(self, live: LiveRules | None = None, intervals: IntervalRules | None = None) -> None:
        """Start without memory; without rules nothing is ever found."""
        self._live, self._intervals = live, intervals
        self._choices = -1
        self._last_ms = self._left_ms = 0

    @classmethod
    def of(cls, rules: MeterRules, meters: Iterable[str]) -> Self:
        """The rules that a configuration asks for.

        Args:
            rules: What it says.
            meters: Ids of the meters that are expected to send.
        """
        return cls(LiveRules(rules.silent_after_ms, meters=meters), IntervalRules(rules.limits_of))

    def add(self, readings: Iterable[Reading]) -> None:
        """Look at readings of any meters, each meter's in the order of time."""
        if self._live is not None:
            self._live.add(readings)

    def clock_set(self, by_ms: int) -> None:
        """The wall clock was set by so much."""
        if self._live is not None:
            self._live.clock_set(by_ms)

    def live_events(self, now_ms: int) -> list[Event]:
        """What readings, or their absence, broke since the last call.

        Args:
            now_ms: The wall clock, ms UTC.
        """
        if self._left_ms and self._intervals is not None:
            self._intervals.away(self._left_ms, now_ms)
            self._left_ms = 0
        self._last_ms = now_ms
        return [] if self._live is None else self._live.events(now_ms)

    def interval_events(self, intervals: Intervals, rows: FeatureRows, meters: JudgedMeters) -> list[Event]:
        """What closed intervals broke.

        Args:
            intervals: That just closed.
            rows: What the features observed of them.
            meters: Whom `intervals.meter` speaks of.
        """
        if self._intervals is None:
            return []
        if meters.choices != self._choices:
            self._intervals.know(meters.names, meters.quantities)
            self._choices = meters.choices
        return self._intervals.events(intervals, rows)

    def export(self) -> Arrays:
        """The memory as arrays, for `restore` after a restart."""
        if self._live is None or self._intervals is None:
            return {}
        return {"last_ms": np.array(self._last_ms), **self._live.export(), **self._intervals.export()}

    def restore(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from what `export` gave; nothing is the memory of an agent without rules.

        Raises:
            ValueError: The arrays are not such a memory.
        """
        if self._live is None or self._intervals is None or not arrays:
            return
        left_ms = int(arrays["last_ms"])
        self._live.restore(arrays)
        # Last: rows of meters whose names are not taken over would be others' rows.
        self._intervals.restore(arrays)
        self._left_ms = left_ms
