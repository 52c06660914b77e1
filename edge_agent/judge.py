"""Judges every interval on the spot: readings in, anomaly events out.

intervals -> features -> detector -> events, for all meters of a gateway at once.
Beside the detector rules see what needs no model: on the same intervals, and on
the readings as they come. A rule's event carries its own name and reason; that the
model found the same interval strange is another fact, and both are told.
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edge_agent.errors import ModelError
from edge_agent.intervals import IntervalAccumulator
from edge_agent.ports import Detector
from edge_agent.rule_book import RuleBook
from edge_agent.site_conditions import SiteConditions
from wattline.features import CONTRACT, FEATURES, WARM_UP_MS, FeatureState, most_deviant
from wattline.intervals import Intervals
from wattline.reading import Reading
from wattline.wire import Event

_log: Final = logging.getLogger("edge_agent.judge")

DetectorFor = Callable[[int], Detector | None]
"""The detector for intervals of a length in ms; None leaves them unjudged."""
Arrays = dict[str, npt.NDArray[Any]]


class AnomalyJudge:
    """Turns readings into anomaly events; one thread calls it.

    Nothing of a meter is judged before `warm_up_ms` of its history and
    `wattline.features.WARM_UP_INTERVALS` intervals are known.

    Attributes:
        counts: Intervals by what became of them: `judged`, `anomalies`,
            `warming_up`, `late`, `no_model` (of a length that no detector was
            trained for) and `model_failed`; and events of rules by their
            detector: `rule_stuck` and so on.
    """

    def __init__(  # noqa: PLR0913 - one argument per choice
        self,
        detector_for: DetectorFor,
        *,
        interval_ms: int = 60_000,
        grace_ms: int = 5_000,
        warm_up_ms: int = WARM_UP_MS,
        utc_offset_ms: int = 0,
        rules: RuleBook | None = None,
        conditions: SiteConditions | None = None,
    ) -> None:
        """Start without history; see `restore`.

        Args:
            detector_for: Gives the detector for a length of interval.
            interval_ms: Length of a detection interval; amounts keep their own.
            grace_ms: How long after its end an interval waits for readings.
            warm_up_ms: How long a meter is only watched at first.
            utc_offset_ms: Local time minus UTC at the site.
            rules: What is seen without a model; none without.
            conditions: Temperature and occupancy of the site; unknown without.
        """
        self.counts: Counter[str] = Counter()
        self._detector_for = detector_for
        self._warm_up_ms, self._utc_offset_ms = warm_up_ms, utc_offset_ms
        self._interval_ms, self._grace_ms = interval_ms, grace_ms
        self._open = self._accumulator()
        self._state = FeatureState(utc_offset_ms=utc_offset_ms)
        self._rules = rules or RuleBook()
        self._conditions = conditions or SiteConditions()

    @property
    def skipped(self) -> Mapping[str, int]:
        """Readings that were not judged, by reason; see `IntervalAccumulator`."""
        return self._open.skipped

    def use(self, detector_for: DetectorFor) -> None:
        """Judge with other detectors from now on; the history stays."""
        self._detector_for = detector_for

    def add(self, readings: Sequence[Reading]) -> None:
        """Take readings of any meters in, each meter's in the order of time."""
        self._open.add(readings)
        self._rules.add(readings)
        self._conditions.add(readings)

    def clock_set(self, by_ms: int) -> None:
        """The wall clock was set by so much."""
        self._rules.clock_set(by_ms)

    def events(self, now_ms: int) -> list[Event]:
        """Judge the intervals that closed since the last call.

        Args:
            now_ms: The wall clock, ms UTC.

        Returns:
            Of kind `anomaly` one event per anomalous interval, and one per
            episode of a broken rule; other kinds are of `edge_agent.live_rules`.
        """
        events = self._counted(self._rules.live_events(now_ms))
        self._conditions.clock(now_ms)
        closed = self._open.close_due(now_ms)
        if len(closed):
            events += self._closed(closed)
        return events

    def _closed(self, closed: Intervals) -> list[Event]:
        self._state.grow(int(closed.meter.max()) + 1)
        rows = self._state.advance(self._conditions.beside(closed))
        ready = rows.ready(self._warm_up_ms)
        self.counts["late"] += int((~rows.in_order).sum())
        self.counts["warming_up"] += int((rows.in_order & ~ready).sum())
        judged, matrix = closed.take(ready), rows.matrix[ready]
        events = self._counted(self._rules.interval_events(closed, rows, self._open))
        for length in np.unique(judged.length_ms).tolist():
            chosen = judged.length_ms == length
            events += self._judge(length, judged.take(chosen), matrix[chosen])
        return events

    def _counted(self, events: list[Event]) -> list[Event]:
        self.counts.update(event.detector.replace("-", "_") for event in events)
        return events

    def _judge(self, length_ms: int, intervals: Intervals, matrix: npt.NDArray[np.float32]) -> list[Event]:
        try:
            detector = self._detector_for(length_ms)
            if detector is None:
                self.counts["no_model"] += len(intervals)
                return []
            score, found = detector.score(matrix)
        except ModelError as error:
            if not self.counts["model_failed"]:
                _log.exception("model_failed interval_ms=%d", length_ms)
            _log.debug("model_failed interval_ms=%d error=%s", length_ms, error)
            self.counts["model_failed"] += len(intervals)
            return []
        anomalous = np.flatnonzero(found)
        self.counts["judged"] += len(intervals)
        self.counts["anomalies"] += len(anomalous)
        if len(anomalous) == 0:
            return []
        return self._events(detector, intervals.take(anomalous), matrix[anomalous], score[anomalous])

    def _events(
        self, detector: Detector, intervals: Intervals, matrix: npt.NDArray[np.float32], score: npt.NDArray[np.float32]
    ) -> list[Event]:
        names = self._open.names
        causes = most_deviant(matrix)
        events = []
        for i, row in enumerate(intervals.meter.tolist()):
            cause = FEATURES[causes[i]]
            what = f"{self._open.quantity_of(names[row])} {intervals.mean[i]:.4g}"
            events.append(
                Event(
                    kind="anomaly",
                    meter=names[row],
                    t=int(intervals.start_ms[i]),
                    interval_ms=int(intervals.length_ms[i]),
                    detector=detector.name,
                    score=float(score[i]),
                    threshold=detector.threshold,
                    reason=f"{cause.meaning} ({cause.name} {matrix[i, causes[i]]:+.1f}; {what})",
                )
            )
        return events

    def export(self) -> Arrays:
        """The whole history as arrays, for `restore` after a restart."""
        return {
            "contract": np.array(CONTRACT),
            **{f"rules_{name}": array for name, array in self._rules.export().items()},
            **{f"open_{name}": array for name, array in self._open.export().items()},
            **{f"features_{name}": array for name, array in self._state.export().items()},
        }

    def restore(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from what `export` gave, or change nothing of the intervals; call it before the first `add`.

        Raises:
            ValueError: The arrays are not the history of a judge of this contract.
        """
        if str(arrays.get("contract")) != CONTRACT:
            raise ValueError(f"no history of the contract {CONTRACT}")
        state = FeatureState.restore(_part(arrays, "features_"), utc_offset_ms=self._utc_offset_ms)
        opened = self._accumulator()
        opened.restore(_part(arrays, "open_"))
        self._rules.restore(_part(arrays, "rules_"))
        self._open, self._state = opened, state

    def _accumulator(self) -> IntervalAccumulator:
        return IntervalAccumulator(self._interval_ms, grace_ms=self._grace_ms)


def _part(arrays: Mapping[str, npt.NDArray[Any]], prefix: str) -> Arrays:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
