"""Isolation forest (Liu, Ting, Zhou 2008): few random cuts set an anomalous interval apart."""

from typing import Final

import numpy as np
from skl2onnx.algebra.onnx_ops import OnnxExp
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import Pipeline, make_pipeline

from model_export.families.columns import evidence, evidence_step
from model_export.families.conversion import Node, converted_by
from model_export.families.port import Rows, Tick
from model_export.families.trees import Tree, leaf_depths, sum_of_trees
from model_export.graph import OPSET, Graph
from wattline.intervals import Floats

NAME: Final = "iforest"
STEPS: Final = 1
RULE: Final = None
TREES: Final = 100
SUBSAMPLE: Final = 256


def fit(matrix: Rows, seed: int, tick: Tick) -> Pipeline:
    """Grow the forest; see `Family.fit`."""
    subsample = min(SUBSAMPLE, len(matrix))
    forest = IsolationForest(n_estimators=TREES, max_samples=subsample, random_state=seed).fit(evidence(matrix))
    tick()
    return make_pipeline(evidence_step(), forest)


def raw_score(pipeline: Pipeline, matrix: Rows) -> Floats:
    """The anomaly score of the paper, 0..1, of N rows: float64[N]."""
    return np.asarray(-pipeline.score_samples(matrix), np.float64)


def add_raw(pipeline: Pipeline, graph: Graph) -> str:
    """The pipeline, its forest by `_score`; see `Family.add_raw`."""
    return graph.include(converted_by(_score, pipeline))


def _score(forest: IsolationForest, rows: Node, raw: list[Node]) -> Node:
    """`2 ** -(mean depth / usual depth)`, all trees in one node.

    skl2onnx 1.20 makes 27 nodes of each tree: 601 us a row for a hundred of them, where this takes 8.
    """
    unit = len(forest.estimators_) * _path_length(np.array([forest.max_samples_]))[0] / np.log(2.0)
    trees = []
    for tree, columns in zip(forest.estimators_, forest.estimators_features_, strict=True):
        depth = leaf_depths(tree) + _path_length(tree.tree_.n_node_samples)
        trees.append(Tree(tree, columns, -depth[:, None] / unit))
    return OnnxExp(sum_of_trees(rows, trees, 1), op_version=OPSET, output_names=raw)


def _path_length(rows: Floats) -> Floats:
    """The mean depth of an unsuccessful search in a random binary tree of so many rows."""
    n = np.maximum(np.asarray(rows, np.float64), 2.0)
    length = np.where(n > 2, 2.0 * (np.log(np.maximum(n - 1.0, 1.0)) + np.euler_gamma) - 2.0 * (n - 1.0) / n, 1.0)  # noqa: PLR2004 - the formula's own exception
    return np.where(np.asarray(rows) > 1, length, 0.0)
