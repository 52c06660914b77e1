"""Which columns of the feature matrix are what, by their names and parts."""

from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.preprocessing import FunctionTransformer

from wattline.features import FEATURES, NAMES, Part
from wattline.intervals import Floats, Integers


def _of(part: Part) -> Integers:
    return np.array([i for i, feature in enumerate(FEATURES) if feature.part is part], np.int64)


EVIDENCE: Final = _of(Part.EVIDENCE)
"""What densities and distances look at: small for every ordinary meter, known or not."""
CONTEXT: Final = _of(Part.CONTEXT)
"""What a forecast may know: nothing of the interval's own rate."""


def evidence(matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The columns of evidence, float32[N, E]."""
    return matrix[:, EVIDENCE]


def evidence_step() -> FunctionTransformer:
    """`evidence` as the first step of a pipeline."""
    return FunctionTransformer(evidence)


def spread_out(weights: Floats) -> Floats:
    """Weights of the columns of evidence as weights of all features: float64[E, K] to float64[F, K]."""
    whole = np.zeros((len(FEATURES), weights.shape[1]))
    whole[EVIDENCE] = weights
    return whole


def named(*names: str) -> Integers:
    """The columns of these features, without those that the contract does not have."""
    return np.array([NAMES.index(name) for name in names if name in NAMES], np.int64)
