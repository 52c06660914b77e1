"""A trial on meters of which nothing is known to be wrong: learn from half of them, put faults into the others.

Each kind of fault goes into its own copy of the judged meters. The threshold
is set on the copy without faults, to the wanted number of alarms, which are
all false there: a detector is then asked what it finds at that price. What is
anomalous in the copy without faults at the same time earns nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from model_export.alarm_matching import Bools, Events, JudgedRows, match
from model_export.calibration import alarms, raw_threshold
from model_export.dataset import FeatureTable, MeterSeries, feature_table
from model_export.errors import DataError
from model_export.export import score_rows
from model_export.faults_on_series import KINDS, with_faults
from model_export.rule_marks import RuleMarks
from wattline.features import FeatureState
from wattline.intervals import Floats, Integers, concatenate

_LEAST_METERS: Final = 2


@dataclass(frozen=True, slots=True)
class Copy:
    """The judged meters with faults of one kind, or with none.

    Attributes:
        table: Features of their intervals after the warm-up.
        events: The faults.
        by_rules: Which rows a rule calls wrong, bool[N].
        rate: What the meter showed, float64[N].
    """

    table: FeatureTable
    events: Events
    by_rules: Bools
    rate: Floats

    def rows(self) -> JudgedRows:
        """Which intervals are judged."""
        return JudgedRows(self.table.meter, self.table.start_ms, self.table.interval_ms)


@dataclass(frozen=True, slots=True)
class FaultTrial:
    """Meters to learn from, and copies of the others.

    Attributes:
        learned: Features of the meters that are learned from; None where a model is there already.
        clean: The others as they are.
        faulty: The others with faults, by kind.
        alarms_per_week: False alarms per meter and week at which recall is asked for.
    """

    learned: FeatureTable | None
    clean: Copy
    faulty: dict[str, Copy]
    alarms_per_week: float


@dataclass(frozen=True, slots=True)
class FaultRecall:
    """What was found of one kind of fault.

    Attributes:
        injected: Faults, of those during which something was judged.
        model: Share that the model found by itself.
        rules: Share that the rules found by themselves.
        both: Share that either found.
    """

    injected: int
    model: float
    rules: float
    both: float


@dataclass(frozen=True, slots=True)
class FamilyRecall:
    """What one family found in a trial.

    Attributes:
        family: Its name.
        model: Its model file.
        threshold: The score that gives the wanted false alarms on the meters without faults.
        false_alarms: Alarms per meter and week there: of the model, the rules, and both together.
        kinds: Recall by kind.
    """

    family: str
    model: bytes
    threshold: float
    false_alarms: tuple[float, float, float]
    kinds: tuple[tuple[str, FaultRecall], ...]


def fault_trial(
    learned: Sequence[MeterSeries],
    judged: Sequence[MeterSeries],
    alarms_per_week: float,
    seed: int,
    rules: RuleMarks,
) -> FaultTrial:
    """Put faults into copies of the judged meters.

    Args:
        learned: Meters to learn from; none where a model is there already.
        judged: Others, without known faults.
        alarms_per_week: False alarms per meter and week at which recall is asked for.
        seed: Decides the faults.
        rules: Says which intervals a rule calls wrong.

    Raises:
        DataError: There are no meters, or their series are too short.
    """
    faulty = {kind: [with_faults(one, kind, seed) for one in judged] for kind in KINDS}
    if not any(one.faults for group in faulty.values() for one in group):
        raise DataError("the series are too short, or too constant, to put faults into")
    clean, *copies = _copies([judged, *faulty.values()], rules)
    table = feature_table(learned) if learned else None
    return FaultTrial(table, clean, dict(zip(faulty, copies, strict=True)), alarms_per_week)


def halves(series: Sequence[MeterSeries]) -> tuple[Sequence[MeterSeries], Sequence[MeterSeries]]:
    """The meters to learn from, and the others.

    Raises:
        DataError: There is but one.
    """
    if len(series) < _LEAST_METERS:
        raise DataError("at least two meters are needed: one half of them is learned from, the other judged")
    half = (len(series) + 1) // 2
    return series[:half], series[half:]


def judge_faults(trial: FaultTrial, family: str, model: bytes) -> FamilyRecall:
    """Let a model look for the faults.

    Raises:
        TrainingError: The judged meters are too few or too short to set the threshold.
    """
    clean = trial.clean
    score = score_rows(model, clean.table.matrix).score
    wanted = trial.alarms_per_week * clean.table.meter_weeks()
    threshold = raw_threshold(score, clean.table.meter, clean.table.start_ms, wanted)
    ordinary = (score >= threshold, clean.by_rules, (score >= threshold) | clean.by_rules)
    kinds = tuple((kind, _recall(copy, model, threshold, clean, ordinary)) for kind, copy in trial.faulty.items())
    weeks = clean.table.meter_weeks()
    rates = [alarms(found, clean.table.meter, clean.table.start_ms) / weeks for found in ordinary]
    return FamilyRecall(family, model, threshold, (rates[0], rates[1], rates[2]), kinds)


def _recall(copy: Copy, model: bytes, threshold: float, clean: Copy, ordinary: Sequence[Bools]) -> FaultRecall:
    """What model, rules and both together find in a copy beside what they find without faults."""
    found = score_rows(model, copy.table.matrix).score >= threshold
    by_model, by_rules = news_of(copy, found, clean, ordinary[0]), news_of(copy, copy.by_rules, clean, ordinary[1])
    matched = [match(copy.rows(), new, copy.events) for new in (by_model, by_rules, by_model | by_rules)]
    shares = [one.recall or 0.0 for one in matched]
    return FaultRecall(int(matched[0].judged.sum()), shares[0], shares[1], shares[2])


def news_of(copy: Copy, found: Bools, clean: Copy, ordinary: Bools) -> Bools:
    """Which of the rows that are found in a copy are not found without faults.

    Args:
        copy: N rows.
        found: Which of them are found, bool[N].
        clean: M rows of the same meters.
        ordinary: Which of these are found, bool[M].
    """
    known = _places(copy.table, clean.table)
    return found & ~(ordinary[known] & (known >= 0))


def _places(rows: FeatureTable, among: FeatureTable) -> Integers:
    """Where the same interval of the same meter is in another table; -1 where it is not."""
    order = np.lexsort((among.start_ms, among.meter))
    first_ms, width = among.start_ms.min(), np.ptp(among.start_ms) + 1
    keys = among.meter[order] * width + (among.start_ms[order] - first_ms)
    wanted = rows.meter * width + (rows.start_ms - first_ms)
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, order[place], -1)


def _copies(groups: Sequence[Sequence[MeterSeries]], rules: RuleMarks) -> list[Copy]:
    """Features of all groups at once, which is as quick as of one; every group has the same meters."""
    meters = len(groups[0])
    everyone = [one for group in groups for one in group]
    cut = concatenate([replace(one.intervals, meter=np.full(len(one.intervals), i)) for i, one in enumerate(everyone)])
    rows = FeatureState(len(everyone)).advance(cut)
    wrong, ready, length_ms = rules(cut, rows), rows.ready(), int(cut.length_ms[0])
    if not ready[cut.meter < meters].any():
        raise DataError(f"none of the {meters} meters to judge has more history than the warm-up")
    names, copies = tuple(one.name for one in groups[0]), []
    for number, group in enumerate(groups):
        mine = ready & (cut.meter // meters == number)
        table = FeatureTable(rows.matrix[mine], cut.meter[mine] % meters, cut.start_ms[mine], length_ms, names)
        copies.append(Copy(table, _events(group), wrong[mine], cut.mean[mine]))
    return copies


def _events(group: Sequence[MeterSeries]) -> Events:
    spans = [(meter, fault.start_ms, fault.end_ms) for meter, one in enumerate(group) for fault in one.faults]
    return Events(*np.array(spans, np.int64).reshape(-1, 3).T)
