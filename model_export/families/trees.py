"""scikit-learn's decision trees as one node of a graph.

Measured: a hundred trees converted one by one take 605 us a row, as one
`TreeEnsembleRegressor` 10 us.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from skl2onnx.algebra.onnx_ops import OnnxTreeEnsembleRegressor_3
from sklearn.tree import BaseDecisionTree

from model_export.families.conversion import Node
from model_export.graph import ML_OPSET
from wattline.intervals import Floats, Integers

_LEAF: Final = -1


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree, and what its leaves add to the targets.

    Attributes:
        fitted: The estimator; its rows are float32.
        columns: The features' columns that its own columns are, int64[C].
        values: What each node adds to each target if it is a leaf, float64[nodes, targets].
        first_target: The index of its first target.
    """

    fitted: BaseDecisionTree
    columns: Integers
    values: Floats
    first_target: int = 0


def sum_of_trees(rows: Node, trees: Iterable[Tree], targets: int) -> Node:
    """The sum of all trees, float32[N, targets].

    Args:
        rows: The input whose columns the trees know, float32[N, C].
        trees: The trees.
        targets: How many sums there are.
    """
    parts = [_attributes(tree, number) for number, tree in enumerate(trees)]
    joined: dict[str, Any] = {name: [value for part in parts for value in part[name]] for name in parts[0]}
    return OnnxTreeEnsembleRegressor_3(
        rows,
        n_targets=targets,
        aggregate_function="SUM",
        post_transform="NONE",
        op_version=ML_OPSET,
        **joined,
    )


def _attributes(tree: Tree, number: int) -> dict[str, list[Any]]:
    inner = tree.fitted.tree_
    n = inner.node_count
    leaf = inner.children_left == _LEAF
    leaves = np.flatnonzero(leaf)
    targets = tree.values.shape[1]
    return {
        "nodes_treeids": [number] * n,
        "nodes_nodeids": list(range(n)),
        "nodes_featureids": np.where(leaf, 0, tree.columns[np.maximum(inner.feature, 0)]).tolist(),
        "nodes_modes": np.where(leaf, "LEAF", "BRANCH_LEQ").tolist(),
        "nodes_values": np.where(leaf, 0.0, rounded_down(inner.threshold)).astype(np.float32).tolist(),
        "nodes_truenodeids": np.where(leaf, 0, inner.children_left).tolist(),
        "nodes_falsenodeids": np.where(leaf, 0, inner.children_right).tolist(),
        "nodes_missing_value_tracks_true": np.where(leaf, 0, inner.missing_go_to_left).astype(int).tolist(),
        "target_treeids": [number] * len(leaves) * targets,
        "target_nodeids": np.repeat(leaves, targets).tolist(),
        "target_ids": np.tile(np.arange(targets) + tree.first_target, len(leaves)).tolist(),
        "target_weights": tree.values[leaves].ravel().astype(np.float32).tolist(),
    }


def rounded_down(thresholds: Floats) -> npt.NDArray[np.float32]:
    """The largest float32 that is not above each: rows that lie on a border stay on their side.

    Rows are float32: for them `x <= threshold` and `x <= rounded_down(threshold)` are the same.
    """
    near = thresholds.astype(np.float32)
    return np.where(near > thresholds, np.nextafter(near, np.float32(-np.inf)), near)


def leaf_depths(tree: BaseDecisionTree) -> Integers:
    """How many branches lead to each node, int64[nodes]."""
    inner = tree.tree_
    depth = np.zeros(inner.node_count, np.int64)
    for node in range(inner.node_count):  # parents come before their children
        if inner.children_left[node] != _LEAF:
            depth[[inner.children_left[node], inner.children_right[node]]] = depth[node] + 1
    return depth
