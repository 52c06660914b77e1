"""A trained detector as one ONNX file that needs no knowledge of its family.

features: float32[N, F] -> score: float32[N], is_anomaly: bool[N]. Scaling,
model, calibration and threshold are inside. Every export is compared with the
pipeline on real rows before anybody may have it.
"""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import helper

from model_export.calibration import Curve
from model_export.curves import add_calibration
from model_export.errors import DataError, ParityError
from model_export.families.port import Rows, Scorer
from model_export.graph import FEATURES, FOUND, RAW, SCORE, Graph
from wattline.features import CONTRACT, NAMES
from wattline.intervals import Floats

MAX_SCORE_ERROR: Final = 1e-4
REFERENCE_ROWS: Final = 8
_REFERENCE: Final = ("reference_rows", "reference_scores")
_CHUNK: Final = 65_536


@dataclass(frozen=True, slots=True)
class Scored:
    """What a model says of N rows: calibrated scores, and which are anomalies."""

    score: Floats
    found: npt.NDArray[np.bool_]


def build_graph(scorer: Scorer, curve: Curve, threshold: float) -> onnx.ModelProto:
    """The graph of a detector.

    Args:
        scorer: Makes the raw score.
        curve: Raw score to calibrated score.
        threshold: The calibrated score from which an interval is an anomaly.
    """
    graph = Graph()
    add_calibration(graph, scorer.add_raw(graph), curve, threshold)
    return graph.model()


def weights_hash(model: onnx.ModelProto) -> str:
    """SHA-256 of the graph alone, whatever its metadata say."""
    return hashlib.sha256(model.graph.SerializeToString(deterministic=True)).hexdigest()


def with_metadata(model: onnx.ModelProto, facts: Mapping[str, str]) -> bytes:
    """The model file: the graph, the contract's own facts, and `facts`."""
    own = {"contract": CONTRACT, "features": ",".join(NAMES)}
    helper.set_model_props(model, own | dict(facts))
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def reference_facts(rows: Rows, scored: Scored) -> dict[str, str]:
    """A few rows and their scores, by which any holder of the file can tell that it computes as it should.

    Args:
        rows: Real rows, float32[N, F].
        scored: What the graph says of them.
    """
    order = np.argsort(scored.score, kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, min(REFERENCE_ROWS, len(order))).astype(np.intp)]
    parts = (rows[chosen], scored.score[chosen])
    return {
        name: b64encode(np.asarray(part, "<f4").tobytes()).decode()
        for name, part in zip(_REFERENCE, parts, strict=True)
    }


def reference_error(model: bytes) -> float:
    """By how much the model's scores here differ from those where it was made.

    Raises:
        DataError: The file carries no reference rows of this contract.
    """
    facts = _properties(parsed(model, "the model"))
    try:
        rows, score = (np.frombuffer(b64decode(facts[name], validate=True), "<f4") for name in _REFERENCE)
        expected = score.astype(np.float64)
        scored = score_rows(model, rows.reshape(len(score), len(NAMES)))
    except (KeyError, ValueError):
        raise DataError("the model carries no reference rows") from None
    return float(np.abs(scored.score - expected).max(initial=0.0))


def facts_of(model: bytes) -> dict[str, str]:
    """A model file's metadata, but for its reference rows."""
    facts = _properties(parsed(model, "the model"))
    return {name: fact for name, fact in facts.items() if name not in _REFERENCE}


def score_rows(model: bytes, rows: Rows) -> Scored:
    """What the model file says of N rows."""
    score, found = _run(model, rows, (SCORE, FOUND))
    return Scored(score.astype(np.float64), found.astype(np.bool_))


def raw_rows(model: onnx.ModelProto, rows: Rows) -> Floats:
    """The raw scores that a model of `build_graph` gives N rows, float64[N]."""
    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    opened.graph.output.append(helper.make_tensor_value_info(RAW, onnx.TensorProto.FLOAT, ["N", 1]))
    [raw] = _run(opened.SerializeToString(), rows, (RAW,))
    return np.asarray(raw[:, 0], np.float64)


def _run(model: bytes, rows: Rows, outputs: tuple[str, ...]) -> list[npt.NDArray[np.generic]]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    chunks = [rows[i : i + _CHUNK] for i in range(0, max(len(rows), 1), _CHUNK)]
    parts = [session.run(outputs, {FEATURES: chunk}) for chunk in chunks]
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


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
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    return content, check_contract(content, str(path))


def check_contract(content: bytes, where: str) -> dict[str, str]:
    """A model file's metadata.

    Args:
        content: The file.
        where: What to call it in an error.

    Raises:
        DataError: It is no ONNX, or of another feature contract.
    """
    facts = _properties(parsed(content, where))
    if facts.get("contract") != CONTRACT or facts.get("features") != ",".join(NAMES):
        raise DataError(f"{where}: is no model of the feature contract {CONTRACT}")
    return facts


def parsed(content: bytes, where: str) -> onnx.ModelProto:
    """A model file as a message.

    Raises:
        DataError: It is no ONNX.
    """
    try:
        return onnx.load_from_string(content)
    except DecodeError:
        raise DataError(f"{where}: is no ONNX file") from None


def _properties(model: onnx.ModelProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in model.metadata_props}
