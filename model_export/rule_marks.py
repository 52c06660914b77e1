"""What the edge's rules say of intervals, beside any model."""

from collections.abc import Callable

import numpy as np

from model_export.alarm_matching import Bools
from wattline.features import FeatureRows
from wattline.intervals import Intervals
from wattline.rules import Limits, broken_rules

RuleMarks = Callable[[Intervals, FeatureRows], Bools]
"""Which of N intervals, with what is known of them, break a rule: bool[N]."""


def rule_marks(quantity: str) -> RuleMarks:
    """The edge's rules with their own limits, for meters of one quantity; "" where it is not known."""

    def marks(intervals: Intervals, rows: FeatureRows) -> Bools:
        meters = int(intervals.meter.max(initial=-1)) + 1
        marked = np.zeros(len(intervals), np.bool_)
        marked[broken_rules(intervals, rows, Limits.of([quantity] * meters)).row] = True
        return marked

    return marks
