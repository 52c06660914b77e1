"""A finished model for other meters: the same raw score, their own probability and threshold."""

from dataclasses import replace

import numpy as np
import onnx
import pytest

from model_export.calibration import alarms
from model_export.dataset import FeatureTable
from model_export.errors import DataError, TrainingError
from model_export.export import facts_of, parsed, raw_rows, score_rows, with_metadata
from model_export.families import FAMILIES
from model_export.recalibrate import examined, recalibrated
from tests.model_export.detectors import small_detectors, small_table


def restless() -> FeatureTable:
    """Meters whose ordinary days look strange to a model of small homes."""
    table = small_table(seed=30)
    return replace(table, matrix=np.clip(table.matrix * 1.5, -32, 32))


def rate(model: bytes, table: FeatureTable) -> float:
    found = score_rows(model, table.matrix).found
    return alarms(found, table.meter, table.start_ms) / table.meter_weeks()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_wanted_rate_holds_on_the_meters_it_was_set_for(family: str) -> None:
    model = small_detectors()[family].export({"created": "then"})
    fresh = recalibrated(model, restless(), 1.0, {"command": "again"})
    assert 0.5 < rate(fresh.model, restless()) <= 1.0
    assert float(fresh.facts["alarms_per_meter_week"]) == pytest.approx(rate(fresh.model, restless()), abs=1e-3)
    np.testing.assert_array_equal(
        raw_rows(parsed(model, ""), restless().matrix), raw_rows(parsed(fresh.model, ""), restless().matrix)
    )


def test_the_new_file_says_where_it_comes_from() -> None:
    model = small_detectors()["gmm"].export({"created": "then"})
    old, fresh = facts_of(model), recalibrated(model, restless(), 1.0, {"command": "again"})
    assert fresh.facts["calibrated_from"] == old["weights_sha256"]
    assert fresh.facts["version"] != old["version"]
    assert fresh.facts["training_sha256"] == old["training_sha256"]
    assert fresh.facts["calibration_sha256"] == restless().digest()
    assert fresh.facts["created"] == "then"
    assert fresh.facts["command"] == "again"
    assert examined(fresh.model).reference_error == 0.0


def test_what_was_made_anew_can_be_made_anew_again() -> None:
    model = small_detectors()["ensemble"].export({})
    once = recalibrated(model, restless(), 1.0).model
    twice = recalibrated(once, restless(), 1.0).model
    assert score_rows(once, restless().matrix).found.tolist() == score_rows(twice, restless().matrix).found.tolist()
    assert len(onnx.load_from_string(twice).graph.initializer) == len(onnx.load_from_string(model).graph.initializer)


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (replace(small_table(), interval_ms=60_000), "intervals of 1800000 ms, the data have 60000"),
        (replace(small_table(), matrix=np.zeros_like(small_table().matrix)), "do not vary"),
        (small_table().of_meters([]), "too few"),
    ],
)
def test_data_that_do_not_fit_are_refused(table: FeatureTable, problem: str) -> None:
    with pytest.raises((DataError, TrainingError), match=problem):
        recalibrated(small_detectors()["gmm"].export({}), table, 1.0)


def stripped(model: bytes) -> bytes:
    """The model without the tensor that recalibration looks for."""
    parsed_model = onnx.load_from_string(model)
    for node in parsed_model.graph.node:
        for names in (node.input, node.output):
            names[:] = ["hidden" if name == "raw" else name for name in names]
    content: bytes = parsed_model.SerializeToString()
    return content


def relabelled(model: bytes, **facts: str) -> bytes:
    return with_metadata(onnx.load_from_string(model), facts_of(model) | facts)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda _: b"", "no model of the feature contract"),
        (lambda _: b"no model", "no ONNX"),
        (lambda model: relabelled(model, contract="interval-v0"), "no model of the feature contract"),
        (stripped, "no raw score"),
    ],
)
def test_files_that_are_no_such_model_are_refused(damage, problem: str) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    with pytest.raises(DataError, match=problem):
        recalibrated(damage(small_detectors()["gmm"].export({})), small_table(), 1.0)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_file_proves_itself(family: str) -> None:
    model = small_detectors()[family].export({})
    found = examined(model)
    assert found.reference_error <= 1e-6
    assert found.opsets == {"ai.onnx": 17, "ai.onnx.ml": 3}
    assert found.size == len(model)
    assert found.facts["family"] == family
    assert "reference_rows" not in found.facts


def test_a_model_that_computes_otherwise_than_where_it_was_made_is_refused() -> None:
    model = onnx.load_from_string(small_detectors()["gmm"].export({}))
    for weights in model.graph.initializer:
        if len(weights.dims) == 2 and weights.name.startswith("part_0_"):
            bent = onnx.numpy_helper.to_array(weights) * np.float32(1.01)
            weights.CopyFrom(onnx.numpy_helper.from_array(bent, weights.name))
    with pytest.raises(DataError, match="reference rows are off by"):
        examined(model.SerializeToString())


def test_a_model_without_reference_rows_is_refused() -> None:
    model = small_detectors()["gmm"].export({})
    with pytest.raises(DataError, match="no reference rows"):
        examined(with_metadata(onnx.load_from_string(model), facts_of(model)))
