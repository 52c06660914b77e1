"""Lengths of interval as a person writes them, and command lines that do the same again."""

import shlex
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from model_export.commands.options import command_line, interval_ms_of, interval_text
from model_export.errors import DataError


@pytest.mark.parametrize(("text", "ms"), [("1m", 60_000), ("30m", 1_800_000), ("1h", 3_600_000), ("90s", 90_000)])
def test_an_interval_is_read_and_written(text: str, ms: int) -> None:
    assert interval_ms_of(text) == ms
    assert interval_ms_of(interval_text(ms)) == ms


@pytest.mark.parametrize("text", ["soon", "", "7m", "0s", "500ms", "2d"])
def test_what_is_no_part_of_a_day_is_no_interval(text: str) -> None:
    with pytest.raises(DataError, match="--interval"):
        interval_ms_of(text)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "wattline models mix --homes 3 --rate 1"),
        (["my meters/a.csv", "--all"], "wattline models mix 'my meters/a.csv' --homes 3 --rate 1 --all"),
        (["--rate", "0.25", "--name", "x"], "wattline models mix --homes 3 --rate 0.25"),
        (["it's"], """wattline models mix 'it'"'"'s' --homes 3 --rate 1"""),
    ],
)
def test_a_recorded_command_says_every_option_that_counts(arguments: list[str], line: str) -> None:
    app = typer.Typer()
    recorded: list[str] = []

    @app.command("mix")
    def mix(  # the options are what is tested
        context: typer.Context,
        file: Annotated[str | None, typer.Argument()] = None,
        homes: Annotated[int, typer.Option("--homes", "-n")] = 3,
        rate: float = 1.0,
        name: str = "",
        everything: Annotated[bool, typer.Option("--all")] = False,  # noqa: FBT002 - as typer wants it
    ) -> None:
        del file, homes, rate, name, everything
        recorded.append(command_line(context, without={"name"}))

    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert recorded == [line]
    assert shlex.split(recorded[0])[:3] == ["wattline", "models", "mix"]
