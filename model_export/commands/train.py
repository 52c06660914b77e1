"""`wattline models train`: a detector from data without labels."""

from pathlib import Path
from typing import Annotated, Final

import typer

from model_export.commands.options import (
    MOST_ALARMS,
    AsJsonOption,
    DataOption,
    DatasetOption,
    HomesOption,
    QuantityOption,
    SeedOption,
    ValueOption,
    command_line,
    interval_ms_of,
    interval_text,
)
from model_export.errors import DataError
from model_export.terminal import check_writable, created, progress_bars, readable_errors, show, write_file

_INTERVAL_MS: Final = 1_800_000


def train(  # noqa: PLR0913, PLR0917 - one argument per option
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Where the model goes.", metavar="FILE")] = Path("model.onnx"),
    family: Annotated[
        str, typer.Option(help="gmm, iforest, kmeans, ocsvm, residual, or ensemble of them.", metavar="NAME")
    ] = "ensemble",
    dataset: DatasetOption = "simulated",
    data: DataOption = None,
    homes: HomesOption = None,
    days: Annotated[int, typer.Option(min=2, help="Days of each simulated meter.", metavar="D")] = 21,
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
    value_column: ValueOption = "",
    quantity: QuantityOption = "",
    as_json: AsJsonOption = False,  # noqa: FBT002 - typer makes a flag of it
) -> None:
    """Train a detector on meters that are nearly always well, and write it as an ONNX file for the edge.

    Examples:
    * `wattline models train --interval 30m --out home.onnx`
    * `wattline models train --dataset csv --data meters/ --interval 1h --alarms 0.5 --out mine.onnx`
    * `wattline models train --dataset lead --data buildings/ --interval 1h --family gmm --out buildings.onnx`
    """
    from model_export.commands.data import SIMULATED_HOMES, Wanted, opened, tell
    from model_export.dataset import feature_table
    from model_export.detector import Wishes, training_steps
    from model_export.families import FAMILIES
    from model_export.sources.catalog import USUAL_INTERVAL_MS
    from model_export.training import train as train_model

    with readable_errors():
        if family not in FAMILIES:
            raise DataError(f"--family {family}: there are {', '.join(FAMILIES)}")
        if dataset == "simulated":
            context.params["homes"] = homes = homes or SIMULATED_HOMES
        interval = interval or interval_text(USUAL_INTERVAL_MS.get(dataset, _INTERVAL_MS))
        context.params["interval"] = interval
        wanted = Wanted(dataset, data, interval_ms_of(interval), homes, days, seed, value_column, quantity)
        unneeded = {"out", "as_json"} | ({"days"} if dataset != "simulated" else {"data"})
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
