"""The figures of a trial by family, as values and as the object that `--json` prints."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from model_export.evaluation import MeterQuality, mean_of
from model_export.families import ENSEMBLE
from model_export.fault_trial import FamilyRecall

DEFAULT_FAMILY: Final = ENSEMBLE
"""What `train` makes when nobody says what; marked in every table."""
MEAN_FIGURES: Final = ("roc_auc", "average_precision", "event_recall", "event_precision", "false_alarms_per_meter_week")


@dataclass(frozen=True, slots=True)
class LabelFindings:
    """What one family reached on labelled meters.

    Attributes:
        family: Its name.
        meters: The figures of each judged meter.
        latency_us: For one interval through the agent's detector, microseconds.
        bytes: Size of its largest model file.
        error: Why it could not be trained; "" where it could.
    """

    family: str
    meters: tuple[MeterQuality, ...] = ()
    latency_us: float = 0.0
    bytes: int = 0
    error: str = ""

    def mean(self, figure: str) -> float | None:
        """The mean of a figure over the meters where it has a meaning."""
        return mean_of([getattr(meter, figure) for meter in self.meters])

    def as_object(self) -> dict[str, Any]:
        """For JSON."""
        if self.error:
            return {"error": self.error}
        means = {figure: rounded(self.mean(figure)) for figure in MEAN_FIGURES}
        buildings = {meter.name: _plain(meter) for meter in self.meters}
        return means | {"latency_us": round(self.latency_us, 1), "bytes": self.bytes, "buildings": buildings}


def called(family: str) -> str:
    """A family as it is spoken of."""
    return f"the default detector, {family}," if family == DEFAULT_FAMILY else f"the detector {family}"


def default_of(families: Sequence[str]) -> str:
    """Which of some families speaks for all: the product's default one, else the first."""
    return DEFAULT_FAMILY if DEFAULT_FAMILY in families else next(iter(families), "")


def label_object(findings: Sequence[LabelFindings]) -> dict[str, Any]:
    """The figures of all families, those of the default one on top."""
    default = default_of([one.family for one in findings])
    families = {one.family: {"default": one.family == DEFAULT_FAMILY} | one.as_object() for one in findings}
    of_default = next(one for one in findings if one.family == default)
    means = {figure: rounded(of_default.mean(figure)) for figure in MEAN_FIGURES}
    return {"default_family": default} | means | {"families": families}


def rounded(figure: float | None) -> float | None:
    """As many digits as mean something."""
    return None if figure is None else round(figure, 4)


def _plain(meter: MeterQuality) -> dict[str, Any]:
    fields = asdict(meter)
    del fields["name"]
    return {name: rounded(value) if isinstance(value, float) else value for name, value in fields.items()}


@dataclass(frozen=True, slots=True)
class RecallFindings:
    """What one family found of injected faults.

    Attributes:
        family: Its name.
        recall: The shares; None where it could not be trained.
        latency_us: For one interval through the agent's detector, microseconds.
        bytes: Size of its model file.
        error: Why it could not be trained; "" where it could.
    """

    family: str
    recall: FamilyRecall | None = None
    latency_us: float = 0.0
    bytes: int = 0
    error: str = ""

    def as_object(self) -> dict[str, Any]:
        """For JSON."""
        if self.recall is None:
            return {"error": self.error}
        names = ("model", "rules", "both")
        return {
            "threshold": self.recall.threshold,
            "false_alarms_per_meter_week": dict(zip(names, map(rounded, self.recall.false_alarms), strict=True)),
            "recall": {
                kind: {"injected": one.injected, "model": rounded(one.model), "rules": rounded(one.rules),
                       "both": rounded(one.both)}
                for kind, one in self.recall.kinds
            },
            "latency_us": round(self.latency_us, 1),
            "bytes": self.bytes,
        }  # fmt: skip


def recall_object(findings: Sequence[RecallFindings]) -> dict[str, Any]:
    """The figures of all families, the recalls of the default one on top."""
    default = default_of([one.family for one in findings])
    families = {one.family: {"default": one.family == DEFAULT_FAMILY} | one.as_object() for one in findings}
    return {"default_family": default, "recall": families[default].get("recall", {}), "families": families}
