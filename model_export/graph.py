"""ONNX graphs, node by node: one place that knows opsets, precision and names.

The converters that exist make a node for every step of every component. On an
edge a node costs one to two microseconds, whatever it does, so detectors are
written as few large products instead.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

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


def squared_distances(graph: Graph, transforms: Sequence[Array], offsets: Sequence[Array]) -> str:
    """`|features @ transform + offset|²` for each of K transforms, as a tensor of N x K.

    One product for all of them; a difference of squares would be faster still, but
    cancels in float32 what matters: short distances far from the origin.

    Args:
        graph: Gets the nodes.
        transforms: K arrays of F x F.
        offsets: K arrays of F.
    """
    width = len(offsets[0])
    projected = graph.affine(FEATURES, np.hstack(transforms), np.concatenate(offsets))
    shape = graph.constant(np.array([-1, len(offsets), width]))
    return graph.add("ReduceSumSquare", graph.add("Reshape", projected, shape), axes=[2], keepdims=0)
