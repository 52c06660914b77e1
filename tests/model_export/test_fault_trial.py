"""Recall is asked for at a price that was measured, and nothing is earned by what was anomalous anyway."""

import numpy as np
import pytest

from model_export.attempts import family_trainer
from model_export.calibration import alarms
from model_export.dataset import MeterSeries, feature_table
from model_export.errors import DataError
from model_export.export import score_rows
from model_export.fault_examples import fault_examples
from model_export.fault_trial import FamilyRecall, FaultTrial, fault_trial, halves, judge_faults, news_of
from model_export.faults_on_series import KINDS
from model_export.rule_marks import rule_marks
from tests.model_export.homes import HALF_HOUR, T0, small_homes
from wattline.intervals import from_amounts


@pytest.fixture(scope="module")
def trial() -> FaultTrial:
    learned, judged = halves(list(small_homes(homes=6, days=60)))
    return fault_trial(learned, judged, 1.0, 1, rule_marks("energy_kwh"))


@pytest.fixture(scope="module")
def recall(trial: FaultTrial) -> FamilyRecall:
    assert trial.learned is not None
    train = family_trainer(["gmm"], 1.0, 1, lambda *_: lambda: None)
    return judge_faults(trial, "gmm", train(trial.learned)["gmm"].model)


def test_no_meter_is_both_learned_from_and_judged(trial: FaultTrial) -> None:
    assert trial.learned is not None
    assert trial.learned.names == ("home-0", "home-1", "home-2")
    assert trial.clean.table.names == ("home-3", "home-4", "home-5")


def test_every_kind_has_a_copy_of_the_judged_meters(trial: FaultTrial) -> None:
    assert list(trial.faulty) == list(KINDS)
    for copy in trial.faulty.values():
        assert len(copy.events) >= 3
        assert set(copy.events.meter.tolist()) == {0, 1, 2}
        assert copy.table.names == trial.clean.table.names


def test_the_copy_without_faults_is_what_the_meters_are(trial: FaultTrial) -> None:
    _, judged = halves(list(small_homes(homes=6, days=60)))
    table = feature_table(judged)
    np.testing.assert_array_equal(trial.clean.table.matrix, table.matrix)
    np.testing.assert_array_equal(trial.clean.table.start_ms, table.start_ms)


def test_the_threshold_costs_what_it_was_to_cost(trial: FaultTrial, recall: FamilyRecall) -> None:
    table = trial.clean.table
    found = score_rows(recall.model, table.matrix).score >= recall.threshold
    rate = alarms(found, table.meter, table.start_ms) / table.meter_weeks()
    assert recall.false_alarms[0] == pytest.approx(rate)
    assert 0.8 < rate <= 1.0


def test_spikes_and_drop_outs_are_found(recall: FamilyRecall) -> None:
    shares = dict(recall.kinds)
    assert shares["spike"].model > 0.9
    assert shares["drop_out"].rules > 0.9
    for share in shares.values():
        assert share.both >= max(share.model, share.rules)
        assert share.injected >= 3


def test_what_is_anomalous_without_a_fault_earns_nothing(trial: FaultTrial) -> None:
    for copy in trial.faulty.values():
        everything = np.ones(len(copy.table), np.bool_)
        news = news_of(copy, everything, trial.clean, np.ones(len(trial.clean.table), np.bool_))
        assert not news.any()
        nothing = np.zeros(len(trial.clean.table), np.bool_)
        assert news_of(copy, everything, trial.clean, nothing).all()


def test_examples_show_faults_of_each_kind_with_the_truth_beside(trial: FaultTrial, recall: FamilyRecall) -> None:
    examples = fault_examples(trial, recall)
    assert {one.kind for one in examples} == set(KINDS)
    for one in examples:
        assert one.start_ms.shape == one.rate.shape == one.score.shape == one.found.shape
        assert one.true_start_ms.shape == one.true_rate.shape
        assert (np.diff(one.start_ms) > 0).all()
        assert one.true_start_ms[0] < one.begin_ms < one.end_ms


def flat(n: int) -> MeterSeries:
    return MeterSeries("m", from_amounts(0, T0 + HALF_HOUR * np.arange(n), np.zeros(n), HALF_HOUR))


@pytest.mark.parametrize("judged", [[flat(0)], [flat(30)], [flat(3000)], []])
def test_meters_that_can_have_no_faults_are_refused(judged: list[MeterSeries]) -> None:
    with pytest.raises(DataError, match="too short, or too constant"):
        fault_trial((), judged, 1.0, 1, rule_marks(""))


def test_one_meter_cannot_be_halved() -> None:
    with pytest.raises(DataError, match="at least two"):
        halves([flat(10)])
