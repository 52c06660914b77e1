"""Model files: the agent's own work, others are refused with a reason."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_agent.detectors.onnx import FACTORY_MODELS, DetectorShelf, OnnxDetector
from edge_agent.errors import ModelError
from wattline.features import CONTRACT, NAMES

FACTS = {
    "contract": CONTRACT,
    "features": ",".join(NAMES),
    "interval_ms": "60000",
    "threshold": "0.5",
    "family": "first",
    "version": "1",
}


def model_file(
    folder: Path,
    facts: dict[str, str] | None = None,
    *,
    width: int = len(NAMES),
    entry: str = "features",
    score: str = "score",
    factor: float = 1.0,
) -> Path:
    """A model whose score is the first feature."""
    nodes = [
        helper.make_node("Gather", [entry, "zero"], ["column"], axis=1),
        helper.make_node("Mul", ["column", "factor"], [score]),
        helper.make_node("GreaterOrEqual", [score, "half"], ["is_anomaly"]),
    ]
    graph = helper.make_graph(
        nodes,
        "first",
        [helper.make_tensor_value_info(entry, TensorProto.FLOAT, ["N", width])],
        [
            helper.make_tensor_value_info(score, TensorProto.FLOAT, ["N"]),
            helper.make_tensor_value_info("is_anomaly", TensorProto.BOOL, ["N"]),
        ],
        [
            numpy_helper.from_array(np.array(0, np.int64), "zero"),
            numpy_helper.from_array(np.array(0.5, np.float32), "half"),
            numpy_helper.from_array(np.array(factor, np.float32), "factor"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, FACTS if facts is None else facts)
    path = folder / "model.onnx"
    onnx.save(model, str(path))
    return path


def test_a_model_scores_all_meters_in_one_call(tmp_path: Path) -> None:
    detector = OnnxDetector(model_file(tmp_path))
    features = np.zeros((3, len(NAMES)), np.float32)
    features[:, 0] = [0.2, 0.5, 0.9]
    score, found = detector.score(features)
    assert score == pytest.approx([0.2, 0.5, 0.9])
    assert found.tolist() == [False, True, True]
    assert (detector.name, detector.threshold, detector.interval_ms) == ("first-1", 0.5, 60_000)


@pytest.mark.parametrize(
    ("facts", "options", "problem"),
    [
        ({**FACTS, "contract": "interval-v0"}, {}, "interval-v0"),
        ({}, {}, "contract 'none'"),
        ({**FACTS, "features": ",".join(reversed(NAMES))}, {}, "in their order"),
        ({**FACTS, "threshold": "high"}, {}, "metadata"),
        ({name: fact for name, fact in FACTS.items() if name != "interval_ms"}, {}, "interval_ms"),
        (FACTS, {"width": 3}, "takes"),
        (FACTS, {"entry": "x"}, "takes"),
        (FACTS, {"score": "points"}, "gives"),
    ],
)
def test_a_foreign_model_is_refused_with_the_reason(
    tmp_path: Path, facts: dict[str, str], options: dict[str, int | str], problem: str
) -> None:
    with pytest.raises(ModelError, match=problem):
        OnnxDetector(model_file(tmp_path, facts, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x08\x12\x00" * 100])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.onnx"):
        OnnxDetector(path)


def test_a_missing_and_a_huge_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No such file"):
        OnnxDetector(tmp_path / "none.onnx")
    huge = tmp_path / "huge.onnx"
    with huge.open("wb") as file:
        file.truncate(9 << 20)
    with pytest.raises(ModelError, match="larger"):
        OnnxDetector(huge)


def test_a_score_that_is_no_number_and_a_wrong_input_are_model_errors(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no score"):
        OnnxDetector(model_file(tmp_path, factor=np.inf)).score(np.ones((1, len(NAMES)), np.float32))
    with pytest.raises(ModelError, match="first-1"):
        OnnxDetector(model_file(tmp_path)).score(np.ones((1, 3), np.float32))


@pytest.mark.parametrize("interval_ms", FACTORY_MODELS)
def test_every_factory_model_loads_and_is_small(interval_ms: int) -> None:
    detector = DetectorShelf()(interval_ms)
    assert isinstance(detector, OnnxDetector)
    assert detector.interval_ms == interval_ms
    assert FACTORY_MODELS[interval_ms].stat().st_size < 500_000
    score, found = detector.score(np.zeros((34, len(NAMES)), np.float32))
    assert score.shape == found.shape == (34,)
    assert ((score >= 0) & (score <= 1)).all()


def test_a_configured_model_judges_its_own_length_of_interval_only(tmp_path: Path) -> None:
    shelf = DetectorShelf(model_file(tmp_path))
    assert shelf(60_000) is shelf(60_000) is not None
    assert shelf(1_800_000) is None


def test_without_a_configured_model_other_lengths_stay_unjudged() -> None:
    assert DetectorShelf()(12_345) is None


def test_a_configured_model_that_cannot_be_used_is_known_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        DetectorShelf(tmp_path / "none.onnx")
