"""Which files are forecasters, and which are not."""

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

import cloud_stream
from tests.wattline.forecasting.scenes import home_like, mixed_scene, scene_of
from wattline.errors import ConfigError
from wattline.forecasting.errors import ForecasterError
from wattline.forecasting.features import CONTRACT, NAMES
from wattline.forecasting.naive import SeasonalNaive
from wattline.forecasting.onnx_forecaster import MAX_MODEL_BYTES, OnnxForecaster, load_forecaster

FACTORY = Path(cloud_stream.__file__).parent / "forecasters"
FACTS = {"contract": CONTRACT, "features": ",".join(NAMES), "interval_ms": "1800000", "level": "meter", "version": "1"}


def model(facts: dict[str, str], width: int = len(NAMES), outputs: int = 4, kind: int = TensorProto.FLOAT) -> bytes:
    """A graph that gives its first columns back."""
    nodes = [helper.make_node("Slice", ["features", "begin", "end", "axis"], ["forecast"])]
    constants = [
        helper.make_tensor(name, TensorProto.INT64, [1], [value])
        for name, value in {"begin": 0, "end": outputs, "axis": 1}.items()
    ]
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("features", kind, ["N", width])],
        [helper.make_tensor_value_info("forecast", kind, ["N", outputs])],
        constants,
    )
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(whole, facts)
    content: bytes = whole.SerializeToString()
    return content


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        pytest.param(b"no model", "is no model that can run here", id="garbage"),
        pytest.param(b"", "is no model that can run here", id="empty"),
        pytest.param(b"x" * (MAX_MODEL_BYTES + 1), "larger than", id="huge"),
        pytest.param(model({}), "made for the contract 'none'", id="no contract"),
        pytest.param(model(FACTS | {"contract": "interval-v1"}), "not 'forecast-v1'", id="a detector"),
        pytest.param(model(FACTS | {"features": "last"}), "its features are not those", id="other features"),
        pytest.param(model(FACTS, width=50), "takes", id="other width"),
        pytest.param(model(FACTS, outputs=3), "gives", id="other outputs"),
        pytest.param(model(FACTS, kind=TensorProto.DOUBLE), "takes", id="other type"),
        pytest.param(model(FACTS | {"interval_ms": "soon"}), "its metadata", id="no interval"),
        pytest.param(model({name: fact for name, fact in FACTS.items() if name != "level"}), "'level'", id="no level"),
        pytest.param(model(FACTS | {"level": "street"}), "'street'", id="unknown level"),
    ],
)
def test_what_is_no_forecaster_is_refused_in_one_line(content: bytes, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ForecasterError, match=complaint) as caught:
        load_forecaster(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ConfigError)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ForecasterError, match="No such file"):
        load_forecaster(tmp_path / "none.onnx")


def test_scenes_of_another_length_of_interval_are_refused() -> None:
    with pytest.raises(ForecasterError, match="is for intervals of 1800000 ms, not 3600000"):
        OnnxForecaster(FACTORY / "meter-30m.onnx").forecast(mixed_scene(interval_ms=3_600_000))


def test_too_little_history_is_forecast_as_by_the_week_before() -> None:
    scene = mixed_scene()
    said, naive = OnnxForecaster(FACTORY / "meter-30m.onnx").forecast(scene), SeasonalNaive().forecast(scene)
    assert said.by_model.tolist() == [True, True, False, False, False, True, True, True, True]
    for row in (2, 4):
        assert said.energy_kwh[row].tolist() == pytest.approx(naive.energy_kwh[row].tolist(), nan_ok=True)
        assert said.upper[row].tolist() == pytest.approx(naive.upper[row].tolist(), nan_ok=True)


def test_a_graph_that_fails_is_the_forecasters_own_error(tmp_path: Path) -> None:
    whole = onnx.load_from_string(model(FACTS))
    # Begins with two columns more than there are axes: only found when it runs.
    whole.graph.initializer[2].CopyFrom(helper.make_tensor("axis", TensorProto.INT64, [1], [7]))
    path = tmp_path / "model.onnx"
    path.write_bytes(whole.SerializeToString())
    with pytest.raises(ForecasterError):
        OnnxForecaster(path).forecast(scene_of(home_like(1, 1)))


@pytest.mark.parametrize("file", sorted(FACTORY.glob("*.onnx")), ids=lambda file: file.name)
def test_models_that_come_with_the_program_are_small_and_of_simulated_homes(file: Path) -> None:
    level, _, length = file.stem.partition("-")
    forecaster = OnnxForecaster(file)
    facts = {entry.key: entry.value for entry in onnx.load(file).metadata_props}
    assert file.stat().st_size <= 2_000_000
    assert (forecaster.level, forecaster.interval_ms) == (level, {"30m": 1_800_000, "1h": 3_600_000}[length])
    assert facts["dataset"] == "simulated"
    assert facts["command"].startswith("wattline models train --task forecast --dataset simulated")
    assert f"--level {level}" in facts["command"]


def test_there_is_one_for_every_level_and_length() -> None:
    assert {file.stem for file in FACTORY.glob("*.onnx")} == {
        f"{level}-{length}" for level in ("meter", "aggregate") for length in ("30m", "1h")
    }
