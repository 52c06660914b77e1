"""Fitted pipelines as graphs, by skl2onnx: one conversion for a whole pipeline, at pinned opsets.

Its own converters are taken for the choice of columns, for scaling and for the
mixture. The other families bring a converter for their last step, and say
there what was measured of the one that exists.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import onnx
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from skl2onnx.helpers.onnx_helper import select_model_inputs_outputs
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from model_export.graph import FEATURES, ML_DOMAIN, ML_OPSET, OPSET
from wattline.features import NAMES

Node = Any
"""An operator of `skl2onnx.algebra`, which has no types."""
Converter = Callable[[Any, Node, list[Node]], Node]
"""From a fitted estimator, its input and the names of its output to the operator of its raw score, float32[N, 1]."""
_RAW_SCORE: Final = "raw_score"
OPSETS: Final = {"": OPSET, ML_DOMAIN: ML_OPSET}


def converted(pipeline: Pipeline, output: str, options: Mapping[str, bool]) -> onnx.ModelProto:
    """A pipeline whose last step skl2onnx can convert.

    Args:
        pipeline: A fitted one, of features.
        output: Which output of its last step is wanted, by skl2onnx's name.
        options: Of the last step's converter.
    """
    return _model(pipeline, output, options={id(pipeline[-1]): dict(options)})


def converted_by(converter: Converter, pipeline: Pipeline) -> onnx.ModelProto:
    """A pipeline whose last step has a converter of our own.

    Args:
        converter: Of the last step.
        pipeline: A fitted one, of features.
    """

    def convert(scope: Node, operator: Node, container: Node) -> None:
        converter(operator.raw_operator, operator.inputs[0], operator.outputs).add_to(scope, container)

    kind = type(pipeline[-1])
    return _model(
        pipeline,
        _RAW_SCORE,
        custom_conversion_functions={kind: convert},
        custom_shape_calculators={kind: _one_column},
        custom_parsers={kind: _one_output},
    )


def _model(pipeline: Pipeline, output: str, **how: Any) -> onnx.ModelProto:  # noqa: ANN401 - what skl2onnx takes
    features = [(FEATURES, FloatTensorType([None, len(NAMES)]))]
    model = convert_sklearn(pipeline, "raw", features, target_opset=OPSETS, **how)
    chosen: onnx.ModelProto = select_model_inputs_outputs(model, [output])
    return chosen


def _one_output(scope: Node, estimator: BaseEstimator, inputs: list[Node], custom_parsers: object) -> list[Node]:  # noqa: ARG001 - skl2onnx's signature
    operator = scope.declare_local_operator(type(estimator).__name__, estimator)
    operator.inputs = inputs
    operator.outputs.append(scope.declare_local_variable(_RAW_SCORE, FloatTensorType()))
    return [*operator.outputs]


def _one_column(operator: Node) -> None:
    operator.outputs[0].type = FloatTensorType([operator.inputs[0].get_first_dimension(), 1])


def floats(values: Any) -> np.ndarray[Any, np.dtype[np.float32]]:  # noqa: ANN401 - whatever is an array
    """Constants of a converter, as float32."""
    return np.asarray(values, np.float32)
