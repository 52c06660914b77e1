"""A detector in an ONNX file, made by `wattline models train`.

Scaling, model, calibration and threshold are all in the graph; its metadata
names the feature contract and the lengths of interval it was trained for.
onnxruntime is imported when the first model is loaded.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from edge_agent.errors import ModelError
from edge_agent.ports import Detector
from wattline.features import CONTRACT, NAMES

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_FACTORY_LABELS: Final = {60_000: "1m", 900_000: "15m", 1_800_000: "30m", 3_600_000: "1h"}
FACTORY_MODELS: Final = {
    interval_ms: Path(__file__).parent / f"default-{label}.onnx" for interval_ms, label in _FACTORY_LABELS.items()
}
"""The models that come with the agent, by the length of interval in ms."""
MAX_MODEL_BYTES: Final = 8 << 20
_OUTPUTS: Final = {"score": "tensor(float)", "is_anomaly": "tensor(bool)"}


class OnnxDetector:
    """Scores intervals with a model file.

    Attributes:
        name: Family and version.
        threshold: The score from which an interval is an anomaly.
        interval_ms: The length of interval it was trained for.
    """

    def __init__(self, path: Path) -> None:
        """Load a model.

        Raises:
            ModelError: It is missing, is no ONNX, speaks another feature
                contract, or has other inputs or outputs.
        """
        self._session = _session(path)
        facts: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        _check_contract(path, facts)
        _check_shape(path, self._session)
        try:
            self.interval_ms = int(facts["interval_ms"])
            self.threshold = float(facts["threshold"])
            self.name = f"{facts['family']}-{facts['version']}"
        except (KeyError, ValueError) as error:
            raise ModelError(f"{path}: metadata: {error}") from None

    def score(self, features: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Score N intervals in one call.

        Args:
            features: float32[N, F].

        Returns:
            Scores float32[N] in 0..1, and whether each is an anomaly, bool[N].

        Raises:
            ModelError: The model failed, or gave something that is no score.
        """
        try:
            score, found = self._session.run(["score", "is_anomaly"], {"features": features})
        except Exception as error:  # onnxruntime has a dozen of its own, all bare Exceptions
            raise ModelError(f"{self.name}: {error}") from error
        if score.shape != (len(features),) or found.shape != score.shape or not np.isfinite(score).all():
            raise ModelError(f"{self.name}: gave no score for each of {len(features)} intervals")
        return score, found


class DetectorShelf:
    """Gives the detector for a length of interval, loading each at its first use.

    It is what `edge_agent.judge.AnomalyJudge` takes as `detector_for`.
    """

    def __init__(self, model: Path | None = None) -> None:
        """Choose models.

        Args:
            model: A configured model, loaded now; None for the factory models.

        Raises:
            ModelError: The configured model cannot be used.
        """
        self._loaded: dict[int, Detector] = {}
        self._configured = model is not None
        if model is not None:
            detector = OnnxDetector(model)
            self._loaded[detector.interval_ms] = detector

    def __call__(self, interval_ms: int) -> Detector | None:
        """The detector for intervals of that length; None where there is none.

        Raises:
            ModelError: The factory model cannot be used.
        """
        if interval_ms in self._loaded or self._configured or interval_ms not in FACTORY_MODELS:
            return self._loaded.get(interval_ms)
        self._loaded[interval_ms] = OnnxDetector(FACTORY_MODELS[interval_ms])
        return self._loaded[interval_ms]


def _session(path: Path) -> "InferenceSession":
    """An inference session that leaves the machine to the other threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    model = _model_bytes(path)
    try:
        # From bytes, not by path: a model may then not name other files to load.
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a dozen of its own, all bare Exceptions
        raise ModelError(f"{path}: is no model that can run here: {error}") from error


def _model_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            model = file.read(MAX_MODEL_BYTES + 1)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from None
    if len(model) > MAX_MODEL_BYTES:
        raise ModelError(f"{path}: larger than the {MAX_MODEL_BYTES} bytes that a detector may have")
    return model


def _check_contract(path: Path, facts: dict[str, str]) -> None:
    contract = facts.get("contract", "none")
    if contract != CONTRACT:
        raise ModelError(f"{path}: made for the feature contract {contract!r}, not {CONTRACT!r}")
    if facts.get("features", "").split(",") != list(NAMES):
        raise ModelError(f"{path}: its features are not those of {CONTRACT!r}, in their order")


def _check_shape(path: Path, session: "InferenceSession") -> None:
    inputs = [(i.name, i.type, i.shape[1:]) for i in session.get_inputs()]
    if inputs != [("features", "tensor(float)", [len(NAMES)])]:
        raise ModelError(f"{path}: takes {inputs}, not features: float32[N, {len(NAMES)}]")
    outputs = {o.name: o.type for o in session.get_outputs()}
    if outputs != _OUTPUTS:
        raise ModelError(f"{path}: gives {outputs}, not {_OUTPUTS}")
