"""A detector scores in Python as its file does, is calibrated honestly, and is never made of nothing."""

from dataclasses import replace

import numpy as np
import pytest

from model_export.calibration import alarms
from model_export.dataset import FeatureTable
from model_export.detector import (
    MIN_ROWS,
    FittedDetector,
    Wishes,
    check_trainable,
    fit_detector,
    fit_detectors,
    members_of,
    training_steps,
)
from model_export.errors import ParityError, TrainingError
from model_export.export import score_rows
from model_export.families import ENSEMBLE, FAMILIES
from model_export.families.columns import EVIDENCE
from tests.model_export.detectors import WISHES, small_detectors, small_table

every_family = pytest.mark.parametrize("family", FAMILIES)


def rows_of(table: FeatureTable, n: int) -> FeatureTable:
    return replace(table, matrix=table.matrix[:n], meter=table.meter[:n], start_ms=table.start_ms[:n])


def with_matrix(change: str) -> FeatureTable:
    """The small table with something wrong in it."""
    table = small_table()
    matrix = table.matrix.copy()
    match change:
        case "one NaN":
            matrix[17, 3] = np.nan
        case "infinite":
            matrix[:, EVIDENCE[0]] = np.inf
        case "all equal":
            matrix[:] = matrix[0]
        case "all zero":
            matrix[:] = 0.0
        case "only calendar varies":
            matrix[:, EVIDENCE] = 0.0
        case "nearly all equal":
            matrix[50:, EVIDENCE] = 0.5
    return replace(table, matrix=matrix)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("one NaN", "no numbers"),
        ("infinite", "no numbers"),
        ("all equal", "do not vary"),
        ("all zero", "do not vary"),
        ("only calendar varies", "do not vary"),
        ("nearly all equal", "do not vary"),
    ],
)
@every_family
def test_rows_that_make_no_model_are_refused(family: str, change: str, problem: str) -> None:
    with pytest.raises(TrainingError, match=problem):
        fit_detector(with_matrix(change), replace(WISHES, family=family))


@pytest.mark.parametrize("n", [0, 1, MIN_ROWS - 1])
def test_too_few_rows_are_refused(n: int) -> None:
    with pytest.raises(TrainingError, match=f"{n} intervals .* too few"):
        check_trainable(rows_of(small_table(), n))


def test_meters_of_which_one_has_nearly_all_rows_are_learned_from() -> None:
    table = small_table()
    first, others = np.flatnonzero(table.meter == 0), np.flatnonzero(table.meter != 0)[::700]
    lopsided = np.sort(np.r_[first, others])
    few = replace(table, matrix=table.matrix[lopsided], meter=table.meter[lopsided], start_ms=table.start_ms[lopsided])
    assert fit_detector(few, WISHES).facts["training_rows"] == str(len(few))


@every_family
def test_one_meter_alone_is_enough(family: str) -> None:
    table = small_table(seed=4, homes=1)
    detector = fit_detector(table, replace(WISHES, family=family))
    other = small_table(seed=9, homes=4)
    rate = alarms(detector.found(other.matrix), other.meter, other.start_ms) / other.meter_weeks()
    assert rate < 8.0
    assert detector.facts["training_meters"] == "1"


@every_family
def test_python_and_file_say_the_same(family: str) -> None:
    detector = small_detectors()[family]
    exported = score_rows(detector.export({}), detector.reference)
    np.testing.assert_allclose(exported.score, detector.score(detector.reference), atol=1e-4)
    np.testing.assert_array_equal(exported.found, detector.found(detector.reference))


@every_family
def test_scores_of_homes_never_seen_are_about_evenly_spread(family: str) -> None:
    score = small_detectors()[family].score(small_table(seed=9, homes=12).matrix)
    for share in (0.25, 0.5, 0.75, 0.9):
        assert (score < share).mean() == pytest.approx(share, abs=0.12)


def test_without_a_wanted_rate_k_means_goes_by_three_sigma_and_others_by_one_a_week() -> None:
    table = small_table()
    fitted = fit_detectors(table, replace(WISHES, alarms_per_week=None), ["gmm", "kmeans"])
    assert fitted["kmeans"].cut == pytest.approx(3.0, abs=0.2)
    assert fitted["gmm"].cut == small_detectors()["gmm"].cut
    assert small_detectors()["kmeans"].cut != pytest.approx(3.0, abs=0.2)


def test_more_alarms_are_had_by_a_lower_threshold_of_the_same_model() -> None:
    often = fit_detector(small_table(), replace(WISHES, alarms_per_week=5.0))
    seldom = small_detectors()["gmm"]
    assert often.threshold < seldom.threshold
    np.testing.assert_array_equal(often.raw(seldom.reference), seldom.raw(seldom.reference))


@pytest.mark.parametrize("rate", [0.001, 1e-9])
def test_a_rate_that_the_data_cannot_tell_is_refused(rate: float) -> None:
    with pytest.raises(TrainingError, match="more homes or days"):
        fit_detector(small_table(), replace(WISHES, alarms_per_week=rate))


def test_an_export_that_is_not_the_detector_is_refused() -> None:
    detector = small_detectors()["gmm"]

    class Lying:
        name, rule = "gmm", None
        add_raw = staticmethod(detector.scorer.add_raw)

        @staticmethod
        def raw(matrix: np.ndarray) -> np.ndarray:
            return np.asarray(detector.raw(matrix) + 1.0)

    wrong = FittedDetector(Lying(), detector.curve, detector.cut, detector.facts, detector.reference)
    with pytest.raises(ParityError, match="off by"):
        wrong.export({})


@pytest.mark.parametrize("homes", [2, 6, 30])
@pytest.mark.parametrize("families", [["gmm"], ["kmeans", "ensemble"]])
def test_a_progress_bar_ends_where_it_was_said_to(homes: int, families: list[str]) -> None:
    table, ticks = small_table(homes=homes), []
    wishes = replace(WISHES, members=("kmeans", "iforest"))
    fit_detectors(table, wishes, families, lambda: ticks.append(1))
    assert len(ticks) == training_steps(table, wishes, families)


@pytest.mark.parametrize("members", [("gmm",), ("gmm", "gmm"), ("gmm", "oracle"), ("gmm", ENSEMBLE)])
def test_an_ensemble_of_nothing_is_refused(members: tuple[str, ...]) -> None:
    with pytest.raises(TrainingError, match="two or more different families"):
        members_of(Wishes(ENSEMBLE, 1.0, 1, {}, members))


def test_an_ensemble_says_its_members() -> None:
    two = fit_detector(small_table(homes=3), Wishes(ENSEMBLE, 1.0, 1, {}, ("kmeans", "iforest")))
    assert two.facts["members"] == "kmeans,iforest"
    assert small_detectors()[ENSEMBLE].facts["members"] == "gmm,iforest,kmeans,ocsvm,residual"
