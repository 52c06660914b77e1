"""How long the edge takes to judge one interval with a model: measured through the agent's own detector class.

The class is named by string, so that this package does not depend on the
agent: anything that is made from a file and has its `score` will do.
"""

import importlib
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, cast

import numpy as np
import numpy.typing as npt

from model_export.errors import DataError

DETECTOR: Final = ("edge_agent.detectors.onnx", "OnnxDetector")
_WARM_UP_ROWS: Final = 200
_ROUNDS: Final = 15
_ROWS_PER_ROUND: Final = 200

Rows = npt.NDArray[np.float32]


def latency_us(model: bytes, rows: Rows) -> float:
    """Microseconds for one interval, one at a time: the quickest of some rounds.

    Whatever else the machine does can only make a round slower.

    Args:
        model: The model file.
        rows: Real rows, float32[N, F]; at least one.

    Raises:
        DataError: The agent is not installed.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(model)
        score = _score(path)
        single = [rows[i : i + 1] for i in np.arange(_ROWS_PER_ROUND) % len(rows)]
        for i in range(_WARM_UP_ROWS):
            score(single[i % len(single)])
        return min(_round_us(score, single) for _ in range(_ROUNDS))


def _round_us(score: Callable[[Rows], object], single: list[Rows]) -> float:
    begun_ns = time.perf_counter_ns()
    for row in single:
        score(row)
    return (time.perf_counter_ns() - begun_ns) / 1000 / len(single)


def _score(path: Path) -> Callable[[Rows], object]:
    module, name = DETECTOR
    try:
        made = getattr(importlib.import_module(module), name)(path)
    except ModuleNotFoundError as error:
        raise DataError(f"the agent's detector is not installed ({error}): no latency to measure") from None
    return cast("Callable[[Rows], object]", made.score)
