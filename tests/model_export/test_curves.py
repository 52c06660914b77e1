"""Curves as nodes give what curves give, however narrow their ramps are."""

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from model_export.calibration import Curve, surprise_curve, tail_curve
from model_export.curves import add_calibration, add_curves, without_calibration
from model_export.graph import FEATURES, FOUND, RAW, SCORE, Graph
from wattline.features import NAMES
from wattline.intervals import Floats


def run(graph: Graph, outputs: dict[str, int], columns: Floats) -> list[np.ndarray]:
    """What a graph makes of columns of raw scores."""
    inputs = [helper.make_tensor_value_info("columns", TensorProto.FLOAT, ["N", columns.shape[1]])]
    wanted = [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items()]
    body = helper.make_graph(graph.nodes, "curves", inputs, wanted, graph.constants)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [np.asarray(one) for one in session.run(list(outputs), {"columns": columns.astype(np.float32)})]


@given(seed=st.integers(0, 500), shape=st.sampled_from(["narrow", "wide", "steps", "far"]))
def test_the_nodes_are_the_curve_and_the_threshold(seed: int, shape: str) -> None:
    rng = np.random.default_rng(seed)
    raw = {
        "narrow": lambda: rng.normal(40, 0.05, 2000),
        "wide": lambda: rng.standard_cauchy(2000) * 100,
        "steps": lambda: rng.integers(0, 5, 2000).astype(np.float64),
        "far": lambda: rng.normal(-500, 30, 2000),
    }[shape]()
    curve = tail_curve(raw)
    asked = np.r_[raw, curve.raw, raw.max() * 10 + 1e6, raw.min() - 1e6].astype(np.float32).astype(np.float64)
    graph = Graph()
    add_calibration(graph, graph.add("Neg", "columns"), curve, 0.75)
    score, found = run(graph, {SCORE: TensorProto.FLOAT, FOUND: TensorProto.BOOL}, -asked[:, None])
    assert score.shape == found.shape == asked.shape
    np.testing.assert_allclose(score, curve(asked), atol=5e-5)
    assert score.min() >= 0.0
    assert score.max() <= 1.0
    np.testing.assert_array_equal(found, score >= np.float32(0.75))


def test_curves_of_several_columns_are_averaged() -> None:
    rng = np.random.default_rng(1)
    columns = np.column_stack([rng.normal(0, 1, 3000), rng.gamma(1, 50, 3000), rng.uniform(-3, -2, 3000)])
    curves = [surprise_curve(column) for column in columns.T]
    graph = Graph()
    out = add_curves(graph, "columns", curves)
    [mean] = run(graph, {out: TensorProto.FLOAT}, columns)
    expected = np.mean([curve(column) for curve, column in zip(curves, columns.T, strict=True)], axis=0)
    assert mean.shape == (3000, 1)
    np.testing.assert_allclose(mean[:, 0], expected, rtol=1e-3, atol=1e-3)


def test_what_was_added_last_can_be_taken_off_again() -> None:
    graph, curve = Graph(), Curve(np.array([0.0, 1.0, 2.0]), np.array([0.0, 0.5, 1.0]))
    weights = np.eye(len(NAMES))[:, :1]
    raw = graph.add("MatMul", FEATURES, graph.constant(weights))
    add_calibration(graph, raw, curve, 0.5)
    bare = without_calibration(graph.model())
    assert [node.op_type for node in bare.nodes] == ["MatMul"]
    assert [node.output[0] for node in bare.nodes] == [RAW]
    assert len(bare.constants) == 1


def test_only_the_newest_node_can_be_renamed() -> None:
    graph = Graph()
    first = graph.add("Neg", FEATURES)
    graph.add("Neg", first)
    with pytest.raises(ValueError, match="newest"):
        graph.rename(first, RAW)
