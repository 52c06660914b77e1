"""From feature rows to a model file: fit, calibration, export, parity.

A model is calibrated on meters, or at least on days, that it has not learned
from, so that its false-alarm rate holds for meters that it has never seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from model_export.dataset import FeatureTable
from model_export.detector import FittedDetector, Wishes, fit_detector
from model_export.export import facts_of
from model_export.families.port import Tick

__all__ = ["Trained", "Wishes", "exported", "train"]


@dataclass(frozen=True, slots=True)
class Trained:
    """A model file, and what is known about it.

    Attributes:
        model: The ONNX file.
        facts: Its metadata, but for the reference rows.
    """

    model: bytes
    facts: Mapping[str, str]


def train(table: FeatureTable, wishes: Wishes, tick: Tick = lambda: None) -> Trained:
    """Train, calibrate, export and check one detector.

    Args:
        table: Ordinary rows, faults being rare.
        wishes: What is wanted.
        tick: Called after each step, for a progress bar; `training_steps` tells how often.

    Raises:
        TrainingError: The data do not make a model of this family.
        ParityError: The exported graph is not the trained model.
    """
    return exported(fit_detector(table, wishes, tick), wishes.facts)


def exported(detector: FittedDetector, facts: Mapping[str, str]) -> Trained:
    """The model file of a fitted detector.

    Args:
        detector: It.
        facts: More metadata.

    Raises:
        ParityError: The exported graph is not the trained model.
    """
    model = detector.export(facts)
    return Trained(model, facts_of(model))
