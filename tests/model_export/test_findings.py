"""The object that is printed: the default family's figures on top, every family's below."""

import json

import pytest

from model_export.evaluation import MeterQuality
from model_export.fault_trial import FamilyRecall, FaultRecall
from model_export.findings import LabelFindings, RecallFindings, default_of, label_object, recall_object


def meter(name: str, roc_auc: float | None, average_precision: float | None) -> MeterQuality:
    return MeterQuality(name, roc_auc, average_precision, 0.5, 0.25, 1.5, 2, 1, 4, 3, 700, 20)


ENSEMBLE = LabelFindings("ensemble", (meter("1", 0.98, 0.8), meter("2", 0.96, 0.6), meter("3", None, None)), 33.33, 9)
GMM = LabelFindings("gmm", (meter("1", 0.9, 0.5), meter("2", 0.8, 0.4), meter("3", None, None)), 7.0, 5)
FAILED = LabelFindings("ocsvm", error="too dull")


@pytest.mark.parametrize(("families", "default"), [(["gmm", "ensemble"], "ensemble"), (["kmeans"], "kmeans"), ([], "")])
def test_the_default_family_speaks_for_all_where_it_is_there(families: list[str], default: str) -> None:
    assert default_of(families) == default


def test_means_leave_out_meters_without_labels() -> None:
    printed = label_object([GMM, ENSEMBLE, FAILED])
    assert (printed["default_family"], printed["roc_auc"], printed["average_precision"]) == ("ensemble", 0.97, 0.7)
    assert printed["families"]["gmm"]["roc_auc"] == 0.85
    assert printed["families"]["ensemble"]["buildings"]["3"]["roc_auc"] is None
    assert printed["families"]["ensemble"]["latency_us"] == 33.3
    assert [one["default"] for one in printed["families"].values()] == [False, True, False]


def test_a_family_that_failed_says_why() -> None:
    assert label_object([GMM, FAILED])["families"]["ocsvm"] == {"default": False, "error": "too dull"}


def test_a_default_family_that_failed_has_no_figures() -> None:
    printed = label_object([LabelFindings("ensemble", error="no"), GMM])
    assert (printed["default_family"], printed["roc_auc"]) == ("ensemble", None)


def test_recall_is_told_of_model_rules_and_both() -> None:
    recall = FamilyRecall("gmm", b"", 0.99, (1.0, 0.01, 1.005), (("spike", FaultRecall(9, 0.9, 0.5, 1.0)),))
    printed = recall_object([RecallFindings("gmm", recall, 7.04, 1000), RecallFindings("ocsvm", error="no")])
    assert printed["recall"] == {"spike": {"injected": 9, "model": 0.9, "rules": 0.5, "both": 1.0}}
    assert printed["families"]["gmm"]["false_alarms_per_meter_week"] == {"model": 1.0, "rules": 0.01, "both": 1.005}
    assert printed["families"]["ocsvm"] == {"default": False, "error": "no"}


def test_everything_that_is_printed_is_json() -> None:
    assert json.loads(json.dumps(label_object([GMM, ENSEMBLE, FAILED])))
