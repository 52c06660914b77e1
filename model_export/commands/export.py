"""`wattline models export`: an existing model file, checked, and with a threshold for one's own meters."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from model_export.commands.model_file import known_model
from model_export.commands.options import (
    MOST_ALARMS,
    AsJsonOption,
    DataOption,
    HomesOption,
    QuantityOption,
    ValueOption,
    command_line,
)
from model_export.errors import DataError
from model_export.terminal import (
    check_writable,
    created,
    progress_bars,
    readable_errors,
    show,
    write_file,
)

if TYPE_CHECKING:
    from model_export.commands.data import Wanted


def export(  # noqa: PLR0913, PLR0917 - one argument per option
    context: typer.Context,
    model: Annotated[Path, typer.Argument(help="A model file from `train`.")],
    out: Annotated[
        Path | None, typer.Option(help="Where the model for your meters goes; needs --dataset.", metavar="FILE")
    ] = None,
    dataset: Annotated[
        str, typer.Option(help="What your data are: london, lead, csv or archive.", metavar="NAME")
    ] = "",
    data: DataOption = None,
    alarms: Annotated[
        float,
        typer.Option(
            min=0.001, max=MOST_ALARMS, help="False alarms per meter and week that you can bear.", metavar="RATE"
        ),
    ] = 1.0,
    homes: HomesOption = None,
    value_column: ValueOption = "",
    quantity: QuantityOption = "",
    as_json: AsJsonOption = False,  # noqa: FBT002 - typer makes a flag of it
) -> None:
    """Check a model file as an edge would; with data, give it a score and a threshold for the meters there.

    Nothing is learned again and no labels are needed: how strange intervals look to the model is counted anew on your
    meters, and the threshold is set to the false alarms that you can bear. The data should be ordinary ones.

    Examples:
    * `wattline models export home.onnx`
    * `wattline models export home.onnx --dataset csv --data meters/ --alarms 0.5 --out mine.onnx`
    """
    from model_export.commands.data import Wanted
    from model_export.recalibrate import examined

    with readable_errors():
        content, facts = known_model(model)
        found = examined(content)
        told: dict[str, Any] = {"file": str(model), "bytes": found.size, "nodes": found.nodes, **facts}
        if (out is None) != (not dataset):
            raise DataError("a model for your own meters needs both --dataset and --out")
        if dataset == "simulated":
            raise DataError("--dataset simulated: there is nothing of your own meters in it")
        if out is not None:
            check_writable(out)
            wanted = Wanted(dataset, data, int(facts["interval_ms"]), homes, 0, 0, value_column, quantity)
            new_facts = {"command": command_line(context, without={"out", "as_json"}), "created": created()}
            told = _recalibrated(content, out, wanted, alarms, new_facts)
    show(told, as_json=as_json, title="Checked" if out is None else "For your meters")


def _recalibrated(content: bytes, out: Path, wanted: "Wanted", alarms: float, facts: dict[str, str]) -> dict[str, Any]:
    """Write the model for the meters that are wanted; tell what it is."""
    from model_export.commands.data import opened, tell
    from model_export.dataset import feature_table
    from model_export.export import facts_of
    from model_export.recalibrate import recalibrated

    old = facts_of(content)
    with progress_bars() as step:
        source = opened(wanted, step("reading", wanted.homes))
        made = recalibrated(content, feature_table(source.series), alarms, facts)
    write_file(out, made.model)
    tell(source)
    before = {"threshold_before": old["threshold"]}
    return {"file": str(out), "bytes": len(made.model), **before, **made.facts, **source.counts()}
