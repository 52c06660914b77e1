"""`wattline models train`: a detector from data without labels."""

from pathlib import Path
from typing import Annotated

import typer

from model_export.commands import data as data_of
from model_export.commands.options import (
    AlarmsOption,
    AsJsonOption,
    DataOption,
    DatasetOption,
    DaysOption,
    HomesOption,
    QuantityOption,
    SeedOption,
    ValueOption,
    interval_ms_of,
)
from model_export.commands.terminal import created, progress_bars, readable_errors, show, write_file
from model_export.errors import DataError


def train(  # noqa: PLR0913, PLR0917 - one argument per option
    out: Annotated[Path, typer.Option(help="Where the model goes.")] = Path("model.onnx"),
    family: Annotated[str, typer.Option(help="The kind of model.")] = "gmm",
    dataset: DatasetOption = "simulated",
    data: DataOption = None,
    homes: HomesOption = None,
    days: DaysOption = 21,
    interval: Annotated[str, typer.Option(help="Length of the judged intervals: 1m, 30m, 1h.")] = "1m",
    seed: SeedOption = 1,
    alarms: AlarmsOption = 1.0,
    value_column: ValueOption = "",
    quantity: QuantityOption = "",
    as_json: AsJsonOption = False,  # noqa: FBT002 - typer makes a flag of it
) -> None:
    """Train a detector and write it as an ONNX file for the edge.

    Examples:
    * `wattline models train --interval 30m --out home.onnx`
    * `wattline models train --dataset csv --data meters/ --interval 1h --alarms 0.5 --out mine.onnx`
    """
    from model_export.dataset import feature_table
    from model_export.families import FAMILIES
    from model_export.training import Wishes
    from model_export.training import train as train_model

    with readable_errors():
        if family not in FAMILIES:
            raise DataError(f"--family {family}: there are {', '.join(FAMILIES)}")
        wanted = data_of.Wanted(dataset, data, interval_ms_of(interval), homes, days, seed, value_column, quantity)
        command = f"wattline models train --family {family} --dataset {dataset} --homes {homes or 24} --days {days}"
        command += f" --interval {interval} --seed {seed} --alarms {alarms:g}"
        with progress_bars() as step:
            table = feature_table(data_of.series_of(wanted, step("reading", homes)))
            facts = {"command": command, "created": created()}
            made = train_model(table, Wishes(family, alarms, seed, facts), step("training", 4))
        write_file(out, made.model)
    show({"file": str(out), "bytes": len(made.model), **made.facts}, as_json=as_json, title="Trained")
