"""`--task forecast` of `wattline models train` and `evaluate`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from model_export.commands.options import interval_ms_of, interval_text
from model_export.errors import DataError
from model_export.terminal import Step, created, write_file

if TYPE_CHECKING:
    from model_export.commands.data import Opened, Wanted
    from model_export.forecast.evaluation import Trial
    from model_export.forecast.table import Place, SeriesTable
    from model_export.forecast.training import Made
    from model_export.forecast.trials import Times, Trials

TASK: Final = "forecast"
_USUAL_INTERVAL: Final = {"lead": "1h"}
_PLACES: Final = {"london": ("Europe/London", "GB")}
_PERIODS: Final = {"london": ("2013-01-01", "2013-11-01", 61)}
"""Learned from January to October, tested in November and December, where the data have those months."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asked for.

    Attributes:
        wanted: Which data.
        level: "meter" or "aggregate"; not for evaluation.
        zone: Time zone; "" for the data set's own.
        country: Of public holidays; "" for the data set's own.
        test_from: A day, ISO 8601; "" for the data set's own.
        test_days: How many; None for as many as are usual.
        seed: Decides everything random.
    """

    wanted: "Wanted"
    level: str
    zone: str
    country: str
    test_from: str
    test_days: int | None
    seed: int


def forecast_interval(dataset: str, interval: str) -> int:
    """The length of interval that was asked for, or the data set's usual one.

    Raises:
        DataError: Intervals of that length are not forecast.
    """
    from model_export.forecast.training import check_interval

    length_ms = interval_ms_of(interval or _USUAL_INTERVAL.get(dataset, "30m"))
    check_interval(length_ms)
    return length_ms


def usual_size(wanted: "Wanted") -> "Wanted":
    """Simulated homes and days as many as are usual, where nobody says how many."""
    from model_export.forecast.simulated import DAYS, HOMES

    return replace(wanted, homes=wanted.homes or HOMES, days=wanted.days or DAYS)


def train_forecast(asked: Asked, step: Step, command: str) -> "tuple[Made, dict[str, Any]]":
    """Train a forecaster; its file and what was read.

    Raises:
        DataError: There is no such level, or too little data.
    """
    from model_export.forecast.table import Span
    from model_export.forecast.training import STEPS, Wish, train_forecaster
    from wattline.forecasting.onnx_forecaster import LEVELS

    if asked.level not in LEVELS:
        raise DataError(f"--level {asked.level}: there are {', '.join(LEVELS)}")
    table, counts = _table(asked, step)
    facts = {"dataset": asked.wanted.dataset, "command": command, "created": created()}
    made = train_forecaster(table, Span(0, table.length), Wish(asked.level, asked.seed, facts), step("training", STEPS))
    return made, counts


def evaluate_forecast(asked: Asked, model: Path | None, step: Step) -> "tuple[dict[str, Any], list[Trial]]":
    """Try forecasters; the figures, and the trials to draw: of homes, and of sums.

    Raises:
        DataError: There is too little data.
    """
    from model_export.forecast.trials import try_all, try_known

    if model is not None:
        asked = replace(asked, wanted=replace(asked.wanted, interval_ms=_interval_of(model)))
    table, counts = _table(asked, step)
    times = _times(asked, table)
    settings = _settings(asked, table, times)
    if model is not None:
        cold, warm = try_known(table, times.tested, model, step)
        return settings | {"model": str(model)} | _figures(cold, warm) | counts, [cold]
    trials = try_all(table, times, asked.seed, step)
    figures = settings | _figures(trials.meters, trials.meters_with_weather) | _of_sums(trials) | counts
    return figures, [trials.meters, *([trials.halves] if trials.halves else [])]


def print_forecasts(figures: Mapping[str, Any], *, as_json: bool) -> None:
    """Print the figures as one JSON object, or as lines for a person."""
    if as_json:
        typer.echo(json.dumps(figures))
        return
    for name, figure in figures.items():
        if isinstance(figure, dict):
            typer.echo(f"{name.replace('_', ' ')}:")
            for key, value in figure.items():
                typer.echo(f"  {key.replace('_', ' ')}: {value}")
        else:
            typer.echo(f"{name.replace('_', ' ')}: {figure}")


def _figures(cold: "Trial", warm: "Trial | None") -> dict[str, Any]:
    """The headline is without weather of the future: nobody has a forecast of it that is never wrong."""
    from model_export.forecast.figures import figures_of

    figures = figures_of(cold)
    headline = {name: figures["day_ahead"].get(name) for name in ("mae_ratio", "daily_r2", "coverage", "bias")}
    found = headline | {"weather": "none"} | figures
    return found | ({"with_measured_weather": figures_of(warm)} if warm else {})


def _of_sums(trials: "Trials") -> dict[str, Any]:
    from model_export.forecast.figures import figures_of, sum_figures

    if trials.halves is None or trials.whole is None:
        return {"sum": None}
    direct = sum_figures(trials.halves)
    warm = trials.halves_with_weather
    told = {"halves": figures_of(trials.halves), "whole_by_time_only": figures_of(trials.whole)}
    told |= {"with_measured_weather": sum_figures(warm)} if warm else {}
    return {"sum_mape": direct["mape"], "sum": direct | told}


def _settings(asked: Asked, table: "SeriesTable", times: "Times") -> dict[str, Any]:
    def day(at: int) -> str:
        return f"{datetime.fromtimestamp((table.start_ms + at * table.interval_ms) / 1000, UTC):%Y-%m-%d}"

    return {
        "task": TASK,
        "dataset": asked.wanted.dataset,
        "interval": interval_text(table.interval_ms),
        "seed": asked.seed,
        "meters": len(table),
        "learned_from": [day(times.learned.begin), day(times.learned.end)],
        "tested": [day(times.tested.begin), day(times.tested.end)],
    }


def _times(asked: Asked, table: "SeriesTable") -> "Times":
    from model_export.forecast.trials import times_of

    learn_from, test_from, days = _PERIODS.get(asked.wanted.dataset, ("", "", None))
    if asked.test_from:
        return times_of(table, None, _ms(asked.test_from), asked.test_days)
    if test_from and table.start_ms < _ms(test_from) < table.start_ms + table.length * table.interval_ms:
        return times_of(table, _ms(learn_from), _ms(test_from), asked.test_days or days)
    return times_of(table, None, None, asked.test_days)


def _ms(day: str) -> int:
    try:
        return round(datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC).timestamp() * 1000)
    except ValueError:
        raise DataError(f"--test-from {day}: expected a day such as 2013-11-01") from None


def _table(asked: Asked, step: Step) -> "tuple[SeriesTable, dict[str, Any]]":
    """The series that were asked for, and what was read and left out."""
    from model_export.commands.data import opened, tell
    from model_export.forecast.simulated import Size, simulated_table
    from model_export.forecast.table import table_of

    wanted = asked.wanted
    if wanted.dataset == "simulated":
        sized = usual_size(wanted)
        size = Size(sized.homes or 0, sized.days, offices=asked.level != "aggregate")
        return simulated_table(size, wanted.interval_ms, asked.seed, step("simulating", size.homes)), {}
    place = _place(asked)
    source = opened(wanted, step("reading", wanted.homes))
    tell(source)
    return table_of(source.series, wanted.interval_ms, place, _quantity(source)), source.counts()


def _quantity(source: "Opened") -> str:
    return source.quantity


def _place(asked: Asked) -> "Place":
    from model_export.forecast.table import Place

    zone, country = _PLACES.get(asked.wanted.dataset, ("UTC", ""))
    zone = asked.zone or zone
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise DataError(f'--time-zone {zone}: is no time zone such as "Europe/London"') from None
    return Place(zone, asked.country or country)


def _interval_of(model: Path) -> int:
    from wattline.forecasting.errors import ForecasterError
    from wattline.forecasting.onnx_forecaster import OnnxForecaster

    try:
        return OnnxForecaster(model).interval_ms
    except ForecasterError as error:
        raise DataError(str(error)) from None


def write_report(report: Path, command: str, figures: Mapping[str, Any], trials: Sequence["Trial"]) -> None:
    """Write the figures and pictures of some trials as one HTML page."""
    from model_export.forecast.report import forecast_page

    write_file(report, forecast_page(command, created(), figures, trials).encode())
