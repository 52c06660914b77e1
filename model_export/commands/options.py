"""Options that several commands have."""

import shlex
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Final

import typer

from model_export.errors import DataError
from wattline.config import parse_duration

DETECT: Final = "detect"
FORECAST: Final = "forecast"
_MIN_INTERVAL_MS: Final = 1_000
_DAY_MS: Final = 86_400_000
MOST_ALARMS: Final = 84.0
"""Of a meter in a week: alarms closer than an hour are one, so hours that alternate make no more."""

DatasetOption = Annotated[
    str, typer.Option("--dataset", help="What the data are: simulated, lead, london, csv or archive.", metavar="NAME")
]
DataOption = Annotated[
    Path | None, typer.Option("--data", help="Where they lie: a folder or a file. Not for simulated.", metavar="PATH")
]
HomesOption = Annotated[
    int | None, typer.Option("--homes", min=1, help="Meters to take; all, or 24 simulated ones.", metavar="N")
]
SeedOption = Annotated[
    int,
    typer.Option("--seed", min=0, max=2**32 - 1, help="The same seed gives the same result.", metavar="N"),
]
ValueOption = Annotated[str, typer.Option("--value-column", help="csv: the column of values.", metavar="NAME")]
QuantityOption = Annotated[
    str, typer.Option("--quantity", help="csv: what the values are: power_w, energy_kwh, ...", metavar="NAME")
]
TaskOption = Annotated[
    str, typer.Option("--task", help="detect anomalies, or forecast consumption.", metavar="detect|forecast")
]
ZoneOption = Annotated[
    str, typer.Option("--time-zone", help="forecast: where the meters are, such as Europe/London.", metavar="ZONE")
]
CountryOption = Annotated[
    str, typer.Option("--country", help="forecast: whose public holidays count, such as GB or DE-BY.", metavar="CODE")
]
AsJsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON, and nothing else.")]


def interval_text(interval_ms: int) -> str:
    """A length of interval as a person writes it."""
    units = (("h", 3_600_000), ("m", 60_000), ("s", 1_000))
    return next(f"{interval_ms // size}{unit}" for unit, size in units if interval_ms % size == 0)


def interval_ms_of(text: str) -> int:
    """The length of interval that a person wrote.

    Raises:
        DataError: It is no duration, or no whole part of a day.
    """
    try:
        interval_ms = int(parse_duration(text))
    except ValueError as error:
        raise DataError(f"--interval: {error}") from None
    if interval_ms < _MIN_INTERVAL_MS or _DAY_MS % interval_ms:
        raise DataError(f"--interval {text}: expected a whole part of a day, at least 1s")
    return interval_ms


def checked_task(task: str) -> str:
    """The task that a person named.

    Raises:
        DataError: There is no such task.
    """
    if task not in {DETECT, FORECAST}:
        raise DataError(f"--task {task}: there are {DETECT} and {FORECAST}")
    return task


def refuse_changed(context: typer.Context, task: str, options: Collection[str]) -> None:
    """Refuse options that mean nothing to a task.

    Args:
        context: Of the command that runs.
        task: The task.
        options: Parameters of other tasks.

    Raises:
        DataError: One of them was given.
    """
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name in options and source is not None and source.name == "COMMANDLINE":
            raise DataError(f"{max(parameter.opts, key=len)}: means nothing with --task {task}")


def command_line(context: typer.Context, *, without: Collection[str] = ()) -> str:
    """The command line that does the same again: every option that has a value, whether it was typed or not.

    Args:
        context: Of the command that runs.
        without: Parameters that change nothing in the result.
    """
    words = ["wattline", "models", context.info_name or ""]
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        if parameter.name in without or value in {None, "", False}:
            continue
        option = [max(parameter.opts, key=len)] if parameter.param_type_name == "option" else []
        words += option if value is True else [*option, f"{value:g}" if isinstance(value, float) else str(value)]
    return shlex.join(words)
