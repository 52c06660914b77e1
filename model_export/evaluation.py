"""How good a detector is: how it ranks intervals, which events it finds, how often it calls for nothing."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, roc_auc_score

from model_export.alarm_matching import SHADOW_MS, Bools, Events, JudgedRows, labelled_events, match
from model_export.dataset import FeatureTable, MeterSeries
from wattline.intervals import Floats, Integers

__all__ = ["SHADOW_MS", "MeterQuality", "MeterVerdict", "Quality", "evaluate", "mean_of", "quality_of"]

_WEEK_MS = 7 * 86_400_000


@dataclass(frozen=True, slots=True)
class Quality:
    """What a detector did on series whose faults are known.

    Attributes:
        injected: Judged faults by kind.
        found: Of these, the ones with an anomaly in or right after them.
        false_alarms: Alarms outside all faults.
        meter_weeks: Judged time.
    """

    injected: dict[str, int]
    found: dict[str, int]
    false_alarms: int
    meter_weeks: float

    @property
    def recall(self) -> dict[str, float]:
        """Share of the faults found, by kind."""
        return {kind: self.found.get(kind, 0) / number for kind, number in self.injected.items()}

    @property
    def false_alarms_per_meter_week(self) -> float:
        """False alarms per meter and week."""
        return self.false_alarms / self.meter_weeks if self.meter_weeks else 0.0


def evaluate(series: Sequence[MeterSeries], table: FeatureTable, found: npt.NDArray[np.bool_]) -> Quality:
    """Compare anomalies with the known faults.

    Args:
        series: The series with their faults.
        table: Their features.
        found: Which rows of `table` are anomalies.
    """
    faults = [(meter, fault) for meter, one in enumerate(series) for fault in one.faults]
    spans = np.array([(meter, fault.start_ms, fault.end_ms) for meter, fault in faults], np.int64).reshape(-1, 3)
    rows = JudgedRows(table.meter, table.start_ms, table.interval_ms)
    matched = match(rows, found, Events(*spans.T))
    kinds = np.array([fault.kind for _, fault in faults], np.str_)
    injected = Counter(kinds[matched.judged].tolist())
    hits = Counter(kinds[matched.hit].tolist())
    return Quality(dict(sorted(injected.items())), dict(hits), matched.false_alarms, table.meter_weeks())


@dataclass(frozen=True, slots=True)
class MeterVerdict:
    """What a detector said of the N test intervals of one labelled meter, in time order.

    Attributes:
        name: The meter or building.
        start_ms: Starts of the intervals, int64[N].
        interval_ms: Their length.
        rate: What the meter used, float64[N].
        labels: Which are labelled as anomalous, bool[N].
        score: Calibrated scores, float64[N].
        found: Which the detector calls anomalous, bool[N].
    """

    name: str
    start_ms: Integers
    interval_ms: int
    rate: Floats
    labels: Bools
    score: Floats
    found: Bools


@dataclass(frozen=True, slots=True)
class MeterQuality:
    """The figures of one labelled meter; None where they have no meaning.

    Attributes:
        name: The meter or building.
        roc_auc: Area under the ROC curve, over intervals.
        average_precision: Average precision, over intervals.
        event_recall: Share of the labelled events that were found.
        event_precision: Share of the alarms that belong to a labelled event.
        false_alarms_per_meter_week: Alarms of the week that belong to none.
        events: Labelled events.
        events_found: Of these, the ones found.
        alarms: Alarms, true and false.
        false_alarms: Of these, the false ones.
        intervals: Judged intervals.
        labelled_intervals: Of these, the labelled ones.
    """

    name: str
    roc_auc: float | None
    average_precision: float | None
    event_recall: float | None
    event_precision: float | None
    false_alarms_per_meter_week: float
    events: int
    events_found: int
    alarms: int
    false_alarms: int
    intervals: int
    labelled_intervals: int


def quality_of(verdict: MeterVerdict) -> MeterQuality:
    """The figures of one meter."""
    labels, n = verdict.labels, len(verdict.labels)
    ranked = bool(labels.any() and not labels.all())
    rows = JudgedRows(np.zeros(n, np.int64), verdict.start_ms, verdict.interval_ms)
    matched = match(rows, verdict.found, labelled_events(rows, labels))
    return MeterQuality(
        name=verdict.name,
        roc_auc=float(roc_auc_score(labels, verdict.score)) if ranked else None,
        average_precision=float(average_precision_score(labels, verdict.score)) if ranked else None,
        event_recall=matched.recall,
        event_precision=matched.precision,
        false_alarms_per_meter_week=matched.false_alarms * _WEEK_MS / (n * verdict.interval_ms) if n else 0.0,
        events=len(matched.judged),
        events_found=int(matched.hit.sum()),
        alarms=len(matched.alarms),
        false_alarms=matched.false_alarms,
        intervals=n,
        labelled_intervals=int(labels.sum()),
    )


def mean_of(figures: Sequence[float | None]) -> float | None:
    """The mean of the figures that have a meaning; None when none has."""
    known = [figure for figure in figures if figure is not None]
    return float(np.mean(known)) if known else None
