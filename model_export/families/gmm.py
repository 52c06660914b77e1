"""Gaussian mixture: an interval is anomalous where the mixture is thin.

The number of components is chosen by BIC (Schwarz 1978) on a sample.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

NAME: Final = "gmm"
COMPONENTS: Final = (8, 16)
"""Candidates; more than that fits the simulator rather than homes, and costs microseconds."""
_REGULARISATION: Final = 0.03
"""Variance added to each standardised feature: no component may collapse onto
features that are often exactly 0 (spread, gap, flat), which BIC would reward."""
_LEAST_SCALE: Final = 0.25
"""Least standard deviation that a feature is divided by: a feature that is nearly
always 0 must not make an interval strange by its rarity alone. Features have sizes
of about 1 by contract."""
_CONVERGED: Final = 3e-3
_ITERATIONS: Final = 60


def fit(matrix: npt.NDArray[np.float32], seed: int, tick: Callable[[], None] = lambda: None) -> Pipeline:
    """Fit the mixture with the lowest BIC.

    Args:
        matrix: float32[N, F] of ordinary intervals.
        seed: Start of the fit.
        tick: Called after each candidate.
    """
    scaler = StandardScaler().fit(matrix.astype(np.float64))
    scaler.scale_ = np.maximum(scaler.scale_, _LEAST_SCALE)
    scaled = scaler.transform(matrix.astype(np.float64))
    fitted = [_mixture(scaled, components, seed, tick) for components in COMPONENTS]
    best = min(fitted, key=lambda mixture: float(mixture.bic(scaled)))
    return make_pipeline(scaler, best)


def _mixture(scaled: npt.NDArray[np.float64], components: int, seed: int, tick: Callable[[], None]) -> GaussianMixture:
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


def raw_score(pipeline: Pipeline, matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Negative log density of N rows: high is anomalous, float64[N]."""
    return np.asarray(-pipeline.score_samples(matrix.astype(np.float64)), np.float64)
