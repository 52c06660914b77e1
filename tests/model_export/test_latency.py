"""Latency is that of the agent's own detector, one interval at a time."""

import numpy as np
import pytest

from model_export import latency
from model_export.attempts import family_trainer
from model_export.dataset import feature_table
from model_export.errors import DataError
from tests.model_export.homes import small_homes


def test_a_model_file_is_timed_through_the_agents_detector() -> None:
    table = feature_table(small_homes())
    model = family_trainer(["kmeans"], 1.0, 1, lambda *_: lambda: None)(table)["kmeans"].model
    assert latency.latency_us(model, table.matrix[:7]) > 0


def test_a_machine_without_the_agent_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "DETECTOR", ("no_agent_here.onnx", "OnnxDetector"))
    with pytest.raises(DataError, match="not installed"):
        latency.latency_us(b"", np.zeros((1, 1), np.float32))
