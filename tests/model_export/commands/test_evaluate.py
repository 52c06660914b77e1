"""`wattline models evaluate` as a person calls it."""

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_export.dataset import MeterSeries
from tests.model_export.buildings import HEADER, labelled_building, write_building
from tests.model_export.commands.run import run

QUICK = ("--family", "kmeans", "--train-days", "40")


@pytest.fixture(scope="module")
def lead(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lead")
    for number in range(3):
        write_building(folder, labelled_building(number))
    return folder


@pytest.fixture(scope="module")
def model(lead: Path) -> Path:
    out = lead.parent / "judged.onnx"
    assert run("train", "--family", "kmeans", "--dataset", "lead", "--data", str(lead), "--out", str(out))[0] == 0
    return out


def evaluated(*arguments: str) -> dict[str, Any]:
    code, printed, complaint = run("evaluate", *arguments, "--json")
    assert code == 0, complaint
    figures: dict[str, Any] = json.loads(printed)
    return figures


def test_labelled_buildings_are_judged_after_their_first_days(lead: Path) -> None:
    figures = evaluated("--dataset", "lead", "--data", str(lead), *QUICK, "--family", "all")
    assert (figures["dataset"], figures["train_days"], figures["meters"]) == ("lead", 40, 3)
    assert list(figures["families"]) == ["gmm", "iforest", "kmeans", "ocsvm", "residual", "ensemble"]
    assert [name for name, one in figures["families"].items() if one["default"]] == ["ensemble"]
    assert figures["roc_auc"] == figures["families"]["ensemble"]["roc_auc"] > 0.9
    assert figures["average_precision"] == figures["families"]["ensemble"]["average_precision"]
    for family in figures["families"].values():
        assert set(family["buildings"]) == {"0", "1", "2"}
        assert family["buildings"]["0"]["intervals"] == 20 * 24
        assert family["latency_us"] > 0
        assert 1000 < family["bytes"] < 1_000_000


@pytest.mark.parametrize("scheme", ["--per-building", "--leave-one-out"])
def test_each_building_can_have_a_model_of_its_own_or_of_the_others(lead: Path, scheme: str) -> None:
    figures = evaluated("--dataset", "lead", "--data", str(lead), *QUICK, scheme)
    assert figures["scheme"] == scheme.removeprefix("--")
    assert figures["roc_auc"] > 0.9


def test_the_same_seed_gives_the_same_figures(lead: Path) -> None:
    def figures() -> dict[str, Any]:
        found = evaluated("--dataset", "lead", "--data", str(lead), *QUICK, "--seed", "4")
        del found["families"]["kmeans"]["latency_us"]
        return found

    assert figures() == figures()


def test_a_report_is_written_and_says_how_to_make_it_again(lead: Path, tmp_path: Path) -> None:
    report = tmp_path / "new" / "report.html"
    code, printed, told = run("evaluate", "--dataset", "lead", "--data", str(lead), *QUICK, "--report", str(report))
    assert code == 0
    assert "ROC-AUC" in printed
    assert str(report) in told
    html = report.read_text()
    assert html.index("<pre>wattline models evaluate --dataset lead") > 0
    line = html.split("<pre>")[1].split("</pre>")[0].replace("&#x27;", "'")
    report.unlink()
    assert run(*shlex.split(line)[2:])[0] == 0
    assert report.exists()


def test_meters_without_labels_get_faults(tmp_path: Path) -> None:
    for number in range(4):
        write_building(tmp_path, labelled_building(number, faulty_from_day=900), HEADER.removesuffix(",anomaly"))
    code, printed, told = run("evaluate", "--dataset", "lead", "--data", str(tmp_path), *QUICK, "--json")
    assert code == 0
    assert "no labels" in told
    figures = json.loads(printed)
    assert (figures["meters_learned"], figures["meters"]) == (2, 2)
    assert set(figures["recall"]) == {"spike", "stuck", "drop_out", "drift", "night_load"}
    assert figures["recall"]["drop_out"]["rules"] == 1.0
    assert figures["families"]["kmeans"]["false_alarms_per_meter_week"]["model"] <= 1.0


def test_simulated_meters_get_faults_too() -> None:
    figures = evaluated("--homes", "4", "--days", "60", "--interval", "1h", "--family", "kmeans")
    assert figures["dataset"] == "simulated"
    assert figures["recall"]["spike"]["injected"] >= 2


def test_a_model_file_is_judged_as_it_is(lead: Path, model: Path) -> None:
    figures = evaluated(str(model), "--dataset", "lead", "--data", str(lead), "--train-days", "40")
    assert list(figures["families"]) == ["kmeans"]
    assert figures["families"]["kmeans"]["bytes"] == model.stat().st_size
    assert figures["roc_auc"] > 0.9


def test_a_model_file_on_simulated_meters_is_judged_on_the_simulators_own_faults(model: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    figures = evaluated(str(model), "--homes", "4", "--days", "20", "--report", str(report))
    assert figures["meters"] == 4
    assert figures["interval"] == "1h"
    assert {"recall_night_load", "faults_night_load", "false_alarms_per_meter_week"} <= set(figures)
    assert "false alarms per meter and week" in report.read_text()


def constant(name: str) -> MeterSeries:
    whole = labelled_building(0)
    rate = np.full(len(whole.intervals), 5.0)
    return replace(whole, name=name, intervals=replace(whole.intervals, mean=rate, low=rate, high=rate))


def valueless(name: str) -> MeterSeries:
    whole = labelled_building(0)
    return replace(whole, name=name, intervals=replace(whole.intervals, mean=np.full(len(whole.intervals), np.nan)))


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (constant("900"), "900"),
        (valueless("901"), "901"),
        (labelled_building(902, days=16), "16"),
    ],
)
def test_a_bad_meter_is_left_out_and_counted(tmp_path: Path, bad: MeterSeries, problem: str) -> None:
    for series in (labelled_building(0), labelled_building(1), bad):
        write_building(tmp_path, series)
    code, printed, told = run("evaluate", "--dataset", "lead", "--data", str(tmp_path), *QUICK, "--json")
    assert code == 0
    figures = json.loads(printed)
    assert set(figures["families"]["kmeans"]["buildings"]) == {"0", "1"}
    assert list(figures["excluded"]) == [bad.name]
    assert problem in told


