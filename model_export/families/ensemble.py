"""Several families together: the mean of their surprises.

A member's surprise at an interval is `-log` of the share of ordinary intervals
that look stranger to it, so that members whose raw scores have nothing in
common can be added up (Fisher's way to combine tests).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from model_export.calibration import Curve
from model_export.curves import add_curves
from model_export.families import ENSEMBLE
from model_export.families.port import Rows, Scorer
from model_export.graph import Graph
from wattline.intervals import Floats

NAME: Final = ENSEMBLE
MEMBERS: Final = ("gmm", "iforest", "kmeans", "ocsvm", "residual")
"""Who is asked when nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Fitted families, and the surprise curve of each."""

    members: tuple[Scorer, ...]
    curves: tuple[Curve, ...]
    name: str = NAME
    rule: float | None = None

    def raw(self, matrix: Rows) -> Floats:
        """The mean surprise at N rows: float64[N]."""
        return mean_surprise([member.raw(matrix) for member in self.members], self.curves)

    def add_raw(self, graph: Graph) -> str:
        """All members' nodes, and one set of curves for all; see `Scorer.add_raw`."""
        raws = graph.add("Concat", *(member.add_raw(graph) for member in self.members), axis=1)
        return add_curves(graph, raws, self.curves)


def mean_surprise(raws: Sequence[Floats], curves: Sequence[Curve]) -> Floats:
    """The mean over members of their surprise.

    Args:
        raws: Of each member the raw scores of N rows.
        curves: Of each member its surprise curve.
    """
    surprises = [curve(raw) for curve, raw in zip(curves, raws, strict=True)]
    return np.asarray(np.mean(surprises, axis=0), np.float64)
