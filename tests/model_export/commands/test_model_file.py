"""A model file is looked at before any work is done with it."""

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import helper

from model_export.commands.model_file import known_model
from model_export.errors import DataError
from tests.model_export.commands.run import run

Damage = Callable[[onnx.ModelProto], None]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("training") / "model.onnx"
    asked = ["--family", "kmeans", "--homes", "4", "--days", "10", "--interval", "1h"]
    assert run("train", *asked, "--out", str(out))[0] == 0
    return out


def fact(name: str, value: str | None) -> Damage:
    def damage(found: onnx.ModelProto) -> None:
        facts = {entry.key: entry.value for entry in found.metadata_props} | {name: value}
        helper.set_model_props(found, {key: said for key, said in facts.items() if said is not None})

    return damage


def no_nodes(found: onnx.ModelProto) -> None:
    del found.graph.node[:]


def unknown_node(found: onnx.ModelProto) -> None:
    found.graph.node[0].op_type = "Frobnicate"


def no_outputs(found: onnx.ModelProto) -> None:
    del found.graph.output[:]


def test_a_model_is_taken_with_its_metadata(model: Path) -> None:
    content, facts = known_model(model)
    assert content == model.read_bytes()
    assert (facts["family"], facts["interval_ms"]) == ("kmeans", "3600000")


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (fact("contract", "interval-v0"), "no model of the feature contract"),
        (fact("family", None), "metadata"),
        (fact("interval_ms", None), "metadata"),
        (fact("interval_ms", "soon"), "metadata"),
        (fact("interval_ms", "0"), "metadata"),
        (fact("interval_ms", "-60000"), "metadata"),
        (fact("interval_ms", "420000"), "metadata"),
        (fact("threshold", None), "metadata"),
        (fact("threshold", "nan"), "metadata"),
        (fact("seed", "x"), "metadata"),
        (no_nodes, "cannot be run"),
        (unknown_node, "cannot be run"),
        (no_outputs, "cannot be run"),
    ],
)
def test_a_damaged_model_is_one_line(model: Path, tmp_path: Path, damage: Damage, problem: str) -> None:
    found = onnx.load(str(model))
    damage(found)
    (tmp_path / "damaged.onnx").write_bytes(found.SerializeToString())
    for command in ("export", "evaluate"):
        code, printed, complaint = run(command, str(tmp_path / "damaged.onnx"))
        assert (code, printed) == (2, "")
        assert problem in complaint
        assert complaint.count("\n") == 1


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "huge.onnx").open("wb") as huge:
        huge.truncate(6_000_000_000)
    with pytest.raises(DataError, match="6,000,000,000 bytes"):
        known_model(tmp_path / "huge.onnx")


@pytest.mark.parametrize(
    ("name", "problem"),
    [(".", "is no file"), ("/dev/zero", "is no file"), ("none.onnx", "No such file"), ("cut.onnx", "is no ONNX file")],
)
def test_what_is_no_model_file_is_said(model: Path, tmp_path: Path, name: str, problem: str) -> None:
    (tmp_path / "cut.onnx").write_bytes(model.read_bytes()[:2_000])
    with pytest.raises(DataError, match=problem):
        known_model(tmp_path / name)


@pytest.mark.parametrize("option", [("--alarms", "1e9"), ("--alarms", "inf"), ("--alarms", "0"), ("--homes", "0")])
@pytest.mark.parametrize("command", ["train", "evaluate", "export"])
def test_a_number_without_meaning_is_refused(command: str, option: tuple[str, str]) -> None:
    assert run(command, *(["m.onnx"] if command == "export" else []), *option)[0] == 2


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_a_seed_that_no_generator_takes_is_refused(command: str) -> None:
    assert run(command, "--seed", str(2**32))[0] == 2
