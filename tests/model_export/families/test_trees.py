"""Trees as one node decide as scikit-learn does, on every border and where values are missing."""

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skl2onnx.algebra.onnx_ops import OnnxAdd
from sklearn.base import BaseEstimator
from sklearn.ensemble import IsolationForest, RandomForestRegressor
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeRegressor

from model_export.families.conversion import Node, converted_by
from model_export.families.trees import Tree, leaf_depths, rounded_down, sum_of_trees
from model_export.graph import FEATURES, OPSET
from wattline.features import NAMES

Rows = npt.NDArray[np.float32]


class Forest(BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """Trees as the one step of a pipeline."""

    def __init__(self, trees: list[Tree], targets: int) -> None:
        self.trees = trees
        self.targets = targets


def doubled(forest: Forest, rows: Node, outputs: list[Node]) -> Node:
    total = sum_of_trees(rows, forest.trees, forest.targets)
    return OnnxAdd(total, total, op_version=OPSET, output_names=outputs)


def sums(trees: list[Tree], targets: int, rows: Rows) -> npt.NDArray[np.float32]:
    """What the node makes of rows."""
    padded = np.zeros((len(rows), len(NAMES)), np.float32)
    padded[:, : rows.shape[1]] = rows
    forest = make_pipeline(Forest(trees, targets))
    model = converted_by(doubled, forest)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    [result] = session.run(None, {FEATURES: padded})
    return np.asarray(result, np.float32) / 2.0


def on_borders(trees: list[DecisionTreeRegressor], columns: int) -> Rows:
    """Rows that lie exactly on thresholds, and one step of float32 to each side."""
    cuts = np.concatenate([tree.tree_.threshold[tree.tree_.children_left >= 0] for tree in trees])
    near = np.unique(cuts.astype(np.float32))
    around = np.concatenate([near, np.nextafter(near, np.float32(-np.inf)), np.nextafter(near, np.float32(np.inf))])
    return np.random.default_rng(1).choice(around, (3000, columns)).astype(np.float32)


@given(hnp.arrays(np.float64, 20, elements=st.floats(-1e30, 1e30)))
def test_a_threshold_rounded_down_parts_the_same_float32_values(thresholds: npt.NDArray[np.float64]) -> None:
    rounded = rounded_down(thresholds)
    assert (rounded.astype(np.float64) <= thresholds).all()
    above = np.nextafter(rounded, np.float32(np.inf)).astype(np.float64)
    assert (above > thresholds).all()


@pytest.mark.parametrize("coarse", [False, True])
def test_rows_on_borders_stay_on_their_side(coarse: bool) -> None:  # noqa: FBT001 - a row of the table
    rng = np.random.default_rng(3)
    rows = rng.normal(0, 3, (2000, 4)).astype(np.float32)
    rows = np.round(rows, 1) if coarse else rows
    targets = rows @ rng.normal(0, 1, (4, 2)) + rng.normal(0, 0.1, (2000, 2))
    forest = RandomForestRegressor(7, max_leaf_nodes=60, random_state=1).fit(rows, targets)
    trees = [Tree(one, np.arange(4), one.tree_.value.reshape(-1, 2) / 7) for one in forest.estimators_]
    asked = np.vstack([rows, on_borders(forest.estimators_, 4)])
    np.testing.assert_allclose(sums(trees, 2, asked), forest.predict(asked), atol=1e-5)


def test_missing_values_go_the_way_the_tree_learned() -> None:
    rng = np.random.default_rng(4)
    rows = rng.normal(0, 1, (500, 3)).astype(np.float32)
    rows[rng.random(rows.shape) < 0.3] = np.nan
    target = np.where(np.isnan(rows[:, 0]), 5.0, rows[:, 1])
    tree = DecisionTreeRegressor(max_depth=5, random_state=1).fit(rows, np.nan_to_num(target))
    node = [Tree(tree, np.arange(3), tree.tree_.value.reshape(-1, 1))]
    np.testing.assert_allclose(sums(node, 1, rows)[:, 0], tree.predict(rows), atol=1e-6)


def test_trees_of_some_columns_and_of_several_targets_share_the_node() -> None:
    rng = np.random.default_rng(5)
    rows = rng.normal(0, 1, (400, 5)).astype(np.float32)
    left = DecisionTreeRegressor(max_depth=4).fit(rows[:, [3, 1]], rows[:, 1])
    right = DecisionTreeRegressor(max_depth=4).fit(rows[:, [4]], rows[:, 4])
    trees = [
        Tree(left, np.array([3, 1]), left.tree_.value.reshape(-1, 1), first_target=0),
        Tree(right, np.array([4]), right.tree_.value.reshape(-1, 1), first_target=1),
    ]
    expected = np.column_stack([left.predict(rows[:, [3, 1]]), right.predict(rows[:, [4]])])
    np.testing.assert_allclose(sums(trees, 2, rows), expected, atol=1e-6)


def test_the_depth_of_a_leaf_is_the_length_of_the_way_to_it() -> None:
    rows = np.random.default_rng(6).normal(0, 1, (300, 3)).astype(np.float32)
    [tree] = IsolationForest(n_estimators=1, random_state=2).fit(rows).estimators_
    ways = np.asarray(tree.decision_path(rows).sum(axis=1)).ravel() - 1
    np.testing.assert_array_equal(leaf_depths(tree)[tree.apply(rows)], ways)
