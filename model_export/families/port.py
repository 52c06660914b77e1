"""What a family of detectors offers, and what a detector of any family can do."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt
from sklearn.pipeline import Pipeline

from model_export.graph import Graph
from wattline.intervals import Floats

Rows = npt.NDArray[np.float32]
Tick = Callable[[], None]


class Family(Protocol):
    """A module of `model_export.families`.

    Attributes:
        NAME: Its name.
        STEPS: How often `fit` calls `tick`.
        RULE: The raw score from which an interval is anomalous by the
            family's own rule; None where it has none.
    """

    NAME: str
    STEPS: int
    RULE: float | None

    def fit(self, matrix: Rows, seed: int, tick: Tick) -> Pipeline:
        """Fit a pipeline on rows of which nearly all are ordinary.

        Args:
            matrix: float32[N, F].
            seed: Decides everything that is random.
            tick: Called after each step.
        """

    def raw_score(self, pipeline: Pipeline, matrix: Rows) -> Floats:
        """Raw scores of N rows, high where anomalous: float64[N]."""

    def add_raw(self, pipeline: Pipeline, graph: Graph) -> str:
        """Add nodes that make the raw score of the features: the name of a tensor float32[N, 1]."""


class Scorer(Protocol):
    """One fitted family, or several together.

    Attributes:
        name: Of the family.
        rule: As `Family.RULE`.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def rule(self) -> float | None: ...  # noqa: D102

    def raw(self, matrix: Rows) -> Floats:
        """Raw scores of N rows, high where anomalous: float64[N]."""

    def add_raw(self, graph: Graph) -> str:
        """Add nodes that make the raw score of the features: the name of a tensor float32[N, 1]."""
