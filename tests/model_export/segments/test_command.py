"""`wattline models segments` as a person calls it."""

import csv
import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from model_export.dataset import MeterSeries
from model_export.segments.command import app
from tests.model_export.segments.mixture import HALF_HOUR, SHAPES, kind_of, meter, mixture
from wattline.segments import load_segment_tags

OUTPUTS = {"segments.json", "segments.csv", "excluded.csv", "segments.png", "segments.html"}


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def homes_folder(folder: Path, series: Iterable[MeterSeries]) -> Path:
    """One CSV file per home."""
    folder.mkdir()
    for one in series:
        times = one.intervals.start_ms.tolist()
        amounts = (one.intervals.mean * HALF_HOUR / 3_600_000).tolist()
        lines = [f"{one.name},{t},{amount!r}" for t, amount in zip(times, amounts, strict=True)]
        (folder / f"{one.name.replace(' ', '-')}.csv").write_text("meter,t_ms,energy_kwh\n" + "\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    stuck = meter("stuck", np.full((28, 48), 0.5))
    return homes_folder(tmp_path_factory.mktemp("data") / "homes", [*mixture(homes=16), stuck])


def segment(homes: Path, out: Path, *more: str) -> dict[str, object]:
    code, printed, said = run("--dataset", "csv", "--data", str(homes), "--out", str(out), "--json", *more)
    assert (code, said) == (0, "")
    figures: dict[str, object] = json.loads(printed)
    return figures


def test_segments_are_found_and_written(homes: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "segments"
    figures = segment(homes, out)
    assert {file.name for file in out.iterdir()} == OUTPUTS
    assert (figures["k"], figures["meters"], figures["excluded"]) == (4, 16, {"constant": 1})
    tags = load_segment_tags(out / "segments.csv")
    assert tags == {one.name: kind_of(one.name).replace(" ", "-") for one in mixture(homes=16)}
    assert (out / "excluded.csv").read_text().startswith("meter,reason,detail\nstuck,constant,")
    assert json.loads((out / "segments.json").read_bytes())["version"] == 1


def test_the_same_data_give_the_same_files(homes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795132800")
    for name in ("a", "b"):
        segment(homes, tmp_path / name, "--k", "auto", "--seed", "7")
    for name in OUTPUTS:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_new_meters_are_placed_without_another_fit(homes: Path, tmp_path: Path) -> None:
    segment(homes, tmp_path / "out")
    before = (tmp_path / "out" / "segments.csv").read_bytes()
    new = homes_folder(
        tmp_path / "new", [*mixture(homes=4, seed=8), meter("brief", np.tile(SHAPES["daytime"], (3, 1)))]
    )
    figures = segment(new, tmp_path / "out", "--assign", str(tmp_path / "out" / "segments.json"))
    assert (figures["meters"], figures["excluded"]) == (4, {"too_few_days": 1})
    assert set(load_segment_tags(tmp_path / "out" / "assigned.csv").values()) == {
        name.replace(" ", "-") for name in SHAPES
    }
    assert (tmp_path / "out" / "segments.csv").read_bytes() == before


def test_placing_no_meter_at_all_is_no_result(homes: Path, tmp_path: Path) -> None:
    segment(homes, tmp_path / "out")
    brief = homes_folder(tmp_path / "brief", [meter("brief", np.tile(SHAPES["daytime"], (3, 1)))])
    place = ["--assign", str(tmp_path / "out" / "segments.json"), "--out", str(tmp_path / "placed")]
    code, printed, said = run("--dataset", "csv", "--data", str(brief), *place)
    assert (code, printed) == (2, "")
    assert said == "error: no meter has a profile, so none can be placed (left out: 1 too_few_days)\n"
    assert not (tmp_path / "placed").exists()


def test_files_of_another_layout_are_named(tmp_path: Path) -> None:
    for number, one in enumerate(mixture(homes=6)):
        times = one.intervals.start_ms.astype("datetime64[ms]").astype("datetime64[s]").tolist()
        lines = [f"MAC{number},{when},{rate!r}" for when, rate in zip(times, one.intervals.mean.tolist(), strict=True)]
        (tmp_path / f"{number}.csv").write_text("LCLid,tstp,energy(kWh/hh)\n" + "\n".join(lines) + "\n")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    code, _, said = run("--data", str(tmp_path), "--out", str(tmp_path / "out"), "--json")
    assert (code, said) == (0, "files of another layout, not read: other.csv\n")


def test_a_person_sees_a_table(homes: Path, tmp_path: Path) -> None:
    code, printed, _ = run("--dataset", "csv", "--data", str(homes), "--out", str(tmp_path), "--k", "4")
    assert code == 0
    assert "night load" in printed
    assert "left out: 1 constant" in printed


def test_london_homes_of_the_corpus(corpus: Path, tmp_path: Path) -> None:
    data = corpus / "forecast" / "london_lcl" / "homes"
    code, printed, _ = run("--data", str(data), "--out", str(tmp_path), "--k", "auto", "--json")
    figures = json.loads(printed)
    assert (code, figures["meters"], figures["chosen_by"]) == (0, 30, "silhouette")
    with (tmp_path / "segments.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 30
    assert all(float(row["distance"]) >= 0 and int(row["days"]) >= 14 for row in rows)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--k", "1"], "--k 1"),
        (["--k", "9"], "--k 9"),
        (["--k", "many"], "--k many"),
        (["--interval", "soon"], "--interval"),
        (["--interval", "7m"], "--interval"),
        (["--time-zone", "Mars"], "--time-zone Mars"),
        (["--dataset", "paris"], "paris: no such data set"),
        (["--dataset", "csv"], "say with --data where the files are"),
        (["--data", "{empty}"], "holds no"),
        (["--data", "{absent}"], "absent"),
        (
            ["--dataset", "csv", "--data", "{few}"],
            "4 segments need at least 5 meters with different profiles; there are 3",
        ),
        (["--dataset", "csv", "--data", "{few}", "--k", "3"], "3 segments need at least 4"),
        (["--dataset", "csv", "--data", "{one}", "--k", "auto"], "there are 1"),
        (["--data", "{wrong}"], "not a London file"),
        (["--assign", "{absent}"], "No such file"),
        (["--assign", "{wrong}/file.csv"], "is no file of segments"),
        (["--assign", "{wrong}/file.csv", "--interval", "1h"], "--assign"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_is_said_in_one_line(tmp_path: Path, arguments: list[str], problem: str) -> None:
    homes_folder(tmp_path / "few", mixture(homes=3))
    homes_folder(tmp_path / "one", mixture(homes=1))
    (tmp_path / "empty").mkdir()
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / "file.csv").write_text("a,b\n1,2\n")
    places = {name: str(tmp_path / name) for name in ("few", "one", "empty", "wrong", "absent")}
    out = tmp_path / "out"
    code, printed, said = run("--out", str(out), *(one.format(**places) for one in arguments))
    assert (code, printed) == (2, "")
    assert said.startswith("error: ")
    assert len(said.splitlines()) == 1
    assert problem in said
    assert not out.exists()


def test_a_folder_that_is_a_file_is_said(homes: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    code, _, said = run("--dataset", "csv", "--data", str(homes), "--out", str(tmp_path / "out"))
    assert (code, len(said.splitlines())) == (2, 1)
    shutil.rmtree(tmp_path)
