"""Converted pipelines: pinned opsets, one output, the same bytes in every process, and nothing left registered."""

import os
import subprocess
import sys

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator
from skl2onnx import convert_sklearn
from skl2onnx.algebra.onnx_ops import OnnxMul, OnnxReduceL2_13
from skl2onnx.common.data_types import FloatTensorType
from skl2onnx.common.exceptions import MissingShapeCalculator
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline, make_pipeline

from model_export.families import FAMILIES
from model_export.families.columns import EVIDENCE, evidence_step
from model_export.families.conversion import OPSETS, Node, converted_by, floats
from model_export.graph import FEATURES, OPSET, RAW, Graph
from wattline.features import NAMES


class Length(BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """An estimator that skl2onnx has never heard of."""

    factor_ = 2.0


def length(estimator: Length, rows: Node, outputs: list[Node]) -> Node:
    norm = OnnxReduceL2_13(rows, axes=[1], keepdims=1, op_version=OPSET)
    return OnnxMul(norm, floats([estimator.factor_]), op_version=OPSET, output_names=outputs)


def pipeline() -> Pipeline:
    return make_pipeline(evidence_step(), Length())


def test_a_step_of_our_own_is_converted_with_the_steps_before_it() -> None:
    model = converted_by(length, pipeline())
    assert [node.op_type for node in model.graph.node] == ["ArrayFeatureExtractor", "ReduceL2", "Mul"]
    rows = np.random.default_rng(1).normal(0, 1, (20, len(NAMES))).astype(np.float32)
    [raw] = ReferenceEvaluator(model).run(None, {FEATURES: rows})
    np.testing.assert_allclose(
        np.asarray(raw, np.float32)[:, 0], 2.0 * np.linalg.norm(rows[:, EVIDENCE], axis=1), rtol=1e-6
    )


def test_no_opset_is_newer_than_the_pinned_ones() -> None:
    model = converted_by(length, pipeline())
    assert all(entry.version <= OPSETS[entry.domain] for entry in model.opset_import)


def test_a_converter_is_known_only_while_it_is_used() -> None:
    converted_by(length, pipeline())
    with pytest.raises(MissingShapeCalculator):
        convert_sklearn(Length(), "alone", [("rows", FloatTensorType([None, 3]))])


def test_a_model_can_be_part_of_a_graph_more_than_once() -> None:
    graph, model = Graph(), converted_by(length, pipeline())
    first, second = graph.include(model), graph.include(model)
    assert first != second
    assert graph.add("Sub", first, second, output=RAW) == RAW
    names = [node.name for node in graph.nodes] + [constant.name for constant in graph.constants]
    assert len(set(names)) == len(names)


_EXPORT = """
import hashlib
from model_export.detector import Wishes, fit_detectors
from model_export.families import FAMILIES
from tests.model_export.detectors import small_table
fitted = fit_detectors(small_table(homes=3), Wishes("gmm", 1.0, 3, {}), list(FAMILIES))
print(*(hashlib.sha256(fitted[name].export({})).hexdigest() for name in FAMILIES))
"""


def test_every_process_writes_the_same_bytes() -> None:
    written = [
        subprocess.run(
            [sys.executable, "-c", _EXPORT],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout.split()
        for seed in ("1", "2")
    ]
    assert len(written[0]) == len(FAMILIES)
    assert written[0] == written[1]
