"""A few faults of each kind, as they looked and as they were judged: for a person to look at."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from model_export.alarm_matching import Bools, match
from model_export.export import score_rows
from model_export.fault_trial import Copy, FamilyRecall, FaultTrial, news_of
from wattline.intervals import Floats, Integers

_EACH: Final = 2
"""Found ones, and missed ones, of each kind."""
_BEFORE_MS: Final = 3 * 86_400_000
_AFTER_MS: Final = 2 * 86_400_000


@dataclass(frozen=True, slots=True)
class FaultExample:
    """One fault of one meter, and the days around it.

    Attributes:
        kind: What was put in.
        meter: The meter's name.
        begin_ms: When the fault starts.
        end_ms: When it ends.
        start_ms: Starts of the N intervals, int64[N].
        rate: What the meter showed, float64[N].
        score: How strange each looks, float64[N].
        found: Which are anomalous, bool[N].
        true_start_ms: Starts of the intervals without the fault.
        true_rate: What the meter would have shown.
        hit: Whether the model found it.
        by_rules: Whether a rule did.
    """

    kind: str
    meter: str
    begin_ms: int
    end_ms: int
    start_ms: Integers
    rate: Floats
    score: Floats
    found: Bools
    true_start_ms: Integers
    true_rate: Floats
    hit: bool
    by_rules: bool


def fault_examples(trial: FaultTrial, recall: FamilyRecall) -> list[FaultExample]:
    """Some found and some missed faults of each kind, as one family judged them."""
    return [one for kind, copy in trial.faulty.items() for one in _of_kind(kind, copy, trial.clean, recall)]


def _of_kind(kind: str, copy: Copy, clean: Copy, recall: FamilyRecall) -> Iterator[FaultExample]:
    score = score_rows(recall.model, copy.table.matrix).score
    found = score >= recall.threshold
    ordinary = score_rows(recall.model, clean.table.matrix).score >= recall.threshold
    matched = match(copy.rows(), news_of(copy, found, clean, ordinary), copy.events)
    by_rules = match(copy.rows(), copy.by_rules, copy.events).hit
    chosen = [np.flatnonzero(matched.judged & (matched.hit == hit)) for hit in (True, False)]
    for i in np.concatenate([_spread(some) for some in chosen]).tolist():
        meter, begin_ms, end_ms = int(copy.events.meter[i]), int(copy.events.start_ms[i]), int(copy.events.end_ms[i])
        rows, true = (_around(one, meter, begin_ms, end_ms) for one in (copy, clean))
        yield FaultExample(
            kind,
            copy.table.names[meter],
            begin_ms,
            end_ms,
            copy.table.start_ms[rows],
            copy.rate[rows],
            score[rows],
            found[rows],
            clean.table.start_ms[true],
            clean.rate[true],
            bool(matched.hit[i]),
            bool(by_rules[i]),
        )


def _spread(events: Integers) -> Integers:
    """A few of the events, not all of the first meter."""
    if len(events) <= _EACH:
        return events
    return events[np.linspace(0, len(events) - 1, _EACH + 2).astype(np.int64)[1:-1]]


def _around(copy: Copy, meter: int, begin_ms: int, end_ms: int) -> "np.typing.NDArray[np.intp]":
    start_ms = copy.table.start_ms
    near = (copy.table.meter == meter) & (start_ms >= begin_ms - _BEFORE_MS) & (start_ms < end_ms + _AFTER_MS)
    rows = np.flatnonzero(near)
    return rows[np.argsort(start_ms[rows])]
