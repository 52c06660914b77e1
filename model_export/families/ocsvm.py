"""One-class support vector machine (Schölkopf et al. 2001) with a Gaussian kernel.

It learns from a sample: training grows with the square of the rows, scoring
with the support vectors. The raw score is the negative logarithm of the
weighted mean of the kernel, a monotone function of the decision function that
does not run into 0 far from all support vectors.
"""

from typing import Final

import numpy as np
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import OneClassSVM

from model_export.families.columns import evidence, evidence_step, spread_out
from model_export.families.port import Rows, Tick
from model_export.families.rows import fitted_scaler, sample, scaling, trimmed
from model_export.graph import FEATURES, Graph
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
    """`|z|² - logsumexp(2 z S - |s|² + log alpha)`; see `Family.add_raw`."""
    _, scaler, machine = (step for _, step in pipeline.steps)
    factor, offset = scaling(scaler)
    width = np.sqrt(machine.gamma)
    vectors = width * machine.support_vectors_
    scaled = graph.affine(FEATURES, spread_out(np.diag(width * factor)), width * offset)
    square = graph.add("ReduceSumSquare", scaled, axes=[1], keepdims=1)
    bias = _log_weights(machine) - (vectors**2).sum(axis=1)
    kernel = graph.add("ReduceLogSumExp", graph.affine(scaled, 2.0 * vectors.T, bias), axes=[1], keepdims=1)
    return graph.add("Sub", square, kernel)
