"""Gradient-boosted trees for the four things that a forecast says of an interval."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from model_export.forecast.examples import Examples
from wattline.forecasting.features import NAMES
from wattline.forecasting.onnx_forecaster import OUTPUTS
from wattline.forecasting.port import BAND, Bools, Floats32

if TYPE_CHECKING:
    from xgboost import Booster

THREADS: Final = 2
PARTS: Final = 5
"""One of so many parts of the series sets the width of the band."""
_TAIL: Final = round((1 - BAND) / 2, 9)
_MOST_WEIGHT: Final = 10.0
"""Against the median: one factory among homes would be all that is learned."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one of the outputs is learned.

    Attributes:
        objective: XGBoost's.
        base: The feature that trees are added to; "" for a constant.
        rounds: Trees.
        depth: Of each.
        step: How much of what a tree found is taken.
        quantile: For `reg:quantileerror`.
    """

    objective: str
    base: str
    rounds: int
    depth: int
    step: float
    quantile: float = 0.5


RECIPES: Final = {
    "lower": Recipe("reg:quantileerror", "low_10", 30, 5, 0.2, _TAIL),
    "middle": Recipe("reg:absoluteerror", "median", 80, 6, 0.12),
    "upper": Recipe("reg:quantileerror", "high_90", 40, 5, 0.2, 1 - _TAIL),
    "mean": Recipe("reg:squarederror", "", 60, 5, 0.12),
}
"""Few small trees on good beginnings: 100,000 meters times 96 half hours in less than a minute on one core."""


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Trained trees, and by how much the band is widened.

    Attributes:
        boosters: By output, see `OUTPUTS`.
        below: Factor of the distance from the middle to the lower border. above: to the upper one.
    """

    boosters: "dict[str, Booster]"
    below: float = 1.0
    above: float = 1.0

    def says(self, matrix: Floats32) -> Floats32:
        """The four outputs for R rows, float32[R, 4], relative to the level; the oracle of the exported graph."""
        mean = self._raw("mean", matrix)
        lower, middle, upper = (self._based(name, matrix, mean) for name in OUTPUTS[:3])
        below = np.float32(self.below) * np.maximum(middle - lower, 0)
        above = np.float32(self.above) * np.maximum(upper - middle, 0)
        return np.stack([middle - below, middle, middle + above, mean], axis=1)

    def _raw(self, name: str, matrix: Floats32) -> Floats32:
        return np.asarray(self.boosters[name].inplace_predict(matrix), np.float32)

    def _based(self, name: str, matrix: Floats32, mean: Floats32) -> Floats32:
        base = matrix[:, NAMES.index(RECIPES[name].base)]
        return self._raw(name, matrix) + np.where(np.isnan(base), mean, base)


def train(rows: Examples, seed: int, tick: Callable[[], None]) -> Ensemble:
    """Train on all rows; the band's width is set on series that a first training did not see.

    Args:
        rows: Of at least two series.
        seed: Decides everything random.
        tick: Called eight times.
    """
    held_out = _held_out(rows, seed)
    trial = Ensemble(_boosters(rows.where(~held_out), seed, tick))
    below, above = _widths(trial, rows.where(held_out))
    return Ensemble(_boosters(rows, seed, tick), below, above)


def _held_out(rows: Examples, seed: int) -> Bools:
    """Rows of a part of the series, of at least one."""
    series = np.random.default_rng(seed).permutation(np.unique(rows.series))
    return np.isin(rows.series, series[: max(len(series) // PARTS, 1)])


def _boosters(rows: Examples, seed: int, tick: Callable[[], None]) -> "dict[str, Booster]":
    made = {}
    for name in OUTPUTS:
        made[name] = _booster(rows, RECIPES[name], seed)
        tick()
    return made


def _booster(rows: Examples, recipe: Recipe, seed: int) -> "Booster":
    # Threads that wait for each other by spinning take ten times as long where something else runs too.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import xgboost

    target = rows.target
    weight = np.minimum(rows.level / np.median(rows.level), _MOST_WEIGHT)
    if recipe.base:
        base = rows.matrix[:, NAMES.index(recipe.base)]
        known = np.isfinite(base)
        rows, target, weight = rows.where(known), (target - base)[known], weight[known]
    options = {
        "objective": recipe.objective,
        "max_depth": recipe.depth,
        "eta": recipe.step,
        "subsample": 0.7,
        "colsample_bytree": 0.5,
        "min_child_weight": 20,
        "tree_method": "hist",
        "nthread": THREADS,
        "seed": seed,
        "verbosity": 0,
    }
    if recipe.objective == "reg:quantileerror":
        options["quantile_alpha"] = recipe.quantile
    data = xgboost.QuantileDMatrix(rows.matrix, target, weight=weight, nthread=THREADS)
    return xgboost.train(options, data, recipe.rounds)


def _widths(trial: Ensemble, rows: Examples) -> tuple[float, float]:
    """Factors with which a tenth of the held-out truths lies beyond each border.

    Every series counts as much, however much it uses: a split conformal step (Romano, Patterson and Candes 2019), by
    ratio instead of by difference, because widths differ by orders of magnitude.
    """
    lower, middle, upper, _ = trial.says(rows.matrix).T
    least = np.float32(1e-6)
    factors = [
        np.quantile((rows.target - middle) * sign / np.maximum(width, least), 1 - _TAIL)
        for sign, width in ((-1, middle - lower), (1, upper - middle))
    ]
    below, above = (float(np.clip(factor, 0.2, 5.0)) for factor in factors)
    return below, above
