"""Calibration curves as nodes of a graph: a sum of ramps, each clipped to 0..1."""

from collections.abc import Sequence

import numpy as np
import onnx

from model_export.calibration import Curve
from model_export.graph import FOUND, RAW, SCORE, Graph
from wattline.intervals import Floats


def add_curves(graph: Graph, raws: str, curves: Sequence[Curve]) -> str:
    """The mean of M curves, each of its own column.

    Args:
        graph: Gets the nodes.
        raws: A tensor of N x M.
        curves: One for each column.

    Returns:
        The name of a tensor of N x 1.
    """
    lengths = [len(curve.raw) - 1 for curve in curves]
    spread = np.repeat(np.eye(len(curves)), lengths, axis=1)
    knots = np.concatenate([curve.raw[:-1] for curve in curves])
    beyond = graph.affine(raws, spread, -knots)
    slopes = np.concatenate([1.0 / np.diff(curve.raw) for curve in curves])
    gains = np.concatenate([np.diff(curve.score) for curve in curves]) / len(curves)
    return _ramps(graph, beyond, slopes, gains[:, None])


def add_calibration(graph: Graph, raw: str, curve: Curve, threshold: float) -> None:
    """What makes the outputs of a detector: `raw` gets that name, then score and decision.

    Args:
        graph: Gets the nodes.
        raw: A tensor of N x 1.
        curve: From it to a score.
        threshold: The score from which an interval is anomalous.
    """
    graph.rename(raw, RAW)
    beyond = graph.add("Sub", RAW, graph.constant(curve.raw[:-1]))
    _ramps(graph, beyond, 1.0 / np.diff(curve.raw), np.diff(curve.score), SCORE)
    graph.add("GreaterOrEqual", SCORE, graph.constant(np.array([threshold])), output=FOUND)


def without_calibration(model: onnx.ModelProto) -> Graph:
    """The nodes that make the raw score, of a model that `add_calibration` finished.

    Raises:
        ValueError: It has no tensor of raw scores.
    """
    outputs = [node.output[0] for node in model.graph.node]
    if RAW not in outputs:
        raise ValueError("the model has no raw score")
    graph = Graph()
    graph.nodes = list(model.graph.node)[: outputs.index(RAW) + 1]
    used = {name for node in graph.nodes for name in node.input}
    graph.constants = [constant for constant in model.graph.initializer if constant.name in used]
    return graph


def _ramps(graph: Graph, beyond: str, slopes: Floats, gains: Floats, output: str = "") -> str:
    """`sum over knots of clip((x - knot) / width, 0, 1) * gain`: precise however narrow a ramp is."""
    steep = graph.add("Mul", beyond, graph.constant(slopes))
    bounds = graph.constant(np.array(0.0)), graph.constant(np.array(1.0))
    return graph.add("MatMul", graph.add("Clip", steep, *bounds), graph.constant(gains), output=output)
