"""What `wattline models evaluate` does with meters: a trial of families, or of one model file, and its result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from model_export.attempts import Attempt, Step, Trainer
from model_export.commands.data import Opened
from model_export.dataset import feature_table
from model_export.errors import TrainingError
from model_export.evaluation import evaluate, quality_of
from model_export.export import facts_of, score_rows
from model_export.fault_examples import fault_examples
from model_export.fault_trial import FaultTrial, fault_trial, halves, judge_faults
from model_export.findings import LabelFindings, RecallFindings, label_object, recall_object
from model_export.label_trial import FamilyVerdicts, LabelTrial, Scheme, label_trial, try_families
from model_export.latency import latency_us
from model_export.report.build import FigurePages, Pages
from model_export.report.fault_pages import FaultPages
from model_export.report.label_pages import LabelPages
from model_export.rule_marks import rule_marks


@dataclass(frozen=True, slots=True)
class Judgement:
    """The result of a trial.

    Attributes:
        figures: For JSON.
        pages: For the report.
        costs: Family, microseconds per interval, bytes.
        facts: More about the set-up, for the report.
    """

    figures: dict[str, Any]
    pages: Pages
    costs: list[tuple[str, float, int]]
    facts: Mapping[str, str] = field(default_factory=dict)


def judge_labelled(opened: Opened, train: Trainer, train_days: int, scheme: Scheme, step: Step) -> Judgement:
    """Try detectors on labelled meters.

    Args:
        opened: The meters.
        train: Makes the detectors.
        train_days: Days at the beginning of each meter that are learned from.
        scheme: What each meter's model learns from.
        step: For progress bars.

    Raises:
        DataError: The meters make no trial.
        TrainingError: No family could be trained.
    """
    tick = step("features", 1)
    trial = label_trial(opened.series, feature_table(opened.series), train_days, scheme)
    tick()
    said = try_families(trial, train)
    _refuse_when_all_failed([one.error for one in said])
    tick = step("figures", len(said))
    findings = []
    for one in said:
        findings.append(_label_findings(trial, one))
        tick()
    figures = {"scheme": scheme.value, "train_days": train_days, "meters": len(trial.tested)}
    thresholds = [float(facts_of(one.models[0])["threshold"]) if one.models else 0.0 for one in said]
    return Judgement(
        figures | label_object(findings),
        LabelPages(findings, said, thresholds),
        [(one.family, one.latency_us, one.bytes) for one in findings if not one.error],
        {"models": scheme.meaning, "training days": str(train_days)},
    )


def judge_injected(
    opened: Opened, train: Trainer, alarms_per_week: float, seed: int, step: Step, *, ready: bool = False
) -> Judgement:
    """Try detectors on faults that are put into meters.

    Args:
        opened: The meters.
        train: Makes the detectors.
        alarms_per_week: False alarms per meter and week at which recall is asked for.
        seed: Decides the faults.
        step: For progress bars.
        ready: Whether the detectors have nothing to learn, so that all meters can be judged.

    Raises:
        DataError: The meters make no trial.
        TrainingError: No family could be trained, or the meters are too few to set a threshold.
    """
    learned, judged = ((), opened.series) if ready else halves(opened.series)
    tick = step("faults and features", 1)
    trial = fault_trial(learned, judged, alarms_per_week, seed, rule_marks(opened.quantity))
    tick()
    attempts = train(trial.clean.table if trial.learned is None else trial.learned)
    _refuse_when_all_failed([one.error for one in attempts.values()])
    tick = step("looking for the faults", len(attempts))
    findings = []
    for family, attempt in attempts.items():
        findings.append(_recall_findings(trial, family, attempt))
        tick()
    weeks = trial.clean.table.meter_weeks()
    pages = FaultPages(findings, (), alarms_per_week, (len(learned), len(judged)), weeks)
    if pages.default.recall is not None:
        pages = replace(pages, examples=fault_examples(trial, pages.default.recall))
    figures = {"meters_learned": len(learned), "meters": len(judged), "meter_weeks": round(weeks, 1)}
    costs = [(one.family, one.latency_us, one.bytes) for one in findings if not one.error]
    return Judgement(figures | recall_object(findings), pages, costs)


def judge_known(opened: Opened, model: bytes) -> Judgement:
    """Judge a model file at its own threshold on meters that came with known faults."""
    table = feature_table(opened.series)
    found = score_rows(model, table.matrix).found
    quality = evaluate(opened.series, table, found)
    figures: dict[str, Any] = {f"recall_{kind}": round(share, 3) for kind, share in quality.recall.items()}
    figures |= {f"faults_{kind}": number for kind, number in quality.injected.items()}
    figures |= {
        "false_alarms_per_meter_week": round(quality.false_alarms_per_meter_week, 3),
        "meter_weeks": round(quality.meter_weeks, 1),
        "meters": len(np.unique(table.meter)),
        "anomalous_share": float(found.mean()),
    }
    cost = (facts_of(model)["family"], latency_us(model, table.matrix), len(model))
    return Judgement(figures, FigurePages(figures), [cost])


def _label_findings(trial: LabelTrial, said: FamilyVerdicts) -> LabelFindings:
    if said.error:
        return LabelFindings(said.family, error=said.error)
    qualities = tuple(quality_of(verdict) for verdict in said.verdicts)
    largest = max(len(model) for model in said.models)
    return LabelFindings(said.family, qualities, latency_us(said.models[0], trial.table.matrix), largest)


def _recall_findings(trial: FaultTrial, family: str, attempt: Attempt) -> RecallFindings:
    if attempt.error:
        return RecallFindings(family, error=attempt.error)
    recall = judge_faults(trial, family, attempt.model)
    return RecallFindings(family, recall, latency_us(attempt.model, trial.clean.table.matrix), len(attempt.model))


def _refuse_when_all_failed(errors: Sequence[str]) -> None:
    if all(errors):
        raise TrainingError(f"no detector could be trained: {errors[0]}")
