"""What families do to rows before they learn from them."""

from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import IsolationForest
from sklearn.preprocessing import StandardScaler

from model_export.families.columns import evidence
from wattline.intervals import Floats

_TREES: Final = 50


def trimmed(matrix: npt.NDArray[np.float32], share: float, seed: int) -> npt.NDArray[np.float32]:
    """The rows without the most isolated ones, in their order.

    Nobody labelled the faults among them. A mixture or a set of centroids would
    give a run of faults a component of its own, and call later ones ordinary.

    Args:
        matrix: float32[N, F].
        share: How many of them, 0..1.
        seed: Of the isolation forest that finds them.
    """
    seen = evidence(matrix)
    ordinary = IsolationForest(n_estimators=_TREES, random_state=seed).fit(seen).score_samples(seen)
    kept: npt.NDArray[np.float32] = matrix[ordinary >= np.quantile(ordinary, share)]
    return kept


def fitted_scaler(rows: Floats, least_scale: float) -> StandardScaler:
    """A scaler to mean 0 and standard deviation 1, except of features that hardly vary.

    A feature that is nearly always 0 must not make an interval strange by its
    rarity alone. Features have sizes of about 1 by contract.

    Args:
        rows: float64[N, E].
        least_scale: Least standard deviation that a feature is divided by.
    """
    scaler = StandardScaler().fit(rows)
    scaler.scale_ = np.maximum(scaler.scale_, least_scale)
    return scaler


def sample(matrix: npt.NDArray[np.float32], most: int, seed: int) -> npt.NDArray[np.float32]:
    """At most that many rows, in their order."""
    if len(matrix) <= most:
        return matrix
    chosen = np.random.default_rng(seed).choice(len(matrix), most, replace=False)
    return matrix[np.sort(chosen)]
