"""`wattline models batch`: a table for people, JSON for programs, one line when it cannot be."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from model_export.batch.command import batch
from tests.model_export.batch.surveys import FIRST_DAY, day_rows, living, row, survey

_app = typer.Typer()
_app.command()(batch)


def test_a_person_gets_a_table(tmp_path: Path) -> None:
    lines = [*living("A", 400), row("A", FIRST_DAY * 48, "Null"), *day_rows("A", FIRST_DAY)]
    shown = CliRunner().invoke(_app, ["--data", str(survey(tmp_path / "in", lines)), "--out", str(tmp_path / "out")])
    assert shown.exit_code == 0
    for words in ("19,249", "1 null, 48 duplicate", "400, 400 of them whole", "wrong by", "a week ago's use"):
        assert words in " ".join(shown.stdout.split())


def test_too_few_days_are_told(tmp_path: Path) -> None:
    folder = survey(tmp_path / "in", day_rows("A", FIRST_DAY))
    shown = CliRunner().invoke(_app, ["--data", str(folder), "--out", str(tmp_path / "out")])
    assert "too few days in a row" in shown.stdout
    assert "left out" in shown.stdout
    assert "none" in shown.stdout


def test_a_program_gets_json(tmp_path: Path) -> None:
    folder = survey(tmp_path / "in", living("A", 3))
    shown = CliRunner().invoke(_app, ["--data", str(folder), "--out", str(tmp_path / "out"), "--json"])
    assert json.loads(shown.stdout)["days"] == 3


def test_an_empty_folder_is_one_line(tmp_path: Path) -> None:
    shown = CliRunner().invoke(_app, ["--data", str(tmp_path), "--out", str(tmp_path / "out")])
    assert shown.exit_code == 2
    assert shown.stderr.strip() == f"error: {tmp_path}: holds no .csv or .csv.gz file"


@pytest.mark.parametrize("arguments", [[], ["--data"], ["--data", "x", "--rows", "3"]])
def test_usage_errors(arguments: list[str]) -> None:
    assert CliRunner().invoke(_app, arguments).exit_code == 2
