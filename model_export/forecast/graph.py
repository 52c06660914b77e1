"""A trained forecaster as one ONNX file.

features: float32[R, F] -> forecast: float32[R, 4]: lower, middle, upper and mean, relative to the series' level.
Bases, trees and the band's width are inside; see `Ensemble.says`, which it is compared with before anybody may have
it.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import onnx
from onnx import helper

from model_export.errors import ParityError
from model_export.forecast.boosting import Ensemble
from model_export.graph import IR_VERSION, ML_DOMAIN, ML_OPSET, OPSET, Graph
from wattline.forecasting.features import BASES, CONTRACT, NAMES
from wattline.forecasting.onnx_forecaster import FEATURES, FORECAST, OUTPUTS
from wattline.forecasting.port import Floats32

MAX_ERROR: Final = 1e-5
"""Of a forecast relative to the level, and to itself where it is larger."""
_CONVERTERS_OPSET: Final = 15
"""Of the newest the converter knows; trees are the same in `OPSET`."""


def build(ensemble: Ensemble) -> onnx.ModelProto:
    """The graph of a forecaster."""
    graph = Graph()
    lower, middle, upper, mean = (_output(graph, ensemble, name) for name in OUTPUTS)
    below = _widened(graph, middle, lower, ensemble.below)
    above = _widened(graph, upper, middle, ensemble.above)
    columns = (graph.add("Sub", middle, below), middle, graph.add("Add", middle, above), mean)
    graph.add("Concat", *columns, output=FORECAST, axis=1)
    whole = helper.make_graph(
        graph.nodes,
        "wattline-forecaster",
        [helper.make_tensor_value_info(FEATURES, onnx.TensorProto.FLOAT, ["N", len(NAMES)])],
        [helper.make_tensor_value_info(FORECAST, onnx.TensorProto.FLOAT, ["N", len(OUTPUTS)])],
        graph.constants,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML_DOMAIN, ML_OPSET)]
    model = helper.make_model(whole, opset_imports=opsets, producer_name="wattline", ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return model


def with_metadata(model: onnx.ModelProto, facts: Mapping[str, str]) -> bytes:
    """The model file: the graph, the contract's own facts, and `facts`."""
    helper.set_model_props(model, {"contract": CONTRACT, "features": ",".join(NAMES)} | dict(facts))
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def run(model: bytes, matrix: Floats32) -> Floats32:
    """What the graph says of R rows, float32[R, 4]."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    [said] = session.run([FORECAST], {FEATURES: matrix})
    return np.asarray(said, np.float32)


def check_parity(model: bytes, ensemble: Ensemble, matrix: Floats32) -> float:
    """Prove on real rows that graph and trees are one model.

    Returns:
        The largest difference, relative to the level, or to the forecast where that is larger.

    Raises:
        ParityError: It is more than 1e-5.
    """
    trained = ensemble.says(matrix)
    apart = np.abs(run(model, matrix) - trained) / np.maximum(np.abs(trained), 1)
    worst = float(apart.max(initial=0.0))
    if not worst <= MAX_ERROR:
        raise ParityError(f"the exported forecasts are off by up to {worst:.2g} (allowed: {MAX_ERROR:g})")
    return worst


def _trees(ensemble: Ensemble, name: str) -> onnx.ModelProto:
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    booster = ensemble.boosters[name]
    # The converter reads the number of a feature from such a name.
    booster.feature_names = [f"f{i}" for i in range(len(NAMES))]
    shape = [(FEATURES, FloatTensorType([None, len(NAMES)]))]
    made: onnx.ModelProto = convert_xgboost(booster, initial_types=shape, target_opset=_CONVERTERS_OPSET)
    booster.feature_names = None
    return made


def _output(graph: Graph, ensemble: Ensemble, name: str) -> str:
    """Trees and the base that they are added to."""
    column = graph.constant(np.array([NAMES.index(BASES[name])]))
    return graph.add("Add", graph.include(_trees(ensemble, name)), graph.add("Gather", FEATURES, column, axis=1))


def _widened(graph: Graph, high: str, low: str, factor: float) -> str:
    apart = graph.add("Max", graph.add("Sub", high, low), graph.constant(np.zeros(1)))
    return graph.add("Mul", apart, graph.constant(np.array([factor])))
