"""`wattline models train`: a detector, or a forecaster, from data without labels."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from model_export.commands.options import (
    DETECT,
    FORECAST,
    MOST_ALARMS,
    AsJsonOption,
    CountryOption,
    DataOption,
    DatasetOption,
    HomesOption,
    QuantityOption,
    SeedOption,
    TaskOption,
    ValueOption,
    ZoneOption,
    checked_task,
    command_line,
    interval_ms_of,
    interval_text,
    refuse_changed,
)
from model_export.errors import DataError
from model_export.terminal import check_writable, created, progress_bars, readable_errors, show, write_file

if TYPE_CHECKING:
    from model_export.commands.forecasting import Asked

_INTERVAL_MS: Final = 1_800_000
_DAYS: Final = 21


def train(  # noqa: PLR0913, PLR0917 - one argument per option
    context: typer.Context,
    task: TaskOption = DETECT,
    out: Annotated[Path, typer.Option(help="Where the model goes.", metavar="FILE")] = Path("model.onnx"),
    family: Annotated[
        str, typer.Option(help="gmm, iforest, kmeans, ocsvm, residual, or ensemble of them.", metavar="NAME")
    ] = "ensemble",
    dataset: DatasetOption = "simulated",
    data: DataOption = None,
    homes: HomesOption = None,
    days: Annotated[
        int | None, typer.Option(min=2, help="Days of each simulated meter; 21, or 365 to forecast.", metavar="D")
    ] = None,
    interval: Annotated[
        str,
        typer.Option(help="Length of the judged intervals: 1m, 30m, 1h; else the data's usual one.", metavar="LENGTH"),
    ] = "",
    seed: SeedOption = 1,
    alarms: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            max=MOST_ALARMS,
            help="False alarms per meter and week that you can bear; 1, or a rule of the family's own.",
            metavar="RATE",
        ),
    ] = None,
    level: Annotated[
        str,
        typer.Option(help="forecast: meter for single meters, aggregate for sites and fleets.", metavar="LEVEL"),
    ] = "meter",
    zone: ZoneOption = "",
    country: CountryOption = "",
    value_column: ValueOption = "",
    quantity: QuantityOption = "",
    as_json: AsJsonOption = False,  # noqa: FBT002 - typer makes a flag of it
) -> None:
    """Train a detector on meters that are nearly always well, and write it as an ONNX file for the edge.

    **With `--task forecast`**: a forecaster of the next 48 hours, for the cloud.

    Examples:
    * `wattline models train --interval 30m --out home.onnx`
    * `wattline models train --dataset csv --data meters/ --interval 1h --alarms 0.5 --out mine.onnx`
    * `wattline models train --dataset lead --data buildings/ --interval 1h --family gmm --out buildings.onnx`
    * `wattline models train --task forecast --dataset archive --data archive/ --time-zone Europe/Paris --country FR
      --out meters.onnx`
    * `wattline models train --task forecast --level aggregate --dataset csv --data meters/ --out sums.onnx`
    """
    from model_export.commands.data import SIMULATED_HOMES, Wanted, opened, tell
    from model_export.commands.forecasting import Asked
    from model_export.dataset import feature_table
    from model_export.detector import Wishes, training_steps
    from model_export.families import FAMILIES
    from model_export.sources.catalog import USUAL_INTERVAL_MS
    from model_export.training import train as train_model

    with readable_errors():
        if checked_task(task) == FORECAST:
            refuse_changed(context, task, ("family", "alarms"))
            wanted = Wanted(dataset, data, 0, homes, days or 0, seed, value_column, quantity)
            _train_forecaster(context, out, Asked(wanted, level, zone, country, "", None, seed), as_json=as_json)
            return
        refuse_changed(context, task, ("level", "zone", "country"))
        days = context.params["days"] = days or _DAYS
        if family not in FAMILIES:
            raise DataError(f"--family {family}: there are {', '.join(FAMILIES)}")
        if dataset == "simulated":
            context.params["homes"] = homes = homes or SIMULATED_HOMES
        interval = interval or interval_text(USUAL_INTERVAL_MS.get(dataset, _INTERVAL_MS))
        context.params["interval"] = interval
        wanted = Wanted(dataset, data, interval_ms_of(interval), homes, days, seed, value_column, quantity)
        unneeded = {"task", "level", "out", "as_json"} | ({"days"} if dataset != "simulated" else {"data"})
        facts = {"command": command_line(context, without=unneeded), "created": created()}
        wishes = Wishes(family, alarms, seed, facts)
        check_writable(out)
        with progress_bars() as step:
            source = opened(wanted, step("reading", homes))
            table = feature_table(source.series)
            made = train_model(table, wishes, step("training", training_steps(table, wishes, [family])))
        write_file(out, made.model)
    tell(source)
    result = {"file": str(out), "bytes": len(made.model), **made.facts, **source.counts()}
    show(result, as_json=as_json, title="Trained")


def _train_forecaster(context: typer.Context, out: Path, asked: "Asked", *, as_json: bool) -> None:
    """The way of `--task forecast`."""
    from model_export.commands.forecasting import forecast_interval, train_forecast, usual_size

    wanted = replace(asked.wanted, interval_ms=forecast_interval(asked.wanted.dataset, context.params["interval"]))
    if wanted.dataset == "simulated":
        wanted = usual_size(wanted)
        context.params |= {"homes": wanted.homes, "days": wanted.days}
    context.params["interval"] = interval_text(wanted.interval_ms)
    unneeded = {"out", "as_json", "family"} | ({"days"} if wanted.dataset != "simulated" else {"data"})
    check_writable(out)
    with progress_bars() as step:
        made, counts = train_forecast(replace(asked, wanted=wanted), step, command_line(context, without=unneeded))
    write_file(out, made.model)
    show({"file": str(out), "bytes": len(made.model), **made.facts, **counts}, as_json=as_json, title="Trained")
