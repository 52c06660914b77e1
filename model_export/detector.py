"""Fitted detectors: pipelines with their calibration and threshold, in Python and as a model file."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
import numpy.typing as npt
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from model_export.calibration import Curve, alarms, clear_cut, raw_threshold, surprise_curve, tail_curve
from model_export.dataset import FeatureTable
from model_export.errors import TrainingError
from model_export.export import (
    Scored,
    build_graph,
    check_parity,
    reference_facts,
    score_rows,
    weights_hash,
    with_metadata,
)
from model_export.families import ENSEMBLE, FAMILIES, SINGLE
from model_export.families.columns import evidence
from model_export.families.ensemble import MEMBERS, Ensemble, mean_surprise
from model_export.families.port import Family, Rows, Scorer, Tick
from model_export.families.rows import sample
from model_export.folds import Fold, folds
from model_export.graph import Graph
from wattline.intervals import Floats

MIN_ROWS: Final = 500
MAX_PARITY_ROWS: Final = 20_000
_ALIGNED_ROWS: Final = 5_000
_TINY: Final = 1e-9
DEFAULT_ALARMS_PER_WEEK: Final = 1.0
_MOST_REPEATED: Final = 0.98
"""Share of rows that may be equal in all but calendar and past."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is wanted of a model.

    Attributes:
        family: One of `FAMILIES`.
        alarms_per_week: False alarms per meter and week that a person can bear.
            None for the family's own rule (k-means: three sigma) or, where it
            has none, `DEFAULT_ALARMS_PER_WEEK`.
        seed: Decides sampling and fit.
        facts: More metadata for the file (command, created, version).
        members: Families of an ensemble; () for the usual ones.
    """

    family: str
    alarms_per_week: float | None
    seed: int
    facts: Mapping[str, str]
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Single:
    """One fitted family."""

    family: Family
    pipeline: Pipeline

    @property
    def name(self) -> str:
        """The family's name."""
        return self.family.NAME

    @property
    def rule(self) -> float | None:
        """The family's own rule."""
        return self.family.RULE

    def raw(self, matrix: Rows) -> Floats:
        """Raw scores of N rows: float64[N]."""
        return self.family.raw_score(self.pipeline, matrix)

    def add_raw(self, graph: Graph) -> str:
        """The family's nodes."""
        return self.family.add_raw(self.pipeline, graph)


@dataclass(frozen=True, slots=True)
class FittedDetector:
    """A detector that can score in Python, and as the model file that it exports.

    Attributes:
        scorer: The fitted family, or families.
        curve: From raw score to tail probability.
        cut: The raw score from which an interval is anomalous.
        facts: What is known of its training, as metadata.
        reference: Real rows on which every export is compared with the pipeline, float32[N, F].
    """

    scorer: Scorer
    curve: Curve
    cut: float
    facts: Mapping[str, str]
    reference: Rows

    @property
    def threshold(self) -> float:
        """The calibrated score from which an interval is anomalous."""
        return float(self.curve(np.array([self.cut]))[0])

    def raw(self, matrix: Rows) -> Floats:
        """The family's own scores of N rows, high where anomalous: float64[N]."""
        return self.scorer.raw(matrix)

    def score(self, matrix: Rows) -> Floats:
        """Calibrated scores of N rows, 0..1: float64[N]."""
        return self.curve(self.raw(matrix))

    def found(self, matrix: Rows) -> npt.NDArray[np.bool_]:
        """Which of N rows are anomalies: bool[N]."""
        return np.asarray(self.raw(matrix) >= self.cut)

    def export(self, facts: Mapping[str, str]) -> bytes:
        """The model file, proven to be this detector on its reference rows.

        Args:
            facts: More metadata.

        Raises:
            ParityError: The graph scores or decides otherwise.
        """
        graph = build_graph(self.scorer, self.curve, self.threshold)
        with threadpool_limits(1):
            raw = self.raw(self.reference)
        expected = Scored(self.curve(raw), raw >= self.cut)
        exported = score_rows(graph.SerializeToString(), self.reference)
        error = check_parity(exported, expected)
        own = {
            **self.facts,
            "version": weights_hash(graph)[:8],
            "threshold": repr(self.threshold),
            "weights_sha256": weights_hash(graph),
            "parity_max_error": f"{error:.2g}",
            "parity_rows": str(len(self.reference)),
        }
        return with_metadata(graph, own | reference_facts(self.reference, exported) | dict(facts))


