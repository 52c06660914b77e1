"""`python -m model_export.batch`: JSON on stdout, or one line on stderr."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from model_export.batch.__main__ import main
from model_export.batch.engines import Engine, check_engine
from model_export.errors import ModelExportError
from simulators.london_files import LondonFiles, make_files
from tests.model_export.batch.surveys import living, survey
from wattline.errors import WattlineError

_SPARK_TIMEOUT_S = 240


def test_a_run_prints_its_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = survey(tmp_path / "in", living("A", 10))
    assert main(["run", "--data", str(folder), "--out", str(tmp_path / "out")]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["counts"]["rows"], summary["days"]) == (480, 10)
    assert set(summary["steps_s"]) == {"read", "forecast", "anomalies", "write"}
    assert summary["seconds"] == pytest.approx(sum(summary["steps_s"].values()), abs=0.01)


def test_runs_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = survey(tmp_path / "in", living("A", 200))
    runs = [str(tmp_path / name) for name in ("one", "other")]
    for run in runs:
        main(["run", "--data", str(folder), "--out", run])
    capsys.readouterr()
    assert main(["compare", *runs]) == 0
    assert json.loads(capsys.readouterr().out)["agrees"]


def test_what_is_wrong_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", f"error: {tmp_path}: holds no .csv or .csv.gz file\n")


@pytest.mark.timeout(_SPARK_TIMEOUT_S + 60)
def test_pyspark_comes_to_the_same_or_says_what_it_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is an extra of its own, and large: where it or Java is missing, the clear line is what there is to test."""
    made = make_files(LondonFiles(rows=100_000, files=5, homes=2), tmp_path)
    runs = {engine: tmp_path / engine for engine in Engine}
    assert main(["run", "--data", str(made), "--out", str(runs[Engine.POLARS])]) == 0
    try:
        check_engine(Engine.PYSPARK)
    except (ModelExportError, WattlineError) as error:
        lacks = str(error)
    else:
        lacks = ""
    # A process of its own: a JVM that was started stays for the rest of a process.
    command = [sys.executable, "-m", "model_export.batch", "run", "--engine", "pyspark", "--memory-gb", "1"]
    command += ["--data", str(made), "--out", str(runs[Engine.PYSPARK])]
    run = subprocess.run(command, capture_output=True, text=True, timeout=_SPARK_TIMEOUT_S, check=False)
    if lacks:
        assert (run.returncode, run.stderr) == (2, f"error: {lacks}\n")
        return
    assert run.returncode == 0, run.stderr
    capsys.readouterr()
    assert main(["compare", *map(str, runs.values())]) == 0
    agreement = json.loads(capsys.readouterr().out)
    assert agreement["agrees"], agreement
    assert agreement["daily_difference"] < 1e-12
