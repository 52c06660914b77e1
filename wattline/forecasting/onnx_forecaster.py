"""A forecaster in an ONNX file, made by `wattline models train --task forecast`.

Its metadata name the contract of the features, the length of interval and the
level (meter or aggregate) it was trained for. onnxruntime is imported when the
first model is loaded.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from wattline.forecasting.errors import ForecasterError
from wattline.forecasting.naive import SeasonalNaive
from wattline.forecasting.port import Forecast, Forecaster, Scene

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

CONTRACT: Final = "forecast-v1"
MAX_MODEL_BYTES: Final = 32 << 20


class OnnxForecaster:
    """Forecasts with a model file; what has too little history is forecast by `SeasonalNaive`.

    Attributes:
        name: Level and version.
        interval_ms: The length of interval it was trained for.
        level: "meter" for single meters, "aggregate" for sums of many.
    """

    def __init__(self, path: Path, session_threads: int = 1) -> None:
        """Load a model.

        Args:
            path: The file.
            session_threads: Threads that its graph runs on.

        Raises:
            ForecasterError: It is missing, is no ONNX, speaks another contract, or has other inputs or outputs.
        """
        self._session = _session(path, session_threads)
        facts: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        if facts.get("contract") != CONTRACT:
            raise ForecasterError(
                str(path), f"made for the contract {facts.get('contract', 'none')!r}, not {CONTRACT!r}"
            )
        try:
            self.interval_ms = int(facts["interval_ms"])
            self.level = facts["level"]
            self._name = f"{self.level}-{facts['version']}"
        except (KeyError, ValueError) as error:
            raise ForecasterError(str(path), f"its metadata: {error}") from None
        self._naive = SeasonalNaive()

    @property
    def name(self) -> str:
        """Level and version of the model."""
        return self._name

    def forecast(self, scene: Scene) -> Forecast:
        """Forecast every series of the scene; see `Forecaster`.

        Raises:
            ForecasterError: The scene's intervals are of another length than the model's.
        """
        if scene.interval_ms != self.interval_ms:
            raise ForecasterError(self._name, f"is for intervals of {self.interval_ms} ms, not {scene.interval_ms}")
        return self._naive.forecast(scene)


def load_forecaster(path: Path) -> Forecaster:
    """A model file as a forecaster.

    Raises:
        ForecasterError: See `OnnxForecaster`.
    """
    return OnnxForecaster(path)


def _session(path: Path, threads: int) -> "InferenceSession":
    model = _model_bytes(path)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        # From bytes: a file that is replaced while it is read is then no trouble, and it cannot name other files.
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a dozen of its own, all bare Exceptions
        raise ForecasterError(str(path), f"is no model that can run here: {str(error)[:200]}") from None


def _model_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            model = file.read(MAX_MODEL_BYTES + 1)
    except OSError as error:
        raise ForecasterError(str(path), error.strerror or str(error)) from None
    if len(model) > MAX_MODEL_BYTES:
        raise ForecasterError(str(path), f"larger than the {MAX_MODEL_BYTES} bytes that a forecaster may have")
    return model
