"""`wattline models export` as a person calls it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_agent.detectors.onnx import OnnxDetector
from model_export.calibration import alarms
from model_export.dataset import MeterSeries, feature_table
from tests.model_export.buildings import labelled_building, write_building
from tests.model_export.commands.run import run


def restless(number: int) -> MeterSeries:
    """A building that does less of the same every day than those of the training."""
    building = labelled_building(number, faulty_from_day=900)
    rate = building.intervals.mean * np.random.default_rng(number).lognormal(0.0, 0.6, len(building.intervals))
    return replace(building, intervals=replace(building.intervals, mean=rate, low=rate, high=rate))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    for number in range(3):
        write_building(folder, labelled_building(number, faulty_from_day=900))
    out = folder / "model.onnx"
    assert run("train", "--family", "kmeans", "--dataset", "lead", "--data", str(folder), "--out", str(out))[0] == 0
    return out


def test_a_model_file_is_checked_as_an_edge_would(model: Path) -> None:
    code, printed, _ = run("export", str(model), "--json")
    assert code == 0
    told = json.loads(printed)
    assert (told["file"], told["bytes"], told["family"]) == (str(model), model.stat().st_size, "kmeans")


@pytest.mark.parametrize("rate", [0.5, 2.0])
def test_the_threshold_is_set_to_the_alarms_that_a_person_can_bear_on_other_meters(
    model: Path, tmp_path: Path, rate: float
) -> None:
    others = [restless(number) for number in range(10, 13)]
    for building in others:
        write_building(tmp_path / "mine", building)
    out = tmp_path / "mine.onnx"
    code, printed, _ = run("export", str(model), "--dataset", "lead", "--data", str(tmp_path / "mine"),
                           "--alarms", str(rate), "--out", str(out), "--json")  # fmt: skip
    assert code == 0
    told = json.loads(printed)
    assert f"--alarms {rate:g}" in told["command"]
    table = feature_table(others)

    def alarms_of(path: Path) -> float:
        found = OnnxDetector(path).score(table.matrix)[1]
        return alarms(found, table.meter, table.start_ms) / table.meter_weeks()

    assert alarms_of(model) > 3.0
    assert 0.5 * rate < alarms_of(out) <= rate + 0.05


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["none.onnx"], "No such file"),
        (["other.csv"], "is no ONNX file"),
        (["MODEL", "--out", "x.onnx"], "both --dataset and --out"),
        (["MODEL", "--dataset", "lead"], "both --dataset and --out"),
        (["MODEL", "--dataset", "simulated", "--out", "x.onnx"], "nothing of your own meters"),
        (["MODEL", "--dataset", "csv", "--out", "x.onnx"], "--data"),
        (["MODEL", "--dataset", "csv", "--data", "other.csv", "--out", "x.onnx"], "no column of times"),
        (["MODEL", "--dataset", "lead", "--data", ".", "--out", "/dev/null/x.onnx"], "/dev/null"),
    ],
)
def test_a_mistake_is_one_readable_line_and_status_2(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("other.csv").write_text("a,b\n1,2\n")
    code, printed, complaint = run("export", *(str(model) if word == "MODEL" else word for word in arguments))
    assert (code, printed) == (2, "")
    assert problem in complaint
    assert complaint.count("\n") == 1
    assert not Path("x.onnx").exists()
