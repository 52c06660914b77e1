"""From a family's raw score to a probability, and to a threshold that a person can bear.

The calibrated score of an interval is the share of ordinary intervals that
look less strange: a monotone, piecewise-linear curve, so that it can be a few
operators of the graph. The threshold follows from the alarms per meter and
week that are wanted on data without labels.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from model_export.errors import TrainingError
from wattline.intervals import HOUR_MS, Floats, Integers

QUIET_MS: Final = HOUR_MS
"""Anomalous intervals of a meter less than this apart are one alarm to a person."""
_BODY: Final = 24
_TAIL_STEP: Final = 0.7
_BEYOND: Final = (1.0, 3.0, 10.0)
"""Knots above all that was seen, in spans from the median to the largest raw score."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A monotone piecewise-linear function from raw score to 0..1; constant outside its knots.

    Attributes:
        raw: Strictly rising raw scores, float64[K].
        score: Rising calibrated scores there, float64[K].
    """

    raw: Floats
    score: Floats

    def __call__(self, raw: Floats) -> Floats:
        """The calibrated score of raw scores."""
        return np.interp(raw, self.raw, self.score)


def tail_curve(raw: Floats) -> Curve:
    """The distribution of `raw` as a curve, fine in its upper tail.

    Args:
        raw: Raw scores of N ordinary intervals.

    Raises:
        TrainingError: They do not vary.
    """
    n = len(raw)
    tail = [0.05]
    while tail[-1] * n > 1:
        tail.append(tail[-1] * _TAIL_STEP)
    share = np.r_[np.linspace(0.0, 0.95, _BODY, endpoint=False), 1.0 - np.array(tail)]
    knots: Floats = np.asarray(np.quantile(raw, share))
    kept = np.r_[True, np.diff(knots) > 1e-6 * (1.0 + np.abs(knots[1:]))]
    knots, share = knots[kept], share[kept]
    span = float(raw.max() - np.median(raw))
    if len(knots) < 3 or span <= 0:  # noqa: PLR2004 - two knots make no curve
        raise TrainingError("the model gives all intervals the same score: the data do not vary")
    above = max(float(raw.max()), float(knots[-1])) + span * np.array(_BEYOND)
    left = (1.0 - share[-1]) * np.array([0.1, 0.01, 0.0])
    return Curve(np.r_[knots, above], np.r_[share, 1.0 - left])


def alarms(found: npt.NDArray[np.bool_], meter: Integers, start_ms: Integers) -> int:
    """How often a person is bothered: runs of anomalies at least `QUIET_MS` apart.

    Args:
        found: Which of N intervals are anomalous.
        meter: Their meters.
        start_ms: Their starts; any order.
    """
    meter, start_ms = meter[found], start_ms[found]
    order = np.lexsort((start_ms, meter))
    meter, start_ms = meter[order], start_ms[order]
    fresh = (np.diff(meter) != 0) | (np.diff(start_ms) > QUIET_MS)
    return int(len(meter) > 0) + int(fresh.sum())


def raw_threshold(raw: Floats, meter: Integers, start_ms: Integers, wanted: float) -> float:
    """The lowest raw score at which ordinary data give no more alarms than wanted.

    It lies half-way between two scores that occurred, so that rounding decides no interval.

    Args:
        raw: Raw scores of N ordinary intervals.
        meter: Their meters.
        start_ms: Their starts.
        wanted: Alarms in all of them together; at least 1.

    Raises:
        TrainingError: The data are too few to give even one alarm at that rate.
    """
    if wanted < 1:
        raise TrainingError("too few meter-weeks of data to set the wanted false-alarm rate; take more homes or days")
    levels = np.unique(raw)
    low, high = 0, len(levels) - 1  # alarms(levels[high]) <= 1 <= wanted
    while low < high:
        middle = (low + high) // 2
        if alarms(raw >= levels[middle], meter, start_ms) > wanted or (raw >= levels[middle]).mean() > _MOST_ANOMALOUS:
            low = middle + 1
        else:
            high = middle
    return float((levels[high] + levels[max(high - 1, 0)]) / 2)


_MOST_ANOMALOUS: Final = 0.05
"""Where nearly everything is anomalous, runs merge and alarms get few again."""
