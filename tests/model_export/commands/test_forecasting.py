"""`--task forecast` of `wattline models train` and `evaluate`, as a person calls it."""

import json
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_export.forecast.training import Wish
from tests.model_export.commands.run import run
from wattline.forecasting.onnx_forecaster import OnnxForecaster

FORECAST = ("--task", "forecast")
SMALL = (*FORECAST, "--dataset", "simulated", "--homes", "4", "--days", "45", "--interval", "1h")


@pytest.fixture(scope="module", autouse=True)
def few_examples() -> Iterator[None]:
    """Learning from fewer rows than a person's training does."""
    small = partial(Wish, most_rows=3000)
    with pytest.MonkeyPatch.context() as patch:
        for module in ("training", "trials"):
            patch.setattr(f"model_export.forecast.{module}.Wish", small)
        yield


def write_homes(folder: Path, homes: int, days: int, minutes: int = 60) -> Path:
    """A CSV file per home."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    start = datetime(2026, 3, 1, tzinfo=UTC)
    for home in range(homes):
        steps = range(days * 24 * 60 // minutes)
        lines = [
            f"{(start + timedelta(minutes=minutes * i)).isoformat()},{rng.lognormal(-1, 0.5) + (i % 24 > 17):.3f}"
            for i in steps
        ]
        (folder / f"home-{home}.csv").write_text("timestamp,energy_kwh\n" + "\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def csv_homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_homes(tmp_path_factory.mktemp("csv") / "homes", 5, 50)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("models") / "homes.onnx"
    code, printed, complaint = run("train", *SMALL, "--out", str(out), "--json")
    assert code == 0, complaint
    facts: dict[str, Any] = json.loads(printed)
    return out, facts


def test_training_writes_a_forecaster_and_says_how_to_make_it_again(trained: tuple[Path, dict[str, Any]]) -> None:
    out, facts = trained
    forecaster = OnnxForecaster(out)
    assert (forecaster.level, forecaster.interval_ms) == ("meter", 3_600_000)
    assert (facts["file"], facts["bytes"]) == (str(out), out.stat().st_size)
    words = shlex.split(facts["command"])
    assert words[:3] == ["wattline", "models", "train"]
    again = out.with_name("again.onnx")
    assert run(*words[2:], "--out", str(again))[0] == 0
    assert OnnxForecaster(again).name == forecaster.name


@pytest.mark.parametrize("level", ["meter", "aggregate"])
def test_own_meters_make_a_forecaster_of_either_level(csv_homes: Path, tmp_path: Path, level: str) -> None:
    out = tmp_path / "own.onnx"
    place = ("--time-zone", "Europe/Berlin", "--country", "DE")
    code, printed, complaint = run("train", *FORECAST, "--dataset", "csv", "--data", str(csv_homes), "--interval", "1h",
                                   "--level", level, *place, "--out", str(out), "--json")  # fmt: skip
    assert code == 0, complaint
    assert OnnxForecaster(out).level == level
    assert "--time-zone Europe/Berlin --country DE" in json.loads(printed)["command"]


def test_evaluation_says_how_good_models_of_other_homes_are(csv_homes: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    code, printed, complaint = run("evaluate", *FORECAST, "--dataset", "csv", "--data", str(csv_homes), "--interval",
                                   "1h", "--test-days", "5", "--report", str(page), "--json")  # fmt: skip
    assert code == 0, complaint
    figures = json.loads(printed)
    assert figures["tested"] == ["2026-04-15", "2026-04-20"]
    assert figures["learned_from"] == ["2026-03-01", "2026-04-15"]
    assert figures["mae_ratio"] == figures["day_ahead"]["mae_ratio"] < 0.95
    assert figures["weather"] == "none"
    assert "with_measured_weather" not in figures
    assert set(figures["by_lead_h"]) == {"1", "3", "6", "12", "24", "36", "48"}
    assert figures["sum"]["members"] == 5
    assert 0 < figures["sum_mape"] < 0.5
    html = page.read_text()
    assert html.count("<img") == 4 + 3 + 2 + 3
    assert "wattline models evaluate --task forecast --dataset csv" in html


def test_a_file_is_judged_as_it_is_and_the_weather_is_told_apart(trained: tuple[Path, dict[str, Any]]) -> None:
    code, printed, complaint = run("evaluate", str(trained[0]), *SMALL, "--seed", "9", "--test-days", "3", "--json")
    assert code == 0, complaint
    figures = json.loads(printed)
    assert figures["model"] == str(trained[0])
    assert figures["day_ahead"]["intervals"] == 4 * 3 * 24
    assert figures["with_measured_weather"]["day_ahead"]["mae_kwh"] != figures["day_ahead"]["mae_kwh"]
    assert "sum" not in figures


def test_without_json_a_person_reads_lines(trained: tuple[Path, dict[str, Any]]) -> None:
    code, printed, _ = run("evaluate", str(trained[0]), *SMALL, "--test-days", "2")
    assert code == 0
    assert "mae ratio: 0." in printed


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("train", "--task", "guess"), "--task guess: there are detect and forecast"),
        (("train", *FORECAST, "--interval", "15m"), "30m or 1h"),
        (("train", *FORECAST, "--level", "street"), "--level street: there are meter, aggregate"),
        (("train", *FORECAST, "--alarms", "2"), "--alarms: means nothing with --task forecast"),
        (("train", "--country", "GB"), "--country: means nothing with --task detect"),
        (("train", *SMALL[:-4], "--days", "45", "--homes", "1"), "1 meter; a forecaster for all learns from 2"),
        (("train", *FORECAST, "--homes", "3", "--days", "5"), "5 days to learn from"),
        (("train", *FORECAST, "--dataset", "csv"), "say with --data where the files are"),
        (("train", *FORECAST, "--dataset", "gas"), "--dataset gas: there are"),
        (("train", *FORECAST, "--dataset", "csv", "--data", "HOMES", "--time-zone", "Mars/Base"), "is no time zone"),
        (("evaluate", *FORECAST, "--train-days", "5"), "--train-days: means nothing with --task forecast"),
        (("evaluate", "--test-days", "5"), "--test-days: means nothing with --task detect"),
        (("evaluate", *SMALL, "--test-from", "yesterday"), "expected a day such as 2013-11-01"),
        (("evaluate", *SMALL, "--test-from", "2031-01-01"), "leave nothing to learn from or to test"),
        (("evaluate", *FORECAST, "--homes", "1", "--days", "45"), "1 meter; with 2 or more"),
        (("evaluate", "HOMES/home-0.csv", *FORECAST), "is no model that can run here"),
        (("evaluate", "HOMES/none.onnx", *FORECAST), "No such file"),
    ],
)
def test_a_mistake_is_one_line_and_exit_status_2(arguments: tuple[str, ...], complaint: str, csv_homes: Path) -> None:
    code, printed, said = run(*(word.replace("HOMES", str(csv_homes)) for word in arguments))
    assert (code, printed) == (2, "")
    assert complaint in said.splitlines()[-1]
    assert said.splitlines()[-1].startswith("error: ")


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_help_has_examples(command: str) -> None:
    assert f"wattline models {command} --task forecast" in " ".join(run(command, "--help")[1].split())
