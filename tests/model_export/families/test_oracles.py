"""Each family's arithmetic against scikit-learn's, and its own converters against skl2onnx's where those are fit."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
from skl2onnx import to_onnx
from sklearn.base import BaseEstimator
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import Pipeline

from model_export.detector import Single, fit_detector
from model_export.export import build_graph, raw_rows, score_rows
from model_export.families.columns import CONTEXT, EVIDENCE, evidence
from model_export.families.conversion import OPSETS
from model_export.families.residual import TARGETS, ForecastResidual
from tests.model_export.detectors import WISHES, hostile_rows, small_detectors, small_table
from wattline.features import NAMES


def fitted(family: str) -> Pipeline:
    scorer = small_detectors()[family].scorer
    assert isinstance(scorer, Single)
    return scorer.pipeline


def our_raw(family: str, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    detector = small_detectors()[family]
    return raw_rows(build_graph(detector.scorer, detector.curve, detector.threshold), rows)


def their_output(estimator: BaseEstimator, rows: npt.NDArray[np.float32], output: str) -> npt.NDArray[np.float32]:
    model = to_onnx(estimator, rows[:1], target_opset=OPSETS)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    [result] = session.run([output], {session.get_inputs()[0].name: rows})
    return np.asarray(result, np.float32)


def test_the_mixture_is_thin_where_scikit_learn_s_density_is_low() -> None:
    rows = np.vstack([small_table(seed=9).matrix, hostile_rows()])
    np.testing.assert_allclose(our_raw("gmm", rows), -fitted("gmm").score_samples(rows), rtol=1e-5, atol=1e-4)


def test_the_forest_is_the_one_that_skl2onnx_converts() -> None:
    rows = small_table(seed=9).matrix[:500]
    theirs = their_output(fitted("iforest")[-1], evidence(rows), "scores")
    forest: IsolationForest = fitted("iforest")[-1]
    ours = -our_raw("iforest", rows) - forest.offset_
    np.testing.assert_allclose(ours, theirs.ravel(), atol=1e-3)


def test_the_forest_gives_the_paper_s_score() -> None:
    rows = np.vstack([small_table(seed=9).matrix, hostile_rows()])
    np.testing.assert_allclose(our_raw("iforest", rows), -fitted("iforest").score_samples(rows), atol=1e-6)


def test_centroids_are_scikit_learn_s_and_three_is_mean_plus_three_sigma_at_each() -> None:
    rows = small_table().matrix
    clusters = fitted("kmeans")[-1]
    distance = fitted("kmeans").transform(rows)
    by_rule = (distance > clusters.usual_distance_ + 3.0 * clusters.distance_sigma_).all(axis=1)
    np.testing.assert_array_equal(small_detectors()["kmeans"].raw(rows) > 3.0, by_rule)
    assert 0 < by_rule.mean() < 0.2


def test_a_row_that_is_a_centroid_is_at_no_distance_of_it() -> None:
    _, scaler, clusters = (step for _, step in fitted("kmeans").steps)
    rows = np.zeros((clusters.n_clusters, len(NAMES)), np.float32)
    rows[:, EVIDENCE] = scaler.inverse_transform(clusters.cluster_centers_)
    np.testing.assert_allclose(our_raw("kmeans", rows), small_detectors()["kmeans"].raw(rows), atol=1e-5)


@pytest.mark.parametrize("level", [-1.0, 1.0, 3.0])
def test_meters_that_stand_still_keep_their_centroid_exact(level: float) -> None:
    table = small_table()
    matrix = table.matrix.copy()
    matrix[np.ix_(np.flatnonzero(table.meter < 2), EVIDENCE)] = level
    still = fit_detector(replace(table, matrix=matrix), replace(WISHES, family="kmeans"))
    exported = score_rows(still.export({}), matrix)
    np.testing.assert_allclose(exported.score, still.score(matrix), atol=1e-4)


def test_the_machine_s_raw_score_is_a_monotone_function_of_its_decision_function() -> None:
    rows = small_table(seed=9).matrix
    machine = fitted("ocsvm")[-1]
    kernel_sum = fitted("ocsvm").score_samples(rows)
    near = kernel_sum > 1e-6
    expected = -np.log(kernel_sum[near] / machine.dual_coef_.sum())
    np.testing.assert_allclose(small_detectors()["ocsvm"].raw(rows)[near], expected, atol=1e-6)
    far = small_detectors()["ocsvm"].raw(hostile_rows())
    assert np.isfinite(far).all()
    assert far.max() > small_detectors()["ocsvm"].raw(rows).max()


def test_the_machine_tells_far_rows_apart_where_its_decision_function_is_flat() -> None:
    direction = np.ones((1, len(NAMES)), np.float32)
    far = direction * np.arange(5, 30, dtype=np.float32)[:, None]
    assert len(np.unique(fitted("ocsvm").decision_function(far).astype(np.float32))) < len(far)
    assert (np.diff(our_raw("ocsvm", far)) > 0).all()


def test_the_forecast_knows_nothing_of_the_interval_itself() -> None:
    residual: ForecastResidual = fitted("residual")[-1]
    assert len(TARGETS)
    assert not set(CONTEXT) & (set(TARGETS) | set(EVIDENCE))
    rows = small_table(seed=9).matrix[:50].copy()
    forecast = residual.forest_.predict(rows[:, CONTEXT])
    rows[:, TARGETS] = forecast
    np.testing.assert_allclose(small_detectors()["residual"].raw(rows), 0.0, atol=1e-5)
    rows[:, TARGETS] = forecast + 2.0 * residual.usual_error_
    np.testing.assert_allclose(small_detectors()["residual"].raw(rows), 2.0, atol=1e-4)


@pytest.mark.parametrize("family", ["gmm", "iforest", "kmeans", "ocsvm"])
def test_densities_and_distances_see_nothing_but_evidence(family: str) -> None:
    rows = small_table(seed=9).matrix[:20].copy()
    before = our_raw(family, rows)
    rows[:, np.setdiff1d(np.arange(rows.shape[1]), EVIDENCE)] = 7.0
    np.testing.assert_array_equal(our_raw(family, rows), before)
