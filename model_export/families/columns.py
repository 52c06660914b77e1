"""Which columns of the feature matrix are what, by their names."""

from typing import Final

import numpy as np

from wattline.features import FEATURES, NAMES
from wattline.intervals import Integers

CONTEXT: Final[Integers] = np.array(
    [
        i
        for i, feature in enumerate(FEATURES)
        if getattr(feature, "context", feature.name in {"hour_sin", "hour_cos", "weekend"})
    ],
    np.int64,
)
"""Features that know nothing of the interval itself: calendar, and what was known before it."""
PRESENT: Final[Integers] = np.setdiff1d(np.arange(len(FEATURES)), CONTEXT)
"""Features that the interval itself had a part in."""


def named(*names: str) -> Integers:
    """The columns of these features, without those that the contract does not have."""
    return np.array([NAMES.index(name) for name in names if name in NAMES], np.int64)
