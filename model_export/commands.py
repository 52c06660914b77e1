"""`wattline models`: train detectors, and see how good they are."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from model_export.dataset import FeatureTable, MeterSeries, feature_table
from model_export.errors import DataError, ModelExportError
from wattline.config import parse_duration

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Train detectors on simulated or real meters, and see how good they are.",
)
_errors: Final = Console(stderr=True)
_MIN_INTERVAL_MS: Final = 1_000
_DAY_MS: Final = 86_400_000

Data = Annotated[str, typer.Option(help="`simulated`, `london` (needs --path or WATTLINE_CORPUS), or `csv` (--path).")]
PathOption = Annotated[Path | None, typer.Option(help="A CSV file, or a folder of them.")]
Homes = Annotated[int, typer.Option(min=1, help="Meters to take.")]
Days = Annotated[int, typer.Option(min=2, help="Days of each simulated meter.")]
Interval = Annotated[str, typer.Option(help="Length of the judged intervals: 1m, 30m, 1h.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same homes and the same model.")]
Value = Annotated[str, typer.Option(help="The column of values in a CSV file.")]
Quantity = Annotated[str, typer.Option(help="What the values are: power_w, energy_kwh, ...")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.callback()
def models() -> None:
    """Train detectors on simulated or real meters, and see how good they are."""


@app.command()
def train(  # noqa: PLR0913, PLR0917 - one argument per option
    out: Annotated[Path, typer.Option(help="Where the model goes.")] = Path("model.onnx"),
    family: Annotated[str, typer.Option(help="The kind of model: gmm.")] = "gmm",
    data: Data = "simulated",
    path: PathOption = None,
    homes: Homes = 24,
    days: Days = 21,
    interval: Interval = "1m",
    seed: Seed = 1,
    alarms: Annotated[float, typer.Option(min=0.001, help="False alarms per meter and week that you can bear.")] = 1.0,
    value_column: Value = "",
    quantity: Quantity = "",
    as_json: AsJson = False,  # noqa: FBT002 - typer makes a flag of it
) -> None:
    """Train a detector and write it as an ONNX file for the edge.

    Examples:
    * `wattline models train --interval 30m --out home.onnx`
    * `wattline models train --data csv --path meters/ --interval 1h --alarms 0.5 --out mine.onnx`
    """
    from model_export.families import FAMILIES
    from model_export.training import Wishes
    from model_export.training import train as train_model

    with _readable_errors():
        if family not in FAMILIES:
            raise DataError(f"--family {family}: there are {', '.join(FAMILIES)}")
        interval_ms = _interval(interval)
        source = _source(data, path, homes, days, interval_ms, seed, value_column, quantity)
        command = f"wattline models train --family {family} --data {data} --homes {homes} --days {days}"
        command += f" --interval {interval} --seed {seed} --alarms {alarms:g}"
        with _progress() as step:
            table = _features(source, homes, step)
            facts = {"command": command, "created": _created()}
            made = train_model(table, Wishes(family, alarms, seed, facts), step("training", 4))
        _write(out, made.model)
    _show({"file": str(out), "bytes": len(made.model), **made.facts}, as_json=as_json, title="Trained")


@app.command()
def evaluate(  # noqa: PLR0913, PLR0917 - one argument per option
    model: Annotated[Path, typer.Argument(help="An ONNX file from `train`.")],
    data: Data = "simulated",
    path: PathOption = None,
    homes: Homes = 24,
    days: Days = 28,
    seed: Seed = 99,
    faults_per_day: Annotated[float, typer.Option(min=0, help="Of each kind, per simulated meter.")] = 0.1,
    value_column: Value = "",
    quantity: Quantity = "",
    as_json: AsJson = False,  # noqa: FBT002 - typer makes a flag of it
) -> None:
    """Score meters: recall per injected fault, false alarms per meter and week.

    Series from files carry no labels: there every alarm counts as a false one.

    Example: `wattline models evaluate home.onnx --homes 40 --days 60 --json`
    """
    from model_export.evaluation import evaluate as compare
    from model_export.export import read_model, score_rows

    with _readable_errors():
        content, facts = read_model(model)
        interval_ms = int(facts["interval_ms"])
        source = _source(data, path, homes, days, interval_ms, seed, value_column, quantity, faults_per_day)
        with _progress() as step:
            tick = step("reading", homes)
            series = [_ticked(one, tick) for one in source]
            table = feature_table(series)
            scored = score_rows(content, table.matrix)
        quality = compare(series, table, scored.found)
    figures: dict[str, Any] = {f"recall_{kind}": round(share, 3) for kind, share in quality.recall.items()}
    figures |= {f"faults_{kind}": number for kind, number in quality.injected.items()}
    figures |= {
        "false_alarms_per_meter_week": round(quality.false_alarms_per_week, 3),
        "meter_weeks": round(quality.meter_weeks, 1),
        "meters": len(np.unique(table.meter)),
        "anomalous_share": float(scored.found.mean()),
    }
    _show(figures, as_json=as_json, title=f"{model} on {data}")


def _source(  # noqa: PLR0913, PLR0917 - the options of both commands
    data: str,
    path: Path | None,
    homes: int,
    days: int,
    interval_ms: int,
    seed: int,
    value: str,
    quantity: str,
    faults_per_day: float = 0.0,
) -> Iterator[MeterSeries]:
    """The series that the options speak of.

    Raises:
        DataError: There is no such source.
    """
    if data == "simulated":
        from model_export.sources.simulated import Spec, simulated_series

        return simulated_series(Spec(homes, days, interval_ms, seed, faults_per_day))
    from model_export.sources.tables import table_files, table_series

    if data == "london":
        corpus = Path(os.environ.get("WATTLINE_CORPUS", "../shared/data"))
        files = table_files(path or corpus / "forecast" / "london_lcl" / "homes")
    elif data == "csv" and path is not None:
        files = table_files(path)
    else:
        raise DataError(f"--data {data}: expected simulated, london, or csv with --path")
    return table_series(files[:homes], interval_ms, value, quantity)


def _features(source: Iterator[MeterSeries], homes: int, step: "Step") -> FeatureTable:
    tick = step("reading", homes)
    return feature_table(_ticked(one, tick) for one in source)


def _ticked(one: MeterSeries, tick: Callable[[], None]) -> MeterSeries:
    tick()
    return one


Step = Callable[[str, int], Callable[[], None]]


@contextmanager
def _progress() -> Iterator[Step]:
    """A bar per step on a terminal's stderr; nothing elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_errors, disable=not _errors.is_terminal) as progress:

        def step(title: str, total: int) -> Callable[[], None]:
            task = progress.add_task(title, total=total)
            return lambda: progress.advance(task)

        yield step


