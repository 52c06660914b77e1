"""Which columns of the feature matrix are what, by their names and parts."""

from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.compose import ColumnTransformer

from wattline.features import FEATURES, NAMES, Part
from wattline.intervals import Integers


def _of(part: Part) -> Integers:
    return np.array([i for i, feature in enumerate(FEATURES) if feature.part is part], np.int64)


EVIDENCE: Final = _of(Part.EVIDENCE)
"""What densities and distances look at: small for every ordinary meter, known or not."""
CONTEXT: Final = _of(Part.CONTEXT)
"""What a forecast may know: nothing of the interval's own rate."""


def evidence(matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The columns of evidence, float32[N, E]."""
    return matrix[:, EVIDENCE]


def evidence_step() -> ColumnTransformer:
    """`evidence` as the first step of a pipeline, one that skl2onnx can convert."""
    chosen = ColumnTransformer([("evidence", "passthrough", EVIDENCE.tolist())])
    return chosen.fit(np.zeros((1, len(FEATURES)), np.float32))


def named(*names: str) -> Integers:
    """The columns of these features, without those that the contract does not have."""
    return np.array([NAMES.index(name) for name in names if name in NAMES], np.int64)
