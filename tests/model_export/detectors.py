"""Fitted detectors of small homes, one of each family, fitted once for all tests."""

from functools import cache

import numpy as np
import numpy.typing as npt

from model_export.dataset import FeatureTable, feature_table
from model_export.detector import FittedDetector, Wishes, fit_detectors
from model_export.families import FAMILIES
from tests.model_export.homes import small_homes
from wattline.features import BOUND, NAMES

WISHES = Wishes("gmm", 1.0, 3, {})


@cache
def small_table(seed: int = 1, homes: int = 6) -> FeatureTable:
    """Features of small homes."""
    return feature_table(small_homes(homes=homes, seed=seed))


@cache
def small_detectors() -> dict[str, FittedDetector]:
    """A detector of every family, of the same table."""
    return fit_detectors(small_table(), WISHES, list(FAMILIES))


def hostile_rows() -> npt.NDArray[np.float32]:
    """Rows at the borders of what features can be, ordinary ones pushed there, and none at all."""
    rng = np.random.default_rng(5)
    width = len(NAMES)
    ordinary = small_table(seed=9).matrix[:40]
    pushed = np.where(rng.random((40, width)) < 0.2, rng.choice([-BOUND, 0.0, BOUND], (40, width)), ordinary)
    corners = rng.choice([-BOUND, BOUND], (40, width))
    plain = [np.zeros((1, width)), np.full((1, width), BOUND), np.full((1, width), -BOUND), np.eye(width) * BOUND]
    tiny = np.full((1, width), np.finfo(np.float32).tiny)
    return np.vstack([ordinary, pushed, corners, *plain, tiny]).astype(np.float32)
