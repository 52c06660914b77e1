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
TOP: Final = 1.0 - 2.0**-20
"""The highest score: sums in float32 may end a little above what they should, but never above 1."""
_BODY: Final = 24
_TAIL_STEP: Final = 0.7
_BEYOND: Final = (1.0, 3.0, 10.0, 100.0, 1000.0)
"""Knots above all that was seen, in spans from the median to the largest raw score."""
_LEFT_BEYOND: Final = np.array([0.3, 0.1, 0.03, 0.01, 0.003])
"""What is left to 1 there, of what was left at the largest."""
_LEFT_BELOW: Final = 1e-3
"""What the score rises by below all that was seen: a model of all rows may find ordinary ones more so."""
_LEAST_WIDTH: Final = 2e-3
"""Knots closer than this, relative to their size, would make a cliff of float32's rounding."""
_LEAST_KNOTS: Final = 3
_LEAST_GAP: Final = 2e-6
_MOST_ANOMALOUS: Final = 0.05
"""Where nearly everything is anomalous, runs merge and alarms get few again."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A monotone piecewise-linear function of a raw score; constant outside its knots.

    Attributes:
        raw: Strictly rising raw scores, float64[K].
        score: Rising values there, float64[K]; the first is 0.
    """

    raw: Floats
    score: Floats

    def __call__(self, raw: Floats) -> Floats:
        """The value at raw scores."""
        return np.interp(raw, self.raw, self.score)


def tail_curve(raw: Floats) -> Curve:
    """The distribution of `raw` as a curve to 0..1, fine in its upper tail.

    Args:
        raw: Raw scores of N ordinary intervals.

    Raises:
        TrainingError: They do not vary.
    """
    knots, left = _survival(raw)
    return Curve(knots, TOP * np.r_[1.0 - left[:-1], 1.0])


def surprise_curve(raw: Floats) -> Curve:
    """`-log` of the share of ordinary intervals that look stranger (Shannon's information, in nats).

    Args:
        raw: Raw scores of N ordinary intervals.

    Raises:
        TrainingError: They do not vary.
    """
    knots, left = _survival(raw)
    return Curve(knots, -np.log(left))


def _survival(raw: Floats) -> tuple[Floats, Floats]:
    """Raw scores, and the share of ordinary intervals above each."""
    n = len(raw)
    if n == 0 or not np.isfinite(raw).all():
        raise TrainingError("the model gives scores that are no numbers")
    tail = [0.05]
    while tail[-1] * n > 1:
        tail.append(tail[-1] * _TAIL_STEP)
    left = np.r_[np.linspace(1.0, 0.05, _BODY, endpoint=False), tail]
    knots = np.asarray(np.quantile(raw, 1.0 - left), np.float64)
    chosen = _apart(knots)
    span = float(raw.max() - np.median(raw))
    if len(chosen) < _LEAST_KNOTS or span <= 0:
        raise TrainingError("the model gives all intervals the same score: the data do not vary")
    knots, left = knots[chosen], left[chosen]
    below = knots[0] - max(knots[1] - knots[0], span)
    above = max(float(raw.max()), float(knots[-1])) + span * np.array(_BEYOND)
    left = np.r_[1.0, 1.0 - _LEFT_BELOW, left[1:], left[-1] * _LEFT_BEYOND]
    # In float32, as the graph has them.
    return np.r_[below, knots, above].astype(np.float32).astype(np.float64), left


def _apart(knots: Floats) -> list[int]:
    """Which of the rising knots to keep so that none is too close to the one before."""
    chosen = [0]
    for i, knot in enumerate(knots.tolist()):
        if knot - knots[chosen[-1]] > _LEAST_WIDTH * (1.0 + abs(knot)):
            chosen.append(i)
    return chosen


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
        raise TrainingError(
            f"at the wanted rate these data would hold {wanted:.2g} false alarms, and less than 1 cannot be counted; "
            "take more homes or days, or bear more alarms"
        )
    levels = np.unique(raw)
    low, high = 0, len(levels) - 1  # alarms(levels[high]) <= 1 <= wanted
    while low < high:
        middle = (low + high) // 2
        if alarms(raw >= levels[middle], meter, start_ms) > wanted or (raw >= levels[middle]).mean() > _MOST_ANOMALOUS:
            low = middle + 1
        else:
            high = middle
    return float((levels[high] + levels[max(high - 1, 0)]) / 2)


def clear_cut(cut: float, raw: Floats, curve: Curve) -> float:
    """The nearest threshold from `cut` on that no score of `raw` is too close to for float32 to tell apart.

    Args:
        cut: A raw score.
        raw: Raw scores that occurred.
        curve: Their calibration; decisions are made on its scores.
    """
    above = np.unique(raw[raw >= cut])
    levels = np.r_[raw[raw < cut].max(initial=cut - abs(cut) - 1.0), above]
    score = curve(levels)
    close = 0.5 * np.diff(levels) / (1.0 + np.abs(levels[1:]))
    clear = np.flatnonzero((np.diff(score) > _LEAST_GAP) & (close > _LEAST_GAP))
    if len(clear) == 0:
        return cut
    first = clear[0]
    return float((levels[first] + levels[first + 1]) / 2)
