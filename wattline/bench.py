"""`wattline bench`: the figures that this product is built for, measured on this machine."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from wattline.stop_signals import interrupted_when_ended

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Measure the agent and the way into the store on this machine."
)
_EXIT_UNSOUND = 1
Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on stdout.")]


@app.command()
def edge(
    as_json: Json = False,  # noqa: FBT002 (typer's way to write a flag)
    duration: Annotated[float, typer.Option(min=5, help="Seconds to measure.")] = 60.0,
    interval: Annotated[str, typer.Option(help='What the detector judges at once; "1s" makes it work hardest.')] = "1m",
) -> None:
    """One agent with 34 meters of 34 values every second: CPU per value, memory, time to the first publish.

    Example: wattline bench edge --duration 30 --json
    """
    from wattline.bench_edge import run_edge_bench

    _show(dict(run_edge_bench(duration, interval=interval)), as_json=as_json)


@app.command()
def ingest(
    as_json: Json = False,  # noqa: FBT002 (typer's way to write a flag)
    readings: Annotated[int, typer.Option(min=100_000, help="Readings in batches of 500.")] = 6_000_000,
    single: Annotated[int, typer.Option(min=2_000, help="Messages of one reading.")] = 150_000,
    latency: Annotated[float, typer.Option(min=5, help="Seconds to measure each latency.")] = 20.0,
) -> None:
    """Mosquitto, the cloud and influxd on this machine: readings/s stored, share of influxd alone, latency.

    Latency is from a publish to the visible row, and to the visible alert of a meter that goes beyond its limit.

    Example: wattline bench ingest --readings 2000000 --json
    """
    from wattline.bench_ingest import run_ingest_bench

    result = run_ingest_bench(
        readings=readings, single_messages=single, latency_s=latency, progress=lambda text: typer.echo(text, err=True)
    )
    _show(result, as_json=as_json)


@app.command()
def forecast(
    as_json: Json = False,  # noqa: FBT002 (typer's way to write a flag)
    meters: Annotated[int, typer.Option(min=32, help="How many are forecast.")] = 100_000,
    model: Annotated[Path | None, typer.Option(help="An ONNX forecaster; the cloud's own by default.")] = None,
    naive: Annotated[bool, typer.Option("--naive", help="The same time a week before, instead of a model.")] = False,  # noqa: FBT002 (as above)
) -> None:
    """The next 48 hours of half-hours of a whole fleet, on one core: seconds, meters/s, memory.

    Example: wattline bench forecast --meters 10000 --json
    """
    from wattline.bench_forecast import run_forecast_bench

    result = run_forecast_bench(meters, model=model, naive=naive, progress=lambda text: typer.echo(text, err=True))
    _show(result, as_json=as_json)


class Rival(StrEnum):
    """What a run over a survey can be measured against."""

    PYSPARK = "pyspark"


@app.command()
def batch(
    as_json: Json = False,  # noqa: FBT002 (typer's way to write a flag)
    rows: Annotated[int, typer.Option(min=100_000, help="Half hours in the files; 167900000 is all of London.")] = (
        16_800_000
    ),
    data: Annotated[Path | None, typer.Option(help="Keep the files here for the next time.")] = None,
    vs: Annotated[Rival | None, typer.Option(help="Do the same with this engine, and compare.")] = None,
) -> None:
    """A whole survey in files: read, clean, days, forecast, unusual days. Seconds, rows/s, memory.

    The files are made by the simulator in the layout of the Low Carbon London project, 50 bytes a row. Ends with
    status 1 when the run missed what was put into them, or the engines disagree.

    Example: wattline bench batch --vs pyspark --json
    """
    from wattline.bench_batch import is_sound, run_batch_bench

    with interrupted_when_ended():
        result = run_batch_bench(rows, data=data, versus=vs or "", progress=lambda text: typer.echo(text, err=True))
    _show(result, as_json=as_json)
    if not is_sound(result):
        raise typer.Exit(_EXIT_UNSOUND)


def _show(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(result))
        return
    for name, value in result.items():
        typer.echo(f"{name:24} {value}")
