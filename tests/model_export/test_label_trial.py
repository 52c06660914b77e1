"""Only first days are learned from, only later ones are judged, and labels never reach the training."""

from dataclasses import replace

import numpy as np
import pytest

from model_export.attempts import Attempt, Trainer, family_trainer, ready_made
from model_export.dataset import FeatureTable, MeterSeries, feature_table
from model_export.errors import DataError
from model_export.label_trial import DAY_MS, LabelTrial, Scheme, label_trial, try_families
from tests.model_export.buildings import T0, labelled_building

TRAIN_DAYS = 40
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def buildings() -> list[MeterSeries]:
    return [labelled_building(number) for number in range(3)]


@pytest.fixture(scope="module")
def table(buildings: list[MeterSeries]) -> FeatureTable:
    return feature_table(buildings)


@pytest.fixture(scope="module")
def trial(buildings: list[MeterSeries], table: FeatureTable) -> LabelTrial:
    return label_trial(buildings, table, TRAIN_DAYS, Scheme.TOGETHER)


class Watched:
    """A trainer that remembers what it was given."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer, self.given = trainer, list[FeatureTable]()

    def __call__(self, table: FeatureTable) -> dict[str, Attempt]:
        self.given.append(table)
        return dict(self.trainer(table))


@pytest.fixture(scope="module")
def model(trial: LabelTrial) -> bytes:
    train = family_trainer(["kmeans"], 1.0, 1, lambda *_: lambda: None)
    return train(trial.learned_from([0, 1, 2]))["kmeans"].model


def test_only_first_days_are_learned_from_and_only_later_ones_judged(trial: LabelTrial, table: FeatureTable) -> None:
    assert trial.table is table
    assert trial.table.start_ms[trial.early].max() == T0 + TRAIN_DAYS * DAY_MS - HOUR_MS
    assert trial.table.start_ms[~trial.early].min() == T0 + TRAIN_DAYS * DAY_MS


def test_labels_and_rates_stay_with_their_intervals(model: bytes) -> None:
    whole = labelled_building(1)
    assert whole.labels is not None
    kept = np.arange(len(whole.intervals)) % 7 != 0
    gappy = replace(whole, intervals=whole.intervals.take(kept), labels=whole.labels[kept])
    verdict = label_trial([gappy], feature_table([gappy]), TRAIN_DAYS, Scheme.TOGETHER).verdict(0, model)
    assert verdict.name == "1"
    assert (np.diff(verdict.start_ms) > 0).all()
    known = dict(zip(gappy.intervals.start_ms.tolist(), gappy.intervals.mean.tolist(), strict=True))
    assert [known[t] for t in verdict.start_ms.tolist()] == verdict.rate.tolist()
    assert (verdict.rate[verdict.labels] < 0.5 * np.median(verdict.rate)).all()


@pytest.mark.parametrize(
    ("scheme", "learned"),
    [
        (Scheme.TOGETHER, [{0, 1, 2}]),
        (Scheme.PER_BUILDING, [{0}, {1}, {2}]),
        (Scheme.LEAVE_ONE_OUT, [{1, 2}, {0, 2}, {0, 1}]),
    ],
)
def test_a_scheme_says_what_a_model_has_seen(
    trial: LabelTrial, model: bytes, scheme: Scheme, learned: list[set[int]]
) -> None:
    watched = Watched(ready_made("kmeans", model))
    [said] = try_families(replace(trial, scheme=scheme), watched)
    assert [set(given.meter.tolist()) for given in watched.given] == learned
    assert all((given.start_ms < T0 + TRAIN_DAYS * DAY_MS).all() for given in watched.given)
    assert [verdict.name for verdict in said.verdicts] == ["0", "1", "2"]
    assert len(said.models) == len(learned)


def test_a_family_that_cannot_learn_says_so_and_the_others_are_judged(trial: LabelTrial, model: bytes) -> None:
    def train(given: FeatureTable) -> dict[str, Attempt]:
        failed = Attempt(error="too dull") if 0 in given.meter else Attempt(model)
        return {"kmeans": Attempt(model), "gmm": failed}

    kmeans, gmm = try_families(replace(trial, scheme=Scheme.PER_BUILDING), train)
    assert (kmeans.error, len(kmeans.verdicts)) == ("", 3)
    assert (gmm.error, gmm.verdicts, gmm.models) == ("too dull", (), ())


@pytest.mark.parametrize(
    ("series", "scheme", "train_days", "problem"),
    [
        (labelled_building(1), Scheme.TOGETHER, 60, "goes on after the first 60 days"),
        (labelled_building(1), Scheme.LEAVE_ONE_OUT, 40, "only one meter"),
        (labelled_building(1, faulty_from_day=500), Scheme.TOGETHER, 40, "labelled as anomalous"),
        (replace(labelled_building(1), labels=None), Scheme.TOGETHER, 40, "labelled as anomalous"),
        (labelled_building(1), Scheme.TOGETHER, 0, "nothing to learn from"),
    ],
)
def test_what_makes_no_trial_is_refused(series: MeterSeries, scheme: Scheme, train_days: int, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        label_trial([series], feature_table([series]), train_days, scheme)


def test_a_building_that_ends_early_is_learned_from_and_not_judged(model: bytes) -> None:
    series = [labelled_building(0), labelled_building(3, days=30)]
    trial = label_trial(series, feature_table(series), TRAIN_DAYS, Scheme.TOGETHER)
    [said] = try_families(trial, ready_made("kmeans", model))
    assert [verdict.name for verdict in said.verdicts] == ["0"]
    assert set(trial.learned_from([0, 1]).meter.tolist()) == {0, 1}