@contextmanager
def _readable_errors() -> Iterator[None]:
    """What a person can put right ends as one line and exit status 2."""
    try:
        yield
    except (ModelExportError, OSError) as error:
        _errors.print(f"error: {error}", style="red", markup=False, highlight=False)
        raise typer.Exit(2) from None


def _interval(text: str) -> int:
    try:
        interval_ms = int(parse_duration(text))
    except ValueError as error:
        raise DataError(f"--interval: {error}") from None
    if interval_ms < _MIN_INTERVAL_MS or _DAY_MS % interval_ms:
        raise DataError(f"--interval {text}: expected a whole part of a day, at least 1s")
    return interval_ms


def _created() -> str:
    """Now, or SOURCE_DATE_EPOCH where builds must repeat byte for byte."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    return (datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)).isoformat(timespec="seconds")


def _write(out: Path, model: bytes) -> None:
    fresh = out.with_name(f"{out.name}.new")
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh.write_bytes(model)
    fresh.replace(out)


def _show(figures: dict[str, Any], *, as_json: bool, title: str) -> None:
    if as_json:
        typer.echo(json.dumps(figures))
        return
    table = Table(title=title, show_header=False)
    for name, figure in figures.items():
        table.add_row(name, f"{figure:.3g}" if isinstance(figure, float) else str(figure))
    Console().print(table)
