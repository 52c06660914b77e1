"""From a data set to a model file: features, fit, calibration, export, parity.

The model learns from some meters and is calibrated on others, so that its
false-alarm rate holds for meters that it has never seen.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, cast

import numpy as np
import numpy.typing as npt
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from model_export.calibration import alarms, raw_threshold, tail_curve
from model_export.dataset import FeatureTable
from model_export.errors import TrainingError
from model_export.export import Scored, build_graph, check_parity, score_rows, weights_hash, with_metadata
from model_export.families import FAMILIES
from wattline.intervals import Floats

MAX_FIT_ROWS: Final = 20_000
MAX_PARITY_ROWS: Final = 50_000
MIN_ROWS: Final = 500
_EVERY_THIRD: Final = 3

Rows = npt.NDArray[np.float32]
Tick = Callable[[], None]


class Family(Protocol):
    """What a module of `model_export.families` offers."""

    NAME: str

    def fit(self, matrix: Rows, seed: int, tick: Tick) -> Pipeline:
        """Fit a pipeline on ordinary rows."""

    def raw_score(self, pipeline: Pipeline, matrix: Rows) -> Floats:
        """Raw scores of rows, high where anomalous."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is wanted of a model.

    Attributes:
        family: One of `FAMILIES`.
        alarms_per_week: False alarms per meter and week that a person can bear.
        seed: Decides sampling and fit.
        facts: More metadata for the file (command, created, version).
    """

    family: str
    alarms_per_week: float
    seed: int
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Trained:
    """A model file, and what is known about it.

    Attributes:
        model: The ONNX file.
        facts: Its metadata.
    """

    model: bytes
    facts: Mapping[str, str]


def train(table: FeatureTable, wishes: Wishes, tick: Tick = lambda: None) -> Trained:
    """Train, calibrate, export and check one detector.

    Args:
        table: Ordinary rows, faults being rare.
        wishes: What is wanted.
        tick: Called after each step, for a progress bar.

    Raises:
        TrainingError: The data do not make a model of this family.
        ParityError: The exported graph is not the trained model.
    """
    family = _family(wishes.family)
    learned, held_out = _split(table)
    if len(learned) < MIN_ROWS:
        raise TrainingError(f"{len(learned)} intervals after the warm-up are too few to learn from (least: {MIN_ROWS})")
    # One thread: the same sums on every machine, and no threads that wait for each other on a busy one.
    with threadpool_limits(1):
        pipeline = family.fit(_sample(learned.matrix, MAX_FIT_ROWS, wishes.seed), wishes.seed, tick)
    raw = family.raw_score(pipeline, held_out.matrix)
    curve = tail_curve(raw)
    wanted = wishes.alarms_per_week * held_out.meter_weeks()
    cut = raw_threshold(raw, held_out.meter, held_out.start_ms, wanted)
    threshold = float(curve(np.array([cut]))[0])
    tick()
    graph = build_graph(pipeline, curve, threshold)
    trained = Scored(curve(raw), raw >= cut)
    rows = _parity_rows(raw, wishes.seed)
    chosen = Scored(trained.score[rows], trained.found[rows])
    error = check_parity(score_rows(graph.SerializeToString(), held_out.matrix[rows]), chosen)
    tick()
    found = alarms(trained.found, held_out.meter, held_out.start_ms)
    facts = {
        "family": family.NAME,
        "version": weights_hash(graph)[:8],
        "interval_ms": str(table.interval_ms),
        "threshold": repr(threshold),
        "weights_sha256": weights_hash(graph),
        "training_sha256": table.digest(),
        "training_rows": str(len(table)),
        "training_meters": str(len(np.unique(table.meter))),
        "alarms_per_meter_week": f"{found / held_out.meter_weeks():.3f}",
        "parity_max_error": f"{error:.2g}",
        "parity_rows": str(len(rows)),
        **wishes.facts,
    }
    return Trained(with_metadata(graph, facts), facts)


def _family(name: str) -> Family:
    if name not in FAMILIES:
        raise TrainingError(f"no family {name!r}; there are: {', '.join(FAMILIES)}")
    return cast("Family", importlib.import_module(FAMILIES[name]))


def _split(table: FeatureTable) -> tuple[FeatureTable, FeatureTable]:
    """Meters to learn from and every third to calibrate on; all for both when there are fewer than three."""
    meters = np.unique(table.meter).tolist()
    held_out = meters[_EVERY_THIRD - 1 :: _EVERY_THIRD]
    if not held_out:
        return table, table
    return table.of_meters([meter for meter in meters if meter not in held_out]), table.of_meters(held_out)


def _sample(matrix: Rows, most: int, seed: int) -> Rows:
    if len(matrix) <= most:
        return matrix
    rows = np.random.default_rng(seed).choice(len(matrix), most, replace=False)
    return matrix[np.sort(rows)]


def _parity_rows(raw: Floats, seed: int) -> npt.NDArray[np.intp]:
    """The strangest rows, where decisions fall, and a sample of the rest."""
    strangest = np.argsort(raw)[-MAX_PARITY_ROWS // 2 :]
    rest = np.random.default_rng(seed).integers(0, len(raw), MAX_PARITY_ROWS // 2)
    return np.unique(np.concatenate((strangest, rest)))
