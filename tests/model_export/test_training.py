"""A trained model is one file that decides as the pipeline does, and the same again for the same seed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from edge_agent.detectors.onnx import OnnxDetector
from model_export.calibration import alarms
from model_export.dataset import feature_table
from model_export.errors import DataError, ParityError, TrainingError
from model_export.export import Scored, check_parity, read_model, score_rows
from model_export.training import Trained, Wishes, train
from tests.model_export.homes import small_homes
from wattline.features import CONTRACT, NAMES

WISHES = Wishes("gmm", 1.0, 3, {"created": "2026-11-01T00:00:00+00:00"})


@pytest.fixture(scope="module")
def trained() -> Trained:
    return train(feature_table(small_homes()), WISHES)


def test_the_edge_runs_what_training_made(trained: Trained, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(trained.model)
    detector = OnnxDetector(path)
    matrix = feature_table(small_homes(seed=9)).matrix
    score, found = detector.score(matrix)
    assert detector.interval_ms == 1_800_000
    assert detector.name == f"gmm-{trained.facts['version']}"
    assert found.tolist() == (score >= np.float32(detector.threshold)).tolist()
    assert 0.0 <= score.min() < 0.2
    assert 0.9 < score.max() <= 1.0


def test_the_file_says_what_it_is(trained: Trained) -> None:
    model = onnx.load_from_string(trained.model)
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert facts["contract"] == CONTRACT
    assert facts["features"].split(",") == list(NAMES)
    assert facts["training_sha256"] == feature_table(small_homes()).digest()
    assert float(facts["parity_max_error"]) <= 1e-4
    assert {entry.domain: entry.version for entry in model.opset_import} == {"": 17, "ai.onnx.ml": 3}


def test_the_same_seed_gives_the_same_bytes(trained: Trained) -> None:
    assert train(feature_table(small_homes()), WISHES).model == trained.model


def test_false_alarms_are_as_rare_as_wanted_on_homes_never_seen(trained: Trained) -> None:
    table = feature_table(small_homes(homes=12, days=29, seed=20))
    found = score_rows(trained.model, table.matrix).found
    rate = alarms(found, table.meter, table.start_ms) / table.meter_weeks()
    assert 0.2 < rate < 3.0


def test_a_wild_interval_is_found(trained: Trained) -> None:
    [home] = small_homes(homes=1, seed=5)
    mean = home.intervals.mean.copy()
    mean[400] *= 30
    wild = replace(home, intervals=replace(home.intervals, mean=mean, low=mean, high=mean))
    table = feature_table([wild])
    found = score_rows(trained.model, table.matrix).found
    assert found[table.start_ms == home.intervals.start_ms[400]].all()


@pytest.mark.parametrize(
    ("exported", "problem"),
    [
        (Scored(np.array([0.1, 0.5002]), np.array([False, True])), "off by"),
        (Scored(np.array([0.1, np.nan]), np.array([False, True])), "off by"),
        (Scored(np.array([0.1, 0.5]), np.array([False, False])), "decides otherwise on 1 of 2"),
    ],
)
def test_a_graph_that_is_not_the_pipeline_is_thrown_away(exported: Scored, problem: str) -> None:
    with pytest.raises(ParityError, match=problem):
        check_parity(exported, Scored(np.array([0.1, 0.5]), np.array([False, True])))


def test_an_unknown_family_and_too_little_data_are_said() -> None:
    table = feature_table(small_homes())
    with pytest.raises(TrainingError, match="gmm"):
        train(table, replace(WISHES, family="oracle"))
    with pytest.raises(TrainingError, match="too few"):
        train(feature_table(small_homes(homes=2, days=5)), WISHES)


def test_constant_meters_make_no_model() -> None:
    constant = [
        replace(
            home,
            intervals=replace(
                home.intervals,
                mean=np.ones(len(home.intervals)),
                low=np.ones(len(home.intervals)),
                high=np.ones(len(home.intervals)),
            ),
        )
        for home in small_homes(homes=3)
    ]
    table = feature_table(constant)
    flat = replace(table, matrix=np.zeros_like(table.matrix))
    with pytest.raises(TrainingError, match="do not vary"):
        train(flat, WISHES)


@pytest.mark.parametrize("content", [None, b"", b"no model"])
def test_a_file_that_is_no_model_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"model\.onnx"):
        read_model(path)