@pytest.mark.parametrize("bad", [constant("900"), valueless("901"), labelled_building(902, days=16)])
def test_only_bad_meters_are_an_error(tmp_path: Path, bad: MeterSeries) -> None:
    write_building(tmp_path, bad)
    code, printed, complaint = run("evaluate", "--dataset", "lead", "--data", str(tmp_path), *QUICK, "--json")
    assert (code, printed) == (2, "")
    assert complaint.startswith("error: ")
    assert complaint.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "arguments", "problem"),
    [
        ("", ["--dataset", "lead", "--data", "DIR"], "other.csv"),
        ("a,b\n1,2\n", ["--dataset", "lead", "--data", "DIR"], "building_id, timestamp, meter_reading"),
        ("a,b\n1,2\n", ["--dataset", "london", "--data", "DIR"], "LCLid"),
        ("a,b\n1,2\n", ["--dataset", "csv", "--data", "DIR"], "no column of times"),
        ("a,b\n1,2\n", ["--dataset", "archive", "--data", "DIR"], ".parquet"),
        ("a,b\n1,2\n", ["DIR/other.csv"], "is no ONNX file"),
        (HEADER, ["--dataset", "lead", "--data", "DIR"], ""),
        (None, ["--dataset", "lead", "--data", "DIR"], "holds no"),
        (None, ["--dataset", "lead", "--data", "DIR/nowhere"], "nowhere"),
        (None, ["--dataset", "csv"], "--data"),
        (None, ["--dataset", "weather"], "there are simulated, london, lead, csv, archive"),
        (None, ["--family", "oracle"], "there are all, gmm"),
        (None, ["--per-building", "--leave-one-out"], "only one of them"),
        (None, ["--interval", "7m"], "whole part of a day"),
        (None, ["none.onnx"], "No such file"),
        (None, ["--homes", "1", "--interval", "1h", "--days", "30"], "at least two meters"),
        (None, ["--homes", "2", "--interval", "1h", "--days", "9"], "21 are needed"),
        (None, ["--homes", "2", "--report", "/dev/null/report.html"], "/dev/null"),
    ],
)
def test_a_mistake_is_one_readable_line_and_status_2(
    tmp_path: Path, content: str | None, arguments: list[str], problem: str
) -> None:
    if content is not None:
        (tmp_path / "other.csv").write_text(content)
    code, printed, complaint = run("evaluate", *(word.replace("DIR", str(tmp_path)) for word in arguments))
    assert (code, printed) == (2, "")
    assert problem in complaint
    assert complaint.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--train-days", "60"), "goes on after the first 60 days"),
        (("--train-days", "40", "--homes", "1", "--leave-one-out"), "only one meter"),
        (("--train-days", "40", "--labels", "LABELS"), "none of its 1 labels"),
        (("--train-days", "4"), "no detector could be trained"),
    ],
)
def test_labelled_meters_that_make_no_trial_are_refused(
    lead: Path, tmp_path: Path, arguments: tuple[str, ...], problem: str
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("building_id,timestamp,anomaly\n77,2016-02-01 00:00:00,1\n")
    words = [word.replace("LABELS", str(labels)) for word in arguments]
    code, printed, complaint = run("evaluate", "--dataset", "lead", "--data", str(lead), "--family", "kmeans", *words)
    assert (code, printed) == (2, "")
    assert problem in complaint


def test_labels_can_come_in_a_file_of_their_own(tmp_path: Path) -> None:
    labels: list[str] = []
    for number in range(2):
        file = write_building(tmp_path / "labels", labelled_building(number))
        labels += file.read_text().splitlines()[number > 0 :]
        write_building(tmp_path / "data", labelled_building(number), HEADER.removesuffix(",anomaly"))
    (tmp_path / "labels.csv").write_text("\n".join(labels) + "\n")
    data = ("--dataset", "lead", "--data", str(tmp_path / "data"), "--labels", str(tmp_path / "labels.csv"))
    figures = evaluated(*data, *QUICK)
    assert figures["meters"] == 2
    assert figures["roc_auc"] > 0.9
