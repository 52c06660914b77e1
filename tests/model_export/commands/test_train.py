"""`wattline models train` as a person calls it, and the models that it made."""

import json
import shlex
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from edge_agent.detectors.onnx import FACTORY_MODELS
from model_export.dataset import feature_table
from model_export.export import read_model, score_rows
from model_export.families import FAMILIES
from model_export.sources.simulated import Spec, simulated_series
from tests.model_export.buildings import labelled_building, write_building
from tests.model_export.commands.run import run

SMALL = ["--family", "kmeans", "--homes", "6", "--days", "12", "--interval", "30m"]


def test_train_writes_a_model_that_evaluate_judges(tmp_path: Path) -> None:
    out = tmp_path / "new" / "model.onnx"
    code, printed, _ = run("train", *SMALL, "--out", str(out), "--json")
    assert code == 0
    facts = json.loads(printed)
    assert (facts["file"], facts["bytes"], facts["interval_ms"]) == (str(out), out.stat().st_size, "1800000")
    assert "--homes 6 --days 12 --interval 30m --seed 1" in facts["command"]
    assert run("evaluate", str(out), "--homes", "4", "--days", "8", "--json")[0] == 0


def test_the_factory_model_finds_night_loads_and_rarely_cries_wolf() -> None:
    code, printed, _ = run("evaluate", str(FACTORY_MODELS[1_800_000]), "--homes", "12", "--days", "40", "--json")
    assert code == 0
    figures = json.loads(printed)
    assert figures["meters"] == 12
    assert figures["faults_night_load"] > 20
    assert figures["recall_night_load"] > 0.6
    assert figures["recall_drift"] > 0.8
    assert figures["false_alarms_per_meter_week"] < 2.5


def test_the_build_time_can_be_fixed_so_that_files_repeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795132800")
    for name in ("a.onnx", "b.onnx"):
        assert run("train", *SMALL, "--out", str(tmp_path / name))[0] == 0
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_the_recorded_command_makes_the_model_again(tmp_path: Path) -> None:
    data = write_building(tmp_path / "two words", labelled_building(1)).parent
    first, again = tmp_path / "first.onnx", tmp_path / "again.onnx"
    options = ["--family", "kmeans", "--dataset", "lead", "--data", str(data), "--alarms", "0.5", "--seed", "9"]
    assert run("train", *options, "--out", str(first))[0] == 0
    facts = read_model(first)[1]
    assert "--days" not in facts["command"]
    assert run(*shlex.split(facts["command"])[2:], "--out", str(again))[0] == 0
    assert read_model(again)[1]["weights_sha256"] == facts["weights_sha256"]
    assert read_model(again)[1]["command"] == facts["command"]


def test_commands_of_older_model_files_are_understood(tmp_path: Path) -> None:
    old = "wattline models train --family kmeans --data simulated --homes 4 --days 10 --interval 1h --seed 1 --alarms 1"
    assert run(*shlex.split(old)[2:], "--out", str(tmp_path / "m.onnx"))[0] == 0


def test_what_cleaning_left_out_is_told(tmp_path: Path) -> None:
    data = write_building(tmp_path / "data", labelled_building(1)).parent
    write_building(data, labelled_building(2, days=16))
    code, printed, told = run("train", "--family", "kmeans", "--dataset", "lead", "--data", str(data), "--json",
                              "--out", str(tmp_path / "m.onnx"))  # fmt: skip
    assert code == 0
    assert "left out 2: 16" in told
    figures = json.loads(printed)
    assert list(figures["excluded"]) == ["2"]
    assert figures["cleaning"]["rows"] == 76 * 24


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--family", "oracle"], f"there are {', '.join(FAMILIES)}"),
        (["--interval", "soon"], "--interval"),
        (["--interval", "7m"], "whole part of a day"),
        (["--dataset", "csv"], "--data"),
        (["--dataset", "csv", "--data", "."], "holds no"),
        (["--dataset", "london", "--data", "nowhere"], "no such file or folder"),
        (["--dataset", "weather"], "there are simulated, london, lead, csv, archive"),
        (["--data", "."], "say --dataset"),
        (["--homes", "2", "--days", "5", "--interval", "1h"], "too few"),
        (["--out", "/dev/null/model.onnx", *SMALL], "/dev/null"),
        (["--out", "/dev", *SMALL], "/dev: Is a directory"),
    ],
)
def test_a_mistake_is_one_readable_line_and_status_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, printed, complaint = run("train", *arguments)
    assert (code, printed) == (2, "")
    assert problem in complaint
    assert complaint.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("interval_ms", FACTORY_MODELS)
def test_a_factory_model_comes_out_of_its_recorded_command_again(interval_ms: int, tmp_path: Path) -> None:
    factory, facts = read_model(FACTORY_MODELS[interval_ms])
    out = tmp_path / "again.onnx"
    program, part, *arguments = shlex.split(facts["command"])
    assert (program, part) == ("wattline", "models")
    assert run(*arguments, "--out", str(out))[0] == 0
    rows = feature_table(simulated_series(Spec(homes=4, days=4, interval_ms=interval_ms, seed=77))).matrix
    old, new = score_rows(factory, rows), score_rows(read_model(out)[0], rows)
    np.testing.assert_allclose(new.score, old.score, atol=1e-5)


def test_the_oldest_supported_runtime_can_read_the_factory_models() -> None:
    for path in FACTORY_MODELS.values():
        model = onnx.load(str(path))
        assert model.ir_version <= 8
        assert onnxruntime.InferenceSession(str(path)).get_inputs()[0].name == "features"
