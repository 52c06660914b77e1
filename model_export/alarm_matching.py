"""Alarms against what was really wrong: counted as the person counts who is called out.

An *event* is one fault, however long. An *alarm* is a run of anomalous
intervals of a meter, less than `QUIET_MS` apart: one call. An event is found
when an interval in it, or right after it, is anomalous; an alarm is false
when none of its intervals belongs to an event.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from model_export.calibration import QUIET_MS
from wattline.intervals import HOUR_MS, Integers

SHADOW_MS: Final = HOUR_MS
"""An anomaly up to this long after a fault's end still speaks of it: a drop-out shows with the first value after it."""

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Events:
    """E spans of time in which something was wrong with a meter: [start, end) in ms UTC."""

    meter: Integers
    start_ms: Integers
    end_ms: Integers

    def __len__(self) -> int:
        return len(self.meter)


@dataclass(frozen=True, slots=True)
class JudgedRows:
    """Which N intervals were judged; any order.

    Attributes:
        meter: int64[N].
        start_ms: int64[N].
        interval_ms: Length of all of them.
    """

    meter: Integers
    start_ms: Integers
    interval_ms: int


@dataclass(frozen=True, slots=True)
class Match:
    """What became of events and alarms.

    Attributes:
        judged: Events in or right after which an interval was judged, bool[E].
        hit: Events that were found, bool[E].
        alarms: When there was an alarm, A spans.
        deserved: Which alarms belong to an event, bool[A].
    """

    judged: Bools
    hit: Bools
    alarms: Events
    deserved: Bools

    @property
    def false_alarms(self) -> int:
        """Alarms that belong to no event."""
        return int((~self.deserved).sum())

    @property
    def recall(self) -> float | None:
        """Share of the judged events that were found; None without any."""
        return float(self.hit.sum() / self.judged.sum()) if self.judged.any() else None

    @property
    def precision(self) -> float | None:
        """Share of the alarms that belong to an event; None without any."""
        return float(self.deserved.mean()) if len(self.alarms) else None


def labelled_events(rows: JudgedRows, labels: Bools) -> Events:
    """Runs of labelled intervals that follow each other without a break.

    Args:
        rows: N intervals.
        labels: Which of them are labelled as anomalous, bool[N].
    """
    return _runs(rows, _in_order(rows, labels), rows.interval_ms)


def match(rows: JudgedRows, found: Bools, events: Events) -> Match:
    """Compare anomalous intervals with events.

    Args:
        rows: The N judged intervals.
        found: Which of them are anomalous, bool[N].
        events: What was wrong.
    """
    judged, hit = np.zeros(len(events), np.bool_), np.zeros(len(events), np.bool_)
    guilty = np.zeros(len(found), np.bool_)
    of_meter = {meter: np.flatnonzero(rows.meter == meter) for meter in np.unique(events.meter).tolist()}
    for i in range(len(events)):
        mine = of_meter[int(events.meter[i])]
        start_ms = rows.start_ms[mine]
        touched = (start_ms + rows.interval_ms > events.start_ms[i]) & (start_ms < events.end_ms[i] + SHADOW_MS)
        inside = mine[touched]
        judged[i], hit[i] = len(inside) > 0, found[inside].any()
        guilty[inside] = True
    chosen = _in_order(rows, found)
    run = np.cumsum(_begins(rows.meter[chosen], rows.start_ms[chosen], QUIET_MS)) - 1
    deserved = np.bincount(run, weights=guilty[chosen]) > 0
    return Match(judged, hit, _runs(rows, chosen, QUIET_MS), deserved)


def _in_order(rows: JudgedRows, chosen: Bools) -> npt.NDArray[np.intp]:
    """The chosen rows, by meter and time."""
    places = np.flatnonzero(chosen)
    return places[np.lexsort((rows.start_ms[places], rows.meter[places]))]


def _runs(rows: JudgedRows, chosen: npt.NDArray[np.intp], apart_ms: int) -> Events:
    """Runs of the chosen rows, which are in order."""
    meter, start_ms = rows.meter[chosen], rows.start_ms[chosen]
    first = np.flatnonzero(_begins(meter, start_ms, apart_ms))
    last = np.r_[first[1:], len(chosen)] - 1 if len(first) else first
    return Events(meter[first], start_ms[first], start_ms[last] + rows.interval_ms)


def _begins(meter: Integers, start_ms: Integers, apart_ms: int) -> Bools:
    """Where another run begins, of intervals by meter and time."""
    if len(meter) == 0:
        return np.zeros(0, np.bool_)
    return np.asarray(np.r_[True, (np.diff(meter) != 0) | (np.diff(start_ms) > apart_ms)], np.bool_)
