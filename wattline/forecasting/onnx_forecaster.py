"""A forecaster in an ONNX file, made by `wattline models train --task forecast`.

Its metadata name the contract of the features, the length of interval and the
level (meter or aggregate) it was trained for. onnxruntime is imported when the
first model is loaded.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from wattline.forecasting.errors import ForecasterError
from wattline.forecasting.features import CONTRACT, NAMES, Plan, Table, features, levels
from wattline.forecasting.naive import SeasonalNaive
from wattline.forecasting.port import HORIZON_MS, Bools, Forecast, Forecaster, Scene

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MAX_MODEL_BYTES: Final = 32 << 20
LEVELS: Final = ("meter", "aggregate")
FEATURES: Final = "features"
FORECAST: Final = "forecast"
OUTPUTS: Final = ("lower", "middle", "upper", "mean")
"""The columns of the graph's output, relative to the series' level."""
_CHUNK_ROWS: Final = 64
"""Series that are worked on together: their features stay in the cache."""


class OnnxForecaster:
    """Forecasts with a model file; what has too little history is forecast by `SeasonalNaive`.

    Attributes:
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
        _check_contract(path, facts)
        _check_shape(path, self._session)
        try:
            self.interval_ms = int(facts["interval_ms"])
            self.level = facts["level"]
            self._name = f"{self.level}-{facts['version']}"
        except (KeyError, ValueError) as error:
            raise ForecasterError(str(path), f"its metadata: {error}") from None
        if self.level not in LEVELS:
            raise ForecasterError(str(path), f"its level is {self.level!r}, not one of {', '.join(LEVELS)}")

    @property
    def name(self) -> str:
        """Level and version of the model."""
        return self._name

    def forecast(self, scene: Scene) -> Forecast:
        """Forecast every series of the scene; see `Forecaster`.

        Raises:
            ForecasterError: The scene's intervals are of another length than the model's, or the model failed.
        """
        if scene.interval_ms != self.interval_ms:
            raise ForecasterError(self._name, f"is for intervals of {self.interval_ms} ms, not {scene.interval_ms}")
        level = levels(scene.energy_kwh)
        by_model = np.isfinite(level)
        tables = [np.empty((len(level), HORIZON_MS // scene.interval_ms), np.float32) for _ in OUTPUTS]
        plan = Plan.of(scene)
        for start in range(0, len(level), _CHUNK_ROWS):
            rows = slice(start, start + _CHUNK_ROWS)
            if by_model[rows].any():
                said = self._run(features(scene, plan, rows, level[rows])) * level[rows, None, None]
                for table, values in zip(tables, np.moveaxis(said, -1, 0), strict=True):
                    table[rows] = values
        if not by_model.all():
            _put_naive(tables, scene, ~by_model)
        # What never was negative, as consumption is, will not be.
        floor = np.minimum(np.fmin.reduce(scene.energy_kwh, axis=1, initial=0), 0)[:, None]
        lower, middle, upper, mean = (np.maximum(table, floor) for table in tables)
        return Forecast(middle, lower, upper, by_model, mean)

    def _run(self, table: Table) -> Table:
        """Run the graph over float32[n, K, F]; gives float32[n, K, 4]."""
        try:
            [said] = self._session.run([FORECAST], {FEATURES: table.reshape(-1, table.shape[-1])})
        except Exception as error:  # onnxruntime has a dozen of its own, all bare Exceptions
            raise ForecasterError(self._name, _short(error)) from error
        return np.asarray(said, np.float32).reshape(*table.shape[:2], len(OUTPUTS))


def _put_naive(tables: list[Table], scene: Scene, rows: Bools) -> None:
    """Put the same time a week before into some rows of lower, middle, upper and mean."""
    said = SeasonalNaive().forecast(series_of(scene, rows))
    for table, values in zip(tables, (said.lower, said.energy_kwh, said.upper, said.energy_kwh), strict=True):
        table[rows] = values


def series_of(scene: Scene, rows: Bools) -> Scene:
    """The scene with only some of its series."""
    return replace(
        scene,
        energy_kwh=scene.energy_kwh[rows],
        place=scene.place[rows],
        floor_m2=scene.floor_m2[rows],
        members=scene.members[rows],
    )


def load_forecaster(path: Path) -> Forecaster:
    """A model file as a forecaster.

    Raises:
        ForecasterError: See `OnnxForecaster`.
    """
    return OnnxForecaster(path)


def _check_contract(path: Path, facts: dict[str, str]) -> None:
    contract = facts.get("contract", "none")
    if contract != CONTRACT:
        raise ForecasterError(str(path), f"made for the contract {contract!r}, not {CONTRACT!r}")
    if facts.get("features", "").split(",") != list(NAMES):
        raise ForecasterError(str(path), f"its features are not those of {CONTRACT!r}, in their order")


def _check_shape(path: Path, session: "InferenceSession") -> None:
    inputs = [(i.name, i.type, i.shape[1:]) for i in session.get_inputs()]
    if inputs != [(FEATURES, "tensor(float)", [len(NAMES)])]:
        raise ForecasterError(str(path), f"takes {inputs}, not {FEATURES}: float32[N, {len(NAMES)}]")
    outputs = [(o.name, o.type, o.shape[1:]) for o in session.get_outputs()]
    if outputs != [(FORECAST, "tensor(float)", [len(OUTPUTS)])]:
        raise ForecasterError(str(path), f"gives {outputs}, not {FORECAST}: float32[N, {len(OUTPUTS)}]")


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
        raise ForecasterError(str(path), f"is no model that can run here: {_short(error)}") from error


def _model_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            model = file.read(MAX_MODEL_BYTES + 1)
    except OSError as error:
        raise ForecasterError(str(path), error.strerror or str(error)) from None
    if len(model) > MAX_MODEL_BYTES:
        raise ForecasterError(str(path), f"larger than the {MAX_MODEL_BYTES} bytes that a forecaster may have")
    return model


def _short(error: Exception) -> str:
    """What onnxruntime says, as one line: parts of broken files end up in it."""
    return " ".join("".join(one if one.isprintable() else " " for one in str(error)).split())[:200]
