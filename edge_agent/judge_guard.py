"""Keeps a failing judge from stopping the way of the readings."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from wattline.reading import Reading
from wattline.wire import Event

_log: Final = logging.getLogger("edge_agent.judge")


class Judge(Protocol):
    """What is guarded."""

    def add(self, readings: Sequence[Reading]) -> None:
        """Take readings."""

    def events(self, now_ms: int) -> list[Event]:
        """What was found."""

    def clock_set(self, by_ms: int) -> None:
        """The wall clock was set by so much."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Intervals by what became of them."""

    @property
    def skipped(self) -> Mapping[str, int]:
        """Readings that were not judged, by reason."""


class GuardedJudge:
    """A judge whose failures are counted and logged; the readings go on unjudged.

    Attributes:
        failures: Calls that failed, by method.
    """

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self.failures: Counter[str] = Counter()

    def add(self, readings: Sequence[Reading]) -> None:
        """Take readings."""
        try:
            self._judge.add(readings)
        except Exception:  # noqa: BLE001 (whatever it is, the readings must be kept)
            self._failed("add")

    def events(self, now_ms: int) -> list[Event]:
        """What was found; nothing when the judge fails."""
        try:
            return self._judge.events(now_ms)
        except Exception:  # noqa: BLE001 (as above)
            self._failed("events")
            return []

    def clock_set(self, by_ms: int) -> None:
        """The wall clock was set by so much."""
        try:
            self._judge.clock_set(by_ms)
        except Exception:  # noqa: BLE001 (as above)
            self._failed("clock_set")

    def figures(self) -> dict[str, float]:
        """For the status message: intervals by what became of them, readings left out, and failures."""
        counted = {"intervals": self._judge.counts, "skipped": self._judge.skipped, "judge_failed": self.failures}
        # Copies, for another thread goes on counting.
        return {f"{what}_{name}": float(n) for what, counts in counted.items() for name, n in dict(counts).items() if n}

    def _failed(self, method: str) -> None:
        self.failures[method] += 1
        if self.failures[method] == 1:
            _log.exception("judge_failed method=%s", method)


class NoJudge:
    """Detection switched off."""

    def add(self, readings: Sequence[Reading]) -> None:
        """Ignore them."""

    def events(self, now_ms: int) -> list[Event]:  # noqa: ARG002 (the port's)
        """Find nothing."""
        return []

    def clock_set(self, by_ms: int) -> None:
        """Nothing of it depends on the clock."""

    def figures(self) -> dict[str, float]:
        """Nothing to tell."""
        return {}
