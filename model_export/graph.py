"""ONNX graphs, node by node: what joins converted pipelines, and makes of their raw scores what the contract promises.

One place that knows opsets, precision and names.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import compose, helper, numpy_helper

from wattline.features import NAMES

OPSET: Final = 17
ML_OPSET: Final = 3
"""`TreeEnsembleRegressor` is deprecated from version 5 on; old runtimes know no newer one."""
IR_VERSION: Final = 8
FEATURES: Final = "features"
RAW: Final = "raw"
SCORE: Final = "score"
FOUND: Final = "is_anomaly"
ML_DOMAIN: Final = "ai.onnx.ml"

Array = npt.NDArray[Any]


class Graph:
    """A graph under construction; tensors are known by their names."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, array: Array, name: str = "") -> str:
        """A constant, as float32 unless it is of integers.

        Args:
            array: Its values.
            name: Its name; "" for a fresh one.
        """
        name = name or f"constant_{len(self.constants)}"
        kind = np.int64 if array.dtype.kind in "iu" else np.float32
        self.constants.append(numpy_helper.from_array(np.asarray(array, kind, order="C"), name))
        return name

    def add(self, kind: str, *inputs: str, output: str = "", domain: str = "", **attributes: Any) -> str:  # noqa: ANN401 - what onnx takes
        """A node, and the name of its one output.

        Args:
            kind: The operator.
            inputs: Names of tensors.
            output: Its output's name; "" for a fresh one.
            domain: "" or `ML_DOMAIN`.
            attributes: As the operator defines them.
        """
        output = output or f"{kind}_{len(self.nodes)}".lower()
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, domain=domain, **attributes))
        return output

    def rename(self, tensor: str, name: str) -> None:
        """Give the output of the newest node another name.

        Raises:
            ValueError: The tensor is not that output.
        """
        newest = self.nodes[-1]
        if list(newest.output) != [tensor]:
            raise ValueError(f"{tensor} is not what the newest node makes")
        newest.output[0] = newest.name = name

    def include(self, model: onnx.ModelProto) -> str:
        """All nodes of a model of the features, under names of their own, and the name of its one output."""
        renamed = compose.add_prefix(model, f"part_{len(self.nodes)}_", rename_inputs=False).graph
        self.nodes.extend(renamed.node)
        self.constants.extend(renamed.initializer)
        [output] = renamed.output
        return str(output.name)

    def affine(self, tensor: str, weights: Array, bias: Array) -> str:
        """`tensor @ weights + bias` in one node."""
        return self.add("Gemm", tensor, self.constant(weights), self.constant(bias))

    def model(self) -> onnx.ModelProto:
        """The whole model: features float32[N, F] -> score float32[N], is_anomaly bool[N].

        Raises:
            onnx.checker.ValidationError: The nodes do not fit together.
        """
        graph = helper.make_graph(
            self.nodes,
            "wattline-detector",
            [helper.make_tensor_value_info(FEATURES, onnx.TensorProto.FLOAT, ["N", len(NAMES)])],
            [
                helper.make_tensor_value_info(SCORE, onnx.TensorProto.FLOAT, ["N"]),
                helper.make_tensor_value_info(FOUND, onnx.TensorProto.BOOL, ["N"]),
            ],
            self.constants,
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML_DOMAIN, ML_OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, producer_name="wattline", ir_version=IR_VERSION)
        onnx.checker.check_model(model, full_check=True)
        return model
