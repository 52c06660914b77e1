"""Gradient-boosted trees for the four things that a forecast says of an interval."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from model_export.forecast.examples import Examples
from wattline.forecasting.features import BASES, NAMES
from wattline.forecasting.onnx_forecaster import OUTPUTS
from wattline.forecasting.port import BAND, Bools, Floats32

if TYPE_CHECKING:
    from xgboost import Booster

THREADS: Final = 2
_ROWS_FOR_THREADS: Final = 50_000
PARTS: Final = 5
"""One of so many parts of the series sets the width of the band."""
_EARLY: Final = 0.7
"""Share of the time that the others learn from for it."""
_TAIL: Final = round((1 - BAND) / 2, 9)
_MOST_WEIGHT: Final = 10.0
"""Against the median: one factory among homes would be all that is learned."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one of the outputs is learned.

    Attributes:
        objective: XGBoost's.
        rounds: Trees.
        depth: Of each.
        step: How much of what a tree found is taken.
        quantile: For `reg:quantileerror`.
    """

    objective: str
    rounds: int
    depth: int
    step: float
    quantile: float = 0.5


RECIPES: Final = {
    "lower": Recipe("reg:quantileerror", 40, 4, 0.1, _TAIL),
    "middle": Recipe("reg:absoluteerror", 100, 5, 0.06),
    "upper": Recipe("reg:quantileerror", 40, 4, 0.1, 1 - _TAIL),
    "mean": Recipe("reg:squarederror", 60, 4, 0.08),
}
"""Few small trees on good beginnings: 100,000 meters times 96 half hours in less than a minute on one core.

Deeper ones were worse on homes and much worse on buildings that they had not learned from.
"""
_LEAF_SHARE: Final = 0.001
"""Of the examples must be in a leaf: a few homes in a few weeks are no rule."""


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
        lower, middle, upper, mean = (self._output(name, matrix) for name in OUTPUTS)
        below = np.float32(self.below) * np.maximum(middle - lower, 0)
        above = np.float32(self.above) * np.maximum(upper - middle, 0)
        return np.stack([middle - below, middle, middle + above, mean], axis=1)

    def _output(self, name: str, matrix: Floats32) -> Floats32:
        return _base(matrix, name) + np.asarray(self.boosters[name].inplace_predict(matrix), np.float32)


def _base(matrix: Floats32, output: str) -> Floats32:
    base: Floats32 = matrix[:, NAMES.index(BASES[output])]
    return base


def train(rows: Examples, seed: int, tick: Callable[[], None]) -> Ensemble:
    """Train on all rows; the band's width is set on series and months that a first training did not see.

    Args:
        rows: Of at least two series.
        seed: Decides everything random.
        tick: Called eight times.
    """
    early, late = _parted(rows, seed)
    trial = Ensemble(_boosters(rows.where(early), seed, tick))
    below, above = _widths(trial, rows.where(late))
    return Ensemble(_boosters(rows, seed, tick), below, above)


def _parted(rows: Examples, seed: int) -> tuple[Bools, Bools]:
    """Rows of most series in the earlier months, and of the others in the later ones: what a forecaster will meet."""
    series = np.random.default_rng(seed).permutation(np.unique(rows.series))
    others = np.isin(rows.series, series[: max(len(series) // PARTS, 1)])
    border = np.quantile(rows.issued, _EARLY)
    early, late = ~others & (rows.issued <= border), others & (rows.issued > border)
    return (early, late) if early.any() and late.any() else (~others, others)


def _boosters(rows: Examples, seed: int, tick: Callable[[], None]) -> "dict[str, Booster]":
    made = {}
    for name in OUTPUTS:
        made[name] = _booster(rows, name, seed)
        tick()
    return made


def _booster(rows: Examples, output: str, seed: int) -> "Booster":
    # Threads that wait for each other by spinning take ten times as long where something else runs too.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import xgboost

    recipe, target = RECIPES[output], rows.target - _base(rows.matrix, output)
    # Threads that wait for each other at every level of a tree cost more than they bring where rows are few.
    threads = THREADS if len(rows) >= _ROWS_FOR_THREADS else 1
    weight = np.minimum(rows.level / np.median(rows.level), _MOST_WEIGHT)
    options = {
        "objective": recipe.objective,
        "max_depth": recipe.depth,
        "eta": recipe.step,
        "subsample": 0.5,
        "colsample_bytree": 0.5,
        "min_child_weight": max(_LEAF_SHARE * len(rows), 20),
        "reg_lambda": 50,
        "tree_method": "hist",
        "nthread": threads,
        "seed": seed,
        "verbosity": 0,
    }
    if recipe.objective == "reg:quantileerror":
        options["quantile_alpha"] = recipe.quantile
    data = xgboost.QuantileDMatrix(rows.matrix, target, weight=weight, nthread=threads)
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
