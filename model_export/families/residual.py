"""Forecast residual: a forest predicts the interval from what was known before it; anomalous is what it got wrong.

It forecasts how far the level, the last hours and the last day will be from
what is usual for the meter. The raw score is the root mean square over these
of the error against its usual size.
"""

from itertools import repeat
from typing import Final, Self

import numpy as np
from skl2onnx.algebra.onnx_ops import OnnxDiv, OnnxGather, OnnxReduceL2_13, OnnxSub
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.ensemble import RandomForestRegressor
from sklearn.pipeline import Pipeline, make_pipeline

from model_export.families.columns import CONTEXT, named
from model_export.families.conversion import Node, converted_by, floats
from model_export.families.port import Rows, Tick
from model_export.families.rows import sample, trimmed
from model_export.families.trees import Tree, sum_of_trees
from model_export.graph import OPSET, Graph
from wattline.intervals import Floats

NAME: Final = "residual"
STEPS: Final = 1
RULE: Final = None
MAX_ROWS: Final = 20_000
_TRIMMED_SHARE: Final = 0.1
TARGETS: Final = named("odd", "odd_3h", "odd_24h")
"""What is forecast."""
_TREES: Final = 30
_LEAVES: Final = 64
_LEAST_ROWS: Final = 5
_COLUMN_SHARE: Final = 0.5
_LEAST_ERROR: Final = 1e-3


class ForecastResidual(OutlierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """A forest of several targets, judged by its errors.

    Attributes:
        forest_: The fitted regressor.
        usual_error_: Root mean square error of each target, float64[T].
    """

    def __init__(self, seed: int = 0) -> None:
        """Choose.

        Args:
            seed: Decides the forest.
        """
        self.seed = seed

    def fit(self, matrix: Rows, y: None = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        """Learn to forecast ordinary rows.

        Args:
            matrix: float32[N, F].
            y: Nothing.
        """
        targets = matrix[:, TARGETS].astype(np.float64)
        self.forest_ = RandomForestRegressor(
            _TREES,
            max_leaf_nodes=_LEAVES,
            min_samples_leaf=_LEAST_ROWS,
            max_features=_COLUMN_SHARE,
            random_state=self.seed,
        ).fit(matrix[:, CONTEXT], targets)
        self.usual_error_ = np.sqrt(((targets - self._forecast(matrix)) ** 2).mean(axis=0)) + _LEAST_ERROR
        return self

    def _forecast(self, matrix: Rows) -> Floats:
        forecast = np.asarray(self.forest_.predict(matrix[:, CONTEXT]), np.float64)
        return forecast.reshape(len(matrix), -1)

    def score_samples(self, matrix: Rows) -> Floats:
        """The negative root mean square error of N rows, in usual errors: float64[N]."""
        error = (matrix[:, TARGETS].astype(np.float64) - self._forecast(matrix)) / self.usual_error_
        return np.asarray(-np.sqrt((error**2).mean(axis=1)), np.float64)


def fit(matrix: Rows, seed: int, tick: Tick) -> Pipeline:
    """Fit the forecaster; see `Family.fit`."""
    fitted = ForecastResidual(seed).fit(trimmed(sample(matrix, MAX_ROWS, seed), _TRIMMED_SHARE, seed))
    tick()
    return make_pipeline(fitted)


def raw_score(pipeline: Pipeline, matrix: Rows) -> Floats:
    """Root mean square error of N rows, in usual errors: float64[N]."""
    return np.asarray(-pipeline.score_samples(matrix), np.float64)


def add_raw(pipeline: Pipeline, graph: Graph) -> str:
    """The pipeline, its one step by `_error`; see `Family.add_raw`."""
    return graph.include(converted_by(_error, pipeline))


def _error(residual: ForecastResidual, rows: Node, raw: list[Node]) -> Node:
    """The forest in one node, the columns it forecasts, and their distance."""
    unit = residual.usual_error_ * np.sqrt(len(TARGETS))
    trees = residual.forest_.estimators_
    shares = [tree.tree_.value.reshape(-1, len(TARGETS)) / (unit * len(trees)) for tree in trees]
    forecast = sum_of_trees(rows, map(Tree, trees, repeat(CONTEXT), shares), len(TARGETS))
    actual = OnnxDiv(OnnxGather(rows, TARGETS, axis=1, op_version=OPSET), floats(unit), op_version=OPSET)
    error = OnnxSub(actual, forecast, op_version=OPSET)
    return OnnxReduceL2_13(error, axes=[1], keepdims=1, op_version=OPSET, output_names=raw)