@dataclass(frozen=True, slots=True)
class _Learned:
    """A scorer, and the honest raw scores of calibration rows (made by models that have not seen them)."""

    scorer: Scorer
    raw: Floats
    rows: npt.NDArray[np.intp]


def fit_detector(table: FeatureTable, wishes: Wishes, tick: Tick = lambda: None) -> FittedDetector:
    """Fit and calibrate one detector; see `fit_detectors`."""
    return fit_detectors(table, wishes, [wishes.family], tick)[wishes.family]


def fit_detectors(
    table: FeatureTable, wishes: Wishes, families: Sequence[str], tick: Tick = lambda: None
) -> dict[str, FittedDetector]:
    """Fit and calibrate detectors of several families; an ensemble shares its members with them.

    Args:
        table: Rows of which nearly all are ordinary; nobody has labelled them.
        wishes: What is wanted; its `family` is ignored.
        families: Names of `FAMILIES`.
        tick: Called `training_steps` times.

    Raises:
        TrainingError: The data do not make a model of one of these families.
    """
    check_trainable(table)
    parts = folds(table, wishes.seed)
    if not all(len(part.learned) >= MIN_ROWS // 2 and len(part.held_out) for part in parts):
        raise TrainingError("too few intervals to learn from some meters and to calibrate on others")
    # One thread: the same sums on every machine, and no threads that wait for each other on a busy one.
    with threadpool_limits(1):
        learned = {name: _learn(table, _family(name), parts, wishes.seed, tick) for name in _single(families, wishes)}
        if ENSEMBLE in families:
            learned[ENSEMBLE] = _together([learned[name] for name in members_of(wishes)])
        return {name: _calibrated(table, learned[name], wishes) for name in families}


def training_steps(table: FeatureTable, wishes: Wishes, families: Sequence[str]) -> int:
    """How often `fit_detectors` will call `tick`."""
    parts = len(folds(table, wishes.seed))
    fits = parts + (parts > 1)
    return fits * sum(_family(name).STEPS for name in _single(families, wishes))


def members_of(wishes: Wishes) -> tuple[str, ...]:
    """The families of an ensemble.

    Raises:
        TrainingError: One is unknown or is no single family, or there are fewer than two.
    """
    members = wishes.members or MEMBERS
    unknown = [name for name in members if name not in SINGLE]
    if unknown or len(set(members)) != len(members) or len(members) < 2:  # noqa: PLR2004 - one alone is no ensemble
        raise TrainingError(f"an ensemble takes two or more different families of {', '.join(SINGLE)}")
    return members


def check_trainable(table: FeatureTable) -> None:
    """Refuse data that would make a model of nothing.

    Raises:
        TrainingError: There are too few rows, some are no numbers, or hardly any differs from another.
    """
    if len(table) < MIN_ROWS:
        raise TrainingError(f"{len(table)} intervals after the warm-up are too few to learn from (least: {MIN_ROWS})")
    if not np.isfinite(table.matrix).all():
        raise TrainingError("some features are no numbers")
    _, number = np.unique(evidence(table.matrix), axis=0, return_counts=True)
    if number.max() > _MOST_REPEATED * len(table):
        raise TrainingError("nearly all intervals are the same: the data do not vary")


def _single(families: Sequence[str], wishes: Wishes) -> list[str]:
    """The single families that are to be fitted."""
    wanted = [name for name in families if name != ENSEMBLE]
    wanted += members_of(wishes) if ENSEMBLE in families else ()
    return list(dict.fromkeys(wanted))


def _family(name: str) -> Family:
    if name not in SINGLE:
        raise TrainingError(f"no family {name!r}; there are: {', '.join(FAMILIES)}")
    return cast("Family", importlib.import_module(SINGLE[name]))


def _learn(table: FeatureTable, family: Family, parts: Sequence[Fold], seed: int, tick: Tick) -> _Learned:
    """Fit; with several folds, fit each for honest scores and all rows for the model."""
    fitted = [Single(family, family.fit(table.matrix[part.learned], seed, tick)) for part in parts]
    raws = [one.raw(table.matrix[part.held_out]) for one, part in zip(fitted, parts, strict=True)]
    if len(parts) == 1:
        return _Learned(fitted[0], raws[0], parts[0].held_out)
    whole = Single(family, family.fit(table.matrix, seed, tick))
    own = _usual(whole, table.matrix, seed)
    usual = [_usual(one, table.matrix[part.learned], seed) for one, part in zip(fitted, parts, strict=True)]
    aligned = [(raw - low) / width * own[1] + own[0] for raw, (low, width) in zip(raws, usual, strict=True)]
    return _Learned(whole, np.concatenate(aligned), np.concatenate([part.held_out for part in parts]))


def _usual(scorer: Scorer, learned: Rows, seed: int) -> tuple[float, float]:
    """Where a model's scores of its own rows lie, and how widely: models of other rows measure otherwise."""
    low, high = np.quantile(scorer.raw(sample(learned, _ALIGNED_ROWS, seed)), (0.5, 0.9)).tolist()
    return low, max(high - low, _TINY)


def _together(members: Sequence[_Learned]) -> _Learned:
    curves = tuple(surprise_curve(member.raw) for member in members)
    ensemble = Ensemble(tuple(member.scorer for member in members), curves)
    return _Learned(ensemble, mean_surprise([member.raw for member in members], curves), members[0].rows)


def _calibrated(table: FeatureTable, learned: _Learned, wishes: Wishes) -> FittedDetector:
    raw, rows = learned.raw, learned.rows
    curve = tail_curve(raw)
    meter, start_ms = table.meter[rows], table.start_ms[rows]
    weeks = len(rows) * table.interval_ms / (7 * 86_400_000)
    reference = table.matrix[rows[chosen_rows(raw, wishes.seed)]]
    cut = learned.scorer.rule
    if wishes.alarms_per_week is not None or cut is None:
        cut = raw_threshold(raw, meter, start_ms, (wishes.alarms_per_week or DEFAULT_ALARMS_PER_WEEK) * weeks)
    cut = clear_cut(cut, learned.scorer.raw(reference), curve)
    facts = {
        "family": learned.scorer.name,
        "interval_ms": str(table.interval_ms),
        "seed": str(wishes.seed),
        "training_sha256": table.digest(),
        "training_rows": str(len(table)),
        "training_meters": str(len(np.unique(table.meter))),
        "alarms_per_meter_week": f"{alarms(raw >= cut, meter, start_ms) / weeks:.3f}",
    }
    if isinstance(learned.scorer, Ensemble):
        facts["members"] = ",".join(member.name for member in learned.scorer.members)
    return FittedDetector(learned.scorer, curve, cut, facts, reference)


def chosen_rows(raw: Floats, seed: int) -> npt.NDArray[np.intp]:
    """Rows to compare scores on: the strangest, where decisions fall, and a sample of the rest.

    Args:
        raw: Raw scores of N rows.
        seed: Of the sample.
    """
    strangest = np.argsort(raw, kind="stable")[-MAX_PARITY_ROWS // 2 :]
    rest = np.random.default_rng(seed).integers(0, len(raw), MAX_PARITY_ROWS // 2)
    return np.unique(np.concatenate((strangest, rest)))
