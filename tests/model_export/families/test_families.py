"""What every family promises, and the ensemble of them: the conformance suite of `Family` and `Scorer`."""

import numpy as np
import onnx
import pytest

from model_export.curves import add_calibration
from model_export.dataset import FeatureTable
from model_export.detector import Wishes, fit_detector, fit_detectors
from model_export.export import build_graph, raw_rows, score_rows
from model_export.families import ENSEMBLE, FAMILIES, SINGLE
from model_export.graph import IR_VERSION, ML_OPSET, OPSET, Graph
from tests.model_export.detectors import WISHES, hostile_rows, small_detectors, small_table
from wattline.features import BOUND, NAMES

every_family = pytest.mark.parametrize("family", FAMILIES)
MAX_NODES = 40
"""Each costs an edge up to half a microsecond."""


@every_family
def test_graph_and_pipeline_are_one_model_on_homes_never_seen(family: str) -> None:
    detector, rows = small_detectors()[family], small_table(seed=9).matrix
    exported = score_rows(detector.export({}), rows)
    np.testing.assert_allclose(exported.score, detector.score(rows), atol=1e-4)
    clear = np.abs(detector.score(rows) - detector.threshold) > 1e-6
    np.testing.assert_array_equal(exported.found[clear], detector.found(rows)[clear])


@every_family
def test_graph_and_pipeline_are_one_model_on_hostile_rows(family: str) -> None:
    detector, rows = small_detectors()[family], hostile_rows()
    exported = score_rows(detector.export({}), rows)
    np.testing.assert_allclose(exported.score, detector.score(rows), atol=1e-4)
    assert ((exported.score >= 0) & (exported.score <= 1)).all()
    clear = np.abs(detector.score(rows) - detector.threshold) > 1e-6
    np.testing.assert_array_equal(exported.found[clear], detector.found(rows)[clear])


@every_family
def test_raw_scores_agree_before_any_curve_flattens_them(family: str) -> None:
    detector, rows = small_detectors()[family], small_table(seed=9).matrix
    graph = build_graph(detector.scorer, detector.curve, detector.threshold)
    np.testing.assert_allclose(raw_rows(graph, rows), detector.raw(rows), rtol=1e-4, atol=1e-4)


@every_family
def test_a_row_scores_the_same_alone_and_among_others(family: str) -> None:
    model, rows = small_detectors()[family].export({}), hostile_rows()[:30]
    alone = np.concatenate([score_rows(model, rows[i : i + 1]).score for i in range(len(rows))])
    np.testing.assert_allclose(alone, score_rows(model, rows).score, atol=1e-5)


@every_family
def test_an_impossible_interval_is_an_anomaly_and_most_ordinary_ones_are_none(family: str) -> None:
    detector = small_detectors()[family]
    assert detector.found(np.full((1, len(NAMES)), BOUND, np.float32)).all()
    assert detector.found(small_table(seed=9).matrix).mean() < 0.02


@every_family
def test_the_graph_is_small_in_bytes_and_nodes_and_of_the_pinned_opsets(family: str) -> None:
    model = onnx.load_from_string(small_detectors()[family].export({}))
    assert model.ByteSize() <= (1_000_000 if family == ENSEMBLE else 400_000)
    assert len(model.graph.node) <= MAX_NODES * (2 if family == ENSEMBLE else 1)
    assert {entry.domain: entry.version for entry in model.opset_import} == {"": OPSET, "ai.onnx.ml": ML_OPSET}
    assert model.ir_version == IR_VERSION


@every_family
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(family: str) -> None:
    table = small_table(homes=3)
    first, again = (fit_detector(table, Wishes(family, 1.0, 3, {})).export({}) for _ in range(2))
    assert first == again
    assert fit_detector(table, Wishes(family, 1.0, 4, {})).export({}) != first


@every_family
def test_a_few_per_cent_of_faults_among_the_training_rows_hide_no_fault(family: str) -> None:
    clean, detector = small_table(), small_detectors()[family]
    fault = detector.reference[np.argmax(detector.raw(detector.reference))] * 3
    rng = np.random.default_rng(2)
    spoilt = clean.matrix.copy()
    rows = rng.random(len(spoilt)) < 0.02
    spoilt[rows] = np.clip(fault + rng.normal(0, 0.1, (int(rows.sum()), len(NAMES))), -BOUND, BOUND)
    learned = fit_detector(_with(clean, spoilt), Wishes(family, 1.0, 3, {}))
    ordinary = np.quantile(learned.raw(clean.matrix), 0.97)
    assert learned.raw(np.clip(fault, -BOUND, BOUND)[None].astype(np.float32))[0] > ordinary


def test_an_ensemble_shares_the_members_that_are_wanted_anyway() -> None:
    fitted = fit_detectors(small_table(homes=3), WISHES, ["gmm", ENSEMBLE])
    assert set(fitted) == {"gmm", ENSEMBLE}
    rows = hostile_rows()
    alone = fit_detector(small_table(homes=3), WISHES)
    np.testing.assert_array_equal(fitted["gmm"].raw(rows), alone.raw(rows))


@pytest.mark.parametrize("family", SINGLE)
def test_a_family_can_be_part_of_any_graph(family: str) -> None:
    detector, graph = small_detectors()[family], Graph()
    first = detector.scorer.add_raw(graph)
    second = detector.scorer.add_raw(graph)
    add_calibration(graph, graph.add("Max", first, second), detector.curve, detector.threshold)
    rows = hostile_rows()
    found = score_rows(graph.model().SerializeToString(), rows)
    np.testing.assert_allclose(found.score, detector.score(rows), atol=1e-4)


def _with(table: FeatureTable, matrix: np.ndarray) -> FeatureTable:
    return FeatureTable(matrix, table.meter, table.start_ms, table.interval_ms, table.names)
