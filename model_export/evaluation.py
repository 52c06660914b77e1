"""How good a detector is on series whose faults are known: recall per kind, false alarms per week."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from model_export.calibration import alarms
from model_export.dataset import FaultSpan, FeatureTable, MeterSeries
from wattline.intervals import HOUR_MS

SHADOW_MS: Final = HOUR_MS
"""An anomaly up to this long after a fault's end still speaks of it: a drop-out shows with the first value after it."""


@dataclass(frozen=True, slots=True)
class Quality:
    """What a detector did on labelled series.

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
    def false_alarms_per_week(self) -> float:
        """False alarms per meter and week."""
        return self.false_alarms / self.meter_weeks if self.meter_weeks else 0.0


def evaluate(series: Sequence[MeterSeries], table: FeatureTable, found: npt.NDArray[np.bool_]) -> Quality:
    """Compare anomalies with the known faults.

    Args:
        series: The labelled series.
        table: Their features.
        found: Which rows of `table` are anomalies.
    """
    injected: Counter[str] = Counter()
    hits: Counter[str] = Counter()
    innocent = np.ones(len(table), np.bool_)
    for meter, one in enumerate(series):
        rows = np.flatnonzero(table.meter == meter)
        for fault in one.faults:
            inside = rows[_touched(fault, table, rows)]
            if len(inside):
                injected[fault.kind] += 1
                hits[fault.kind] += bool(found[inside].any())
                innocent[inside] = False
    false_alarms = alarms(found & innocent, table.meter, table.start_ms)
    return Quality(dict(sorted(injected.items())), dict(hits), false_alarms, table.meter_weeks())


def _touched(fault: FaultSpan, table: FeatureTable, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    start_ms = table.start_ms[rows]
    touched = (start_ms + table.interval_ms > fault.start_ms) & (start_ms < fault.end_ms + SHADOW_MS)
    return np.asarray(touched)
