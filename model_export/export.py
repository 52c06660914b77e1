"""A trained pipeline as one ONNX graph that needs no knowledge of its family.

features: float32[N, F] -> score: float32[N], is_anomaly: bool[N]. Scaling,
model, calibration and threshold are inside. Every export is compared with the
pipeline on real rows before anybody may have it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import helper, numpy_helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.pipeline import Pipeline

from model_export.calibration import Curve
from model_export.errors import DataError, ParityError
from wattline.features import CONTRACT, NAMES
from wattline.intervals import Floats

OPSET: Final = 17
ML_OPSET: Final = 3
IR_VERSION: Final = 8
MAX_SCORE_ERROR: Final = 1e-4
_RAW: Final = "score_samples"

Rows = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scored:
    """What a model says of N rows: calibrated scores, and which are anomalies."""

    score: Floats
    found: npt.NDArray[np.bool_]


def build_graph(pipeline: Pipeline, curve: Curve, threshold: float) -> onnx.ModelProto:
    """Convert a density pipeline and append its calibration and threshold.

    Args:
        pipeline: Its last step has `score_samples`, high where ordinary.
        curve: Raw score (the negative of `score_samples`) to calibrated score.
        threshold: The calibrated score from which an interval is an anomaly.
    """
    converted = convert_sklearn(
        pipeline,
        initial_types=[("features", FloatTensorType([None, len(NAMES)]))],
        options={id(pipeline.steps[-1][1]): {"score_samples": True}},
        target_opset={"": OPSET, "ai.onnx.ml": ML_OPSET},
    )
    density = onnx.utils.Extractor(converted).extract_model(["features"], [_RAW])
    nodes, constants = _calibration(curve, threshold)
    graph = helper.make_graph(
        [*density.graph.node, *nodes],
        "wattline-detector",
        list(density.graph.input),
        [
            helper.make_tensor_value_info("score", onnx.TensorProto.FLOAT, ["N"]),
            helper.make_tensor_value_info("is_anomaly", onnx.TensorProto.BOOL, ["N"]),
        ],
        [*density.graph.initializer, *(numpy_helper.from_array(array, name) for name, array in constants.items())],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, producer_name="wattline", ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return model


def _calibration(curve: Curve, threshold: float) -> tuple[list[onnx.NodeProto], dict[str, npt.NDArray[np.generic]]]:
    """The curve as a sum of clipped ramps, then the comparison."""
    width = np.diff(curve.raw)
    constants: dict[str, npt.NDArray[np.generic]] = {
        "cal_column": np.array([-1, 1], np.int64),
        "cal_flat": np.array([-1], np.int64),
        "cal_knots": curve.raw[:-1].astype(np.float32)[None, :],
        "cal_zero": np.zeros((1, 1), np.float32),
        "cal_one": np.ones((1, 1), np.float32),
        "cal_width": width.astype(np.float32)[None, :],
        "cal_slope": (np.diff(curve.score) / width).astype(np.float32)[:, None],
        "cal_start": np.array([[curve.score[0]]], np.float32),
        "cal_threshold": np.array([threshold], np.float32),
    }
    steps = (
        ("Neg", [_RAW], "cal_raw"),
        ("Reshape", ["cal_raw", "cal_column"], "cal_raw_column"),
        ("Sub", ["cal_raw_column", "cal_knots"], "cal_beyond"),
        ("Max", ["cal_beyond", "cal_zero"], "cal_positive"),
        ("Min", ["cal_positive", "cal_width"], "cal_ramps"),
        ("MatMul", ["cal_ramps", "cal_slope"], "cal_rise"),
        ("Add", ["cal_rise", "cal_start"], "cal_sum"),
        ("Min", ["cal_sum", "cal_one"], "cal_bounded"),
        ("Reshape", ["cal_bounded", "cal_flat"], "score"),
        ("GreaterOrEqual", ["score", "cal_threshold"], "is_anomaly"),
    )
    return [helper.make_node(kind, inputs, [output], name=output) for kind, inputs, output in steps], constants


def weights_hash(model: onnx.ModelProto) -> str:
    """SHA-256 of the graph alone, whatever its metadata say."""
    return hashlib.sha256(model.graph.SerializeToString(deterministic=True)).hexdigest()


def with_metadata(model: onnx.ModelProto, facts: Mapping[str, str]) -> bytes:
    """The model file: the graph, the contract's own facts, and `facts`."""
    own = {"contract": CONTRACT, "features": ",".join(NAMES)}
    helper.set_model_props(model, own | dict(facts))
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def score_rows(model: bytes, rows: Rows) -> Scored:
    """What the model file says of N rows."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    parts = [session.run(["score", "is_anomaly"], {"features": part}) for part in _chunks(rows)]
    score, found = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Scored(score.astype(np.float64), found)


def _chunks(rows: Rows, size: int = 65_536) -> list[Rows]:
    return [rows[i : i + size] for i in range(0, max(len(rows), 1), size)]


def check_parity(exported: Scored, trained: Scored) -> float:
    """Prove that graph and pipeline are one model.

    Args:
        exported: What the graph says of real rows.
        trained: What the pipeline, curve and threshold say of the same rows.

    Returns:
        The largest difference of a score.

    Raises:
        ParityError: A score differs by more than 1e-4, or a decision differs.
    """
    worst = float(np.abs(exported.score - trained.score).max(initial=0.0))
    if not worst <= MAX_SCORE_ERROR:
        raise ParityError(f"the exported scores are off by up to {worst:.2g} (allowed: {MAX_SCORE_ERROR:g})")
    differing = int((exported.found != trained.found).sum())
    if differing:
        raise ParityError(f"the exported model decides otherwise on {differing} of {len(trained.found)} rows")
    return worst


def read_model(path: Path) -> tuple[bytes, dict[str, str]]:
    """A model file and its metadata.

    Raises:
        DataError: It is missing, no ONNX, or of another feature contract.
    """
    try:
        content = path.read_bytes()
        model = onnx.load_from_string(content)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    except DecodeError:
        raise DataError(f"{path}: is no ONNX file") from None
    facts = {entry.key: entry.value for entry in model.metadata_props}
    if facts.get("contract") != CONTRACT or facts.get("features") != ",".join(NAMES):
        raise DataError(f"{path}: is no model of the feature contract {CONTRACT}")
    return content, facts
