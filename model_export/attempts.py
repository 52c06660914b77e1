"""Families trained side by side for a comparison; one that cannot learn from the data does not stop the others."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from model_export.dataset import FeatureTable
from model_export.detector import FittedDetector, Wishes, fit_detectors, training_steps
from model_export.errors import ParityError, TrainingError

Step = Callable[[str, int], Callable[[], None]]
"""Begins a step of so many parts; gives what is called after each part."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A model file; or why there is none.

    Attributes:
        model: The file; empty where there is none.
        error: Why; "" where there is one.
    """

    model: bytes = b""
    error: str = ""


Trainer = Callable[[FeatureTable], Mapping[str, Attempt]]
"""Lets detectors learn from a table without labels: family to attempt, always the same families."""


def family_trainer(families: Sequence[str], alarms_per_week: float, seed: int, step: Step) -> Trainer:
    """A trainer of some families.

    Args:
        families: Which.
        alarms_per_week: False alarms per meter and week that their thresholds are set to.
        seed: Decides sampling and fit.
        step: For progress bars.
    """
    wishes = Wishes("", alarms_per_week, seed, {})

    def train(table: FeatureTable) -> dict[str, Attempt]:
        try:
            tick = step("training", training_steps(table, wishes, families))
            fitted = fit_detectors(table, wishes, families, tick)
            return {family: _exported(fitted[family]) for family in families}
        except TrainingError as error:
            if len(families) == 1:
                return {families[0]: Attempt(error=str(error))}
            # One of them is to blame: each for itself then.
            alone = [family_trainer([family], alarms_per_week, seed, step)(table) for family in families]
            return {family: attempt for one in alone for family, attempt in one.items()}

    return train


def ready_made(family: str, model: bytes) -> Trainer:
    """A trainer that has nothing to learn: the model is there."""
    return lambda _: {family: Attempt(model)}


def _exported(detector: FittedDetector) -> Attempt:
    try:
        return Attempt(detector.export({}))
    except ParityError as error:
        return Attempt(error=str(error))
