"""Gaussian mixture: an interval is anomalous where the mixture is thin.

The number of components is chosen by BIC (Schwarz 1978) on a sample.
"""

from typing import Final

import numpy as np
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import Pipeline, make_pipeline

from model_export.families.columns import evidence, evidence_step
from model_export.families.conversion import converted
from model_export.families.port import Rows, Tick
from model_export.families.rows import fitted_scaler, sample, trimmed
from model_export.graph import Graph
from wattline.intervals import Floats

NAME: Final = "gmm"
COMPONENTS: Final = (4, 8, 12)
"""Candidates; more than that fits the training meters rather than meters, and costs microseconds."""
STEPS: Final = len(COMPONENTS)
RULE: Final = None
MAX_ROWS: Final = 20_000
_TRIMMED_SHARE: Final = 0.03
_LEAST_SCALE: Final = 0.25
_REGULARISATION: Final = 0.1
"""Variance added to each standardised feature: no component may collapse onto
features that are often exactly 0 (spread, gap, flat), which BIC would reward."""
_CONVERGED: Final = 3e-3
_ITERATIONS: Final = 60


def fit(matrix: Rows, seed: int, tick: Tick) -> Pipeline:
    """Fit the mixture with the lowest BIC; see `Family.fit`."""
    ordinary = evidence(trimmed(sample(matrix, MAX_ROWS, seed), _TRIMMED_SHARE, seed)).astype(np.float64)
    scaler = fitted_scaler(ordinary, _LEAST_SCALE)
    scaled = scaler.transform(ordinary)
    fitted = [_mixture(scaled, components, seed, tick) for components in COMPONENTS]
    best = min(fitted, key=lambda mixture: float(mixture.bic(scaled)))
    return make_pipeline(evidence_step(), scaler, best)


def _mixture(scaled: Floats, components: int, seed: int, tick: Tick) -> GaussianMixture:
    mixture = GaussianMixture(
        components,
        covariance_type="full",
        reg_covar=_REGULARISATION,
        tol=_CONVERGED,
        max_iter=_ITERATIONS,
        init_params="k-means++",
        random_state=seed,
    ).fit(scaled)
    tick()
    return mixture


def raw_score(pipeline: Pipeline, matrix: Rows) -> Floats:
    """Negative log density of N rows: high is anomalous, float64[N]."""
    return np.asarray(-pipeline.score_samples(matrix.astype(np.float64)), np.float64)


def add_raw(pipeline: Pipeline, graph: Graph) -> str:
    """skl2onnx's `score_samples`, negated; see `Family.add_raw`."""
    return graph.add("Neg", graph.include(converted(pipeline, "score_samples", {"score_samples": True})))
