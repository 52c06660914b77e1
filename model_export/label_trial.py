"""A trial on labelled meters: learn from their first days without the labels, judge the rest, compare.

Features are made over the whole series, as a gateway makes them that has run
since its first interval; only intervals after the training days are judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import numpy as np

from model_export.alarm_matching import Bools
from model_export.attempts import Attempt, Trainer
from model_export.dataset import FeatureTable, MeterSeries
from model_export.errors import DataError
from model_export.evaluation import MeterVerdict
from model_export.export import score_rows
from wattline.intervals import Floats

DAY_MS: Final = 86_400_000


class Scheme(StrEnum):
    """What each meter's model learns from: always first days only."""

    TOGETHER = "together"
    PER_BUILDING = "per-building"
    LEAVE_ONE_OUT = "leave-one-out"

    @property
    def meaning(self) -> str:
        """A sentence for a report."""
        return {
            Scheme.TOGETHER: "one model, trained on the first days of all buildings",
            Scheme.PER_BUILDING: "a model for each building, trained on its own first days",
            Scheme.LEAVE_ONE_OUT: "for each building a model that never saw it, trained on the others' first days",
        }[self]


@dataclass(frozen=True, slots=True)
class LabelTrial:
    """Labelled meters, ready to learn from and to judge.

    Attributes:
        table: Features of all their intervals after the warm-up, N rows.
        rate: What the meter used in each of them, float64[N].
        labels: Which are labelled as anomalous, bool[N].
        early: Which are of the training days, bool[N].
        scheme: What each meter's model learns from.
    """

    table: FeatureTable
    rate: Floats
    labels: Bools
    early: Bools
    scheme: Scheme

    @property
    def tested(self) -> list[int]:
        """Meters with rows after the training days."""
        return [int(meter) for meter in np.unique(self.table.meter[~self.early])]

    def rounds(self) -> list[tuple[list[int], list[int]]]:
        """Which meters' first days are learned from, and which meters are then judged."""
        learned = np.unique(self.table.meter[self.early]).tolist()
        match self.scheme:
            case Scheme.TOGETHER:
                return [(learned, self.tested)]
            case Scheme.PER_BUILDING:
                return [([meter], [meter]) for meter in self.tested]
            case Scheme.LEAVE_ONE_OUT:
                return [([other for other in learned if other != meter], [meter]) for meter in self.tested]

    def learned_from(self, meters: list[int]) -> FeatureTable:
        """The rows of the training days of some meters."""
        return of_rows(self.table, self.early & np.isin(self.table.meter, meters))

    def verdict(self, meter: int, model: bytes) -> MeterVerdict:
        """What a model says of a meter after the training days."""
        rows = np.flatnonzero(~self.early & (self.table.meter == meter))
        rows = rows[np.argsort(self.table.start_ms[rows])]
        scored = score_rows(model, self.table.matrix[rows])
        return MeterVerdict(
            self.table.names[meter],
            self.table.start_ms[rows],
            self.table.interval_ms,
            self.rate[rows],
            self.labels[rows],
            scored.score,
            scored.found,
        )


@dataclass(frozen=True, slots=True)
class FamilyVerdicts:
    """What one family said in a trial.

    Attributes:
        family: Its name.
        models: The model files that it took.
        verdicts: One for each judged meter.
        error: Why it could not be trained; "" where it could.
    """

    family: str
    models: tuple[bytes, ...] = ()
    verdicts: tuple[MeterVerdict, ...] = ()
    error: str = ""


def label_trial(series: Sequence[MeterSeries], table: FeatureTable, train_days: int, scheme: Scheme) -> LabelTrial:
    """Part the rows into training days and the rest.

    Args:
        series: Labelled meters.
        table: Their features.
        train_days: Days from each meter's first interval that are learned from.
        scheme: What each meter's model learns from.

    Raises:
        DataError: There is nothing to learn from or nothing to judge; or there is but one meter to leave out.
    """
    begin_ms = np.array([one.intervals.start_ms[0] if len(one.intervals) else 0 for one in series], np.int64)
    early = table.start_ms < begin_ms[table.meter] + train_days * DAY_MS
    if not early.any():
        raise DataError(f"the first {train_days} days of {len(series)} meters hold nothing to learn from")
    if early.all():
        raise DataError(f"none of {len(series)} meters goes on after the first {train_days} days: lower --train-days")
    if scheme is Scheme.LEAVE_ONE_OUT and len(np.unique(table.meter[early])) < 2:  # noqa: PLR2004 - one out, one left
        raise DataError("there is only one meter: nothing is left to learn from without it")
    labels, rate = np.zeros(len(table), np.bool_), np.zeros(len(table))
    for meter, one in enumerate(series):
        rows = np.flatnonzero(table.meter == meter)
        places = np.searchsorted(one.intervals.start_ms, table.start_ms[rows])
        rate[rows] = one.intervals.mean[places]
        if one.labels is not None:
            labels[rows] = one.labels[places]
    if not labels[~early].any():
        raise DataError(f"no interval after the first {train_days} days is labelled as anomalous")
    return LabelTrial(table, rate, labels, early, scheme)


def of_rows(table: FeatureTable, chosen: Bools) -> FeatureTable:
    """Some rows of a table; indices of meters stay."""
    return replace(table, matrix=table.matrix[chosen], meter=table.meter[chosen], start_ms=table.start_ms[chosen])


def try_families(trial: LabelTrial, train: Trainer) -> list[FamilyVerdicts]:
    """Train families and let them judge.

    A family that could not learn from these data says so in its result.
    """
    said: dict[str, FamilyVerdicts] = {}
    for learned, judged in trial.rounds():
        for family, attempt in train(trial.learned_from(learned)).items():
            so_far = said.get(family, FamilyVerdicts(family))
            said[family] = _one_more(trial, so_far, attempt, judged)
    return list(said.values())


def _one_more(trial: LabelTrial, so_far: FamilyVerdicts, attempt: Attempt, judged: list[int]) -> FamilyVerdicts:
    if so_far.error or attempt.error:
        return FamilyVerdicts(so_far.family, error=so_far.error or attempt.error)
    verdicts = tuple(trial.verdict(meter, attempt.model) for meter in judged)
    return FamilyVerdicts(so_far.family, (*so_far.models, attempt.model), so_far.verdicts + verdicts)
