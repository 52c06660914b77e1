"""One-class support vector machine (Schölkopf et al. 2001) with a Gaussian kernel.

It learns from a sample: training grows with the square of the rows, scoring
with the support vectors. The raw score is the negative logarithm of the
weighted mean of the kernel, a monotone function of the decision function that
does not run into 0 far from all support vectors.
"""

from typing import Final

import numpy as np
from skl2onnx.algebra.onnx_ops import OnnxGemm, OnnxMul, OnnxReduceLogSumExp_13, OnnxReduceSumSquare_13, OnnxSub
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import OneClassSVM

from model_export.families.columns import evidence, evidence_step
from model_export.families.conversion import Node, converted_by, floats
from model_export.families.port import Rows, Tick
from model_export.families.rows import fitted_scaler, sample, trimmed
from model_export.graph import OPSET, Graph
from wattline.intervals import Floats

NAME: Final = "ocsvm"
STEPS: Final = 1
RULE: Final = None
MAX_ROWS: Final = 6_000
_TRIMMED_SHARE: Final = 0.1
_LEAST_SCALE: Final = 0.1
_OUTSIDE: Final = 0.02
"""At most this share of the sample lies outside, at least this share becomes support vectors (nu)."""
_WIDTH: Final = 0.3
"""gamma times the number of features: smaller is smoother, and needs fewer support vectors."""
_CHUNK: Final = 8_192


def fit(matrix: Rows, seed: int, tick: Tick) -> Pipeline:
    """Fit the support of ordinary rows; see `Family.fit`."""
    ordinary = evidence(sample(trimmed(matrix, _TRIMMED_SHARE, seed), MAX_ROWS, seed)).astype(np.float64)
    scaler = fitted_scaler(ordinary, _LEAST_SCALE)
    machine = OneClassSVM(kernel="rbf", nu=_OUTSIDE, gamma=_WIDTH / ordinary.shape[1]).fit(scaler.transform(ordinary))
    tick()
    return make_pipeline(evidence_step(), scaler, machine)


def raw_score(pipeline: Pipeline, matrix: Rows) -> Floats:
    """`-log((decision function + rho) / sum(alpha))` of N rows, exact where that underflows: float64[N]."""
    machine = pipeline[-1]
    parts = [matrix[i : i + _CHUNK] for i in range(0, len(matrix), _CHUNK)]
    return np.concatenate([_surprise(pipeline[:-1].transform(part.astype(np.float64)), machine) for part in parts])


def _surprise(scaled: Floats, machine: OneClassSVM) -> Floats:
    gamma, vectors = machine.gamma, machine.support_vectors_
    squares = (scaled**2).sum(axis=1)
    exponent = 2.0 * gamma * scaled @ vectors.T - gamma * (vectors**2).sum(axis=1) + _log_weights(machine)
    peak = exponent.max(axis=1)
    return np.asarray(gamma * squares - peak - np.log(np.exp(exponent - peak[:, None]).sum(axis=1)), np.float64)


def _log_weights(machine: OneClassSVM) -> Floats:
    weights = machine.dual_coef_[0]
    return np.asarray(np.log(weights / weights.sum()), np.float64)


def add_raw(pipeline: Pipeline, graph: Graph) -> str:
    """The pipeline, its last step by `_surprise_of`; see `Family.add_raw`."""
    return graph.include(converted_by(_surprise_of, pipeline))


def _surprise_of(machine: OneClassSVM, scaled: Node, raw: list[Node]) -> Node:
    """`gamma |z|² - logsumexp(2 gamma z S - gamma |s|² + log alpha)`.

    skl2onnx 1.20 gives the decision function in float32, which is flat far away: on the four LEAD buildings 451
    rows tie as the strangest of all, 368 of the 565 labelled ones among them, and the average precision of one
    building falls from 0.47 to 0.36.
    """
    gamma, vectors = machine.gamma, machine.support_vectors_
    bias = _log_weights(machine) - gamma * (vectors**2).sum(axis=1)
    exponent = OnnxGemm(scaled, floats(2.0 * gamma * vectors.T), floats(bias), op_version=OPSET)
    kernel = OnnxReduceLogSumExp_13(exponent, axes=[1], keepdims=1, op_version=OPSET)
    squares = OnnxReduceSumSquare_13(scaled, axes=[1], keepdims=1, op_version=OPSET)
    squares = OnnxMul(squares, floats([gamma]), op_version=OPSET)
    return OnnxSub(squares, kernel, op_version=OPSET, output_names=raw)
