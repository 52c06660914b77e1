"""A finished model for other meters: its score and threshold set anew on their own data, nothing learned again.

A threshold for one alarm a week on the meters of the training may give ten on
a gateway with other ones. No labels and no pipeline are needed to mend that:
the raw score is a tensor of the graph.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import onnx

from model_export.calibration import alarms, clear_cut, raw_threshold, tail_curve
from model_export.curves import add_calibration, without_calibration
from model_export.dataset import FeatureTable
from model_export.detector import check_trainable, chosen_rows
from model_export.errors import DataError
from model_export.export import (
    Scored,
    check_contract,
    check_parity,
    facts_of,
    parsed,
    raw_rows,
    reference_error,
    reference_facts,
    score_rows,
    weights_hash,
    with_metadata,
)
from model_export.graph import Graph
from model_export.training import Trained

Bools = npt.NDArray[np.bool_]

MAX_MODEL_BYTES: Final = 1_000_000
MAX_REFERENCE_ERROR: Final = 1e-4


@dataclass(frozen=True, slots=True)
class Examined:
    """What is found in a model file.

    Attributes:
        facts: Its metadata.
        size: Its bytes.
        nodes: Nodes of its graph.
        opsets: Domain to version.
        reference_error: By how much its scores of its own reference rows are off here.
    """

    facts: Mapping[str, str]
    size: int
    nodes: int
    opsets: Mapping[str, int]
    reference_error: float


def examined(model: bytes) -> Examined:
    """Look at a model file as an edge would, and compute its reference rows again.

    Raises:
        DataError: It is no model of this contract, it is larger than 1 MB, or it
            computes other scores here than where it was made.
    """
    check_contract(model, "the model")
    error = reference_error(model)
    if len(model) > MAX_MODEL_BYTES:
        raise DataError(f"the model has {len(model)} bytes; an edge should get at most {MAX_MODEL_BYTES}")
    if not error <= MAX_REFERENCE_ERROR:
        raise DataError(f"the model's scores of its own reference rows are off by {error:.2g} here")
    graph = parsed(model, "the model")
    opsets = {entry.domain or "ai.onnx": entry.version for entry in graph.opset_import}
    return Examined(facts_of(model), len(model), len(graph.graph.node), opsets, error)


def recalibrated(
    model: bytes, table: FeatureTable, alarms_per_week: float, facts: Mapping[str, str] | None = None
) -> Trained:
    """The model with a score and a threshold for other meters.

    Args:
        model: A model file of `training.train`.
        table: Rows of the other meters; nearly all ordinary, nobody has labelled them.
        alarms_per_week: False alarms per meter and week that a person can bear there.
        facts: More metadata (command, created).

    Raises:
        DataError: The file is no model of this contract, of another interval, or without a raw score.
        TrainingError: The rows do not make a calibration.
        ParityError: The new graph does not score as it should.
    """
    old = check_contract(model, "the model")
    if old.get("interval_ms") != str(table.interval_ms):
        raise DataError(f"the model judges intervals of {old.get('interval_ms')} ms, the data have {table.interval_ms}")
    check_trainable(table)
    source = parsed(model, "the model")
    graph = _learned_part(source)
    raw = raw_rows(source, table.matrix)
    curve = tail_curve(raw)
    wanted = alarms_per_week * table.meter_weeks()
    cut = clear_cut(raw_threshold(raw, table.meter, table.start_ms, wanted), raw, curve)
    threshold = float(curve(np.array([cut]))[0])
    add_calibration(graph, graph.nodes[-1].output[0], curve, threshold)
    fresh, rows = graph.model(), chosen_rows(raw, int(old.get("seed", "0")))
    exported = score_rows(fresh.SerializeToString(), table.matrix[rows])
    worst = check_parity(exported, Scored(curve(raw[rows]), raw[rows] >= cut))
    own = {
        **old,
        "version": weights_hash(fresh)[:8],
        "weights_sha256": weights_hash(fresh),
        "threshold": repr(threshold),
        "calibrated_from": old.get("weights_sha256", ""),
        **_calibration_facts(table, raw >= cut),
        "parity_max_error": f"{worst:.2g}",
        "parity_rows": str(len(rows)),
        **reference_facts(table.matrix[rows], exported),
    }
    content = with_metadata(fresh, own | dict(facts or {}))
    return Trained(content, facts_of(content))


def _learned_part(model: onnx.ModelProto) -> Graph:
    try:
        return without_calibration(model)
    except ValueError as error:
        raise DataError(f"{error}: it was not made by this version") from None


def _calibration_facts(table: FeatureTable, found: Bools) -> dict[str, str]:
    rate = alarms(found, table.meter, table.start_ms) / table.meter_weeks()
    return {
        "calibration_sha256": table.digest(),
        "calibration_rows": str(len(table)),
        "calibration_meters": str(len(np.unique(table.meter))),
        "alarms_per_meter_week": f"{rate:.3f}",
    }
